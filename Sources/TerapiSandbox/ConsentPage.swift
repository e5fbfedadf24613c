/// The page on which the person allows the access: no account, one click.
enum ConsentPage {
    static func html(for request: AuthorizationRequest) -> String {
        let fields = [
            ("client_id", request.clientID), ("redirect_uri", request.redirectURI), ("response_type", "code"),
            ("code_challenge", request.codeChallenge), ("code_challenge_method", "S256"), ("scope", request.scope),
        ]
        let hidden = (fields + (request.state.map { [("state", $0)] } ?? []))
            .map { "<input type=\"hidden\" name=\"\($0)\" value=\"\(escaped($1))\">" }
            .joined(separator: "\n        ")
        return page(
            title: "Allow access?",
            body: """
                <div class="mark">S</div>
                <h1>Allow access to your tickets?</h1>
                <p><b>\(escaped(request.clientID))</b> would like to</p>
                <ul>
                    <li>read your tickets, also when you are away</li>
                    <li>see your name and address</li>
                </ul>
                <form method="post" action="/oauth/authorize">
                    \(hidden)
                    <button name="decision" value="allow" class="allow">Allow</button>
                    <button name="decision" value="deny">Deny</button>
                </form>
                <p class="note">This is Terapi's sandbox: a made-up service on your own machine. Nothing leaves it.</p>
                """
        )
    }

    static func refusal(_ explanation: String) -> String {
        page(
            title: "Not possible",
            body: "<div class=\"mark\">S</div><h1>Not possible</h1><p>\(escaped(explanation))</p>"
        )
    }

    private static func page(title: String, body: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(title)</title>
        <style>
            :root { color-scheme: light dark; --line: #8884; --accent: #2563eb; }
            body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center;
                background: light-dark(#f4f5f7, #16181d); color: light-dark(#1c1f26, #e8eaf0); }
            main { background: light-dark(#fff, #20232a); border: 1px solid var(--line); border-radius: 14px;
                padding: 32px; width: min(380px, calc(100vw - 96px)); box-shadow: 0 10px 30px #0001; }
            h1 { font-size: 1.25rem; margin: 16px 0 8px; }
            .mark { width: 40px; height: 40px; border-radius: 10px; background: var(--accent); color: #fff;
                display: grid; place-items: center; font-weight: 700; }
            ul { padding-left: 1.2em; }
            form { display: flex; gap: 12px; margin-top: 24px; }
            button { flex: 1; font: inherit; padding: 10px; border-radius: 8px; border: 1px solid var(--line);
                background: none; color: inherit; cursor: pointer; }
            button.allow { background: var(--accent); border-color: var(--accent); color: #fff; font-weight: 600; }
            .note { font-size: .82rem; opacity: .7; margin: 20px 0 0; }
        </style>
        <main>
        \(body)
        </main>
        </html>
        """
    }

    /// Text as it may stand in HTML, also between quotes.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
        return result
    }
}
