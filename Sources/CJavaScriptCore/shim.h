#include <JavaScriptCore/JavaScript.h>
#include <stdbool.h>

// Exported by the library but declared only in its private headers. The limit counts CPU time in seconds;
// the callback answers whether to end the script.
typedef bool (*JSShouldTerminateCallback)(JSContextRef context, void *data);
JS_EXPORT void JSContextGroupSetExecutionTimeLimit(
    JSContextGroupRef group, double limit, JSShouldTerminateCallback callback, void *data);
