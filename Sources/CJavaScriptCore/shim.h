#include <JavaScriptCore/JavaScript.h>
#include <stdbool.h>
#include <stdlib.h>
#ifdef __linux__
#include <malloc.h>
#include <spawn.h>
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

// Also private: a text that is parsed once for all contexts of a group, and kept once.
typedef struct OpaqueJSScript *JSScriptRef;
JS_EXPORT JSScriptRef JSScriptCreateFromString(
    JSContextGroupRef group, JSStringRef url, int startingLine, JSStringRef source, JSStringRef *errorMessage,
    int *errorLine);
JS_EXPORT void JSScriptRelease(JSScriptRef script);
JS_EXPORT JSValueRef JSScriptEvaluate(
    JSContextRef context, JSScriptRef script, JSValueRef thisValue, JSValueRef *exception);

// What the C library holds for later goes back to the system.
static inline void terapi_return_free_memory(void) {
#ifdef __linux__
    malloc_trim(0);
#endif
}

// Its header shows it only to GNU sources.
extern void *memmem(const void *text, size_t length, const void *part, size_t partLength);

#ifdef __linux__
// glibc 2.34 and later; its header shows it only to GNU sources.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
// The same with 2.29.
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
#endif
