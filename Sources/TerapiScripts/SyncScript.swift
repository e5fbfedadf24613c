import TerapiCore

/// The module that a sync file becomes: the same kind of script that a person would write.
struct SyncScript {
    /// What the prelude's `declaredSync` takes.
    let spec: JSONObject

    var code: String {
        """
        "use strict";
        const { createSync, declaredSync } = require('terapi');

        module.exports = createSync(declaredSync({
        \(spec.members.map { "    \(JSONValue.string($0.name).text()): \($0.value.text())," }.joined(separator: "\n"))
        }));

        """
    }
}
