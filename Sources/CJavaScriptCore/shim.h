#include <JavaScriptCore/JavaScript.h>
#include <stdbool.h>
#include <stdlib.h>
#ifdef __linux__
#include <spawn.h>
#include <sys/prctl.h>
#endif

// Exported by the library but declared only in its private headers. The limit counts CPU time in seconds;
// the callback answers whether to end the script.
typedef bool (*JSShouldTerminateCallback)(JSContextRef context, void *data);
JS_EXPORT void JSContextGroupSetExecutionTimeLimit(
    JSContextGroupRef group, double limit, JSShouldTerminateCallback callback, void *data);

// Also private: called with (promise, reason) when a promise was rejected and nobody listens.
JS_EXPORT void JSGlobalContextSetUnhandledRejectionCallback(
    JSGlobalContextRef context, JSObjectRef function, JSValueRef *exception);

// JSGarbageCollect only notes that much has become garbage; this one collects.
JS_EXPORT void JSSynchronousGarbageCollectForDebugging(JSContextRef context);

// prctl takes variable arguments, which Swift cannot call. After this the process can never gain rights.
static inline void terapi_give_up_privileges(void) {
#ifdef __linux__
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

#ifdef __linux__
// glibc 2.34 and later; its header shows it only to GNU sources.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
// The same with 2.29.
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
#endif
