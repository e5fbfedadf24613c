"""A file with as many providers as the largest one that is known: a map of 981 entries, 67 of them aliases.

How often a key stands in it follows what was counted there; names, addresses and texts are made up.
"""

import textwrap

AUTH_MODES = {
    "OAUTH2": 293, "API_KEY": 323, "OAUTH2_CC": 100, "BASIC": 96, "TWO_STEP": 61, "MCP_OAUTH2": 24, "JWT": 4,
    "OAUTH1": 4, "BILL": 2, "MCP_OAUTH2_GENERIC": 2, "NONE": 2, "AWS_SIGV4": 1, "INSTALL_PLUGIN": 1, "SIGNATURE": 1,
}
ALIASES = 67

FIELD = """\
{name}:
    type: string
    title: {title}
    description: Found in the settings of the account
    example: example-{name}
    pattern: "^[a-zA-Z0-9.-]+$"
    doc_section: "#step-{order}-find-the-{name}"
"""

OAUTH2 = """\
auth_mode: OAUTH2
authorization_url: https://{host}.example/oauth/authorize
token_url: https://{host}.example/oauth/token
authorization_params:
    response_type: code
    prompt: consent
token_params:
    grant_type: authorization_code
refresh_params:
    grant_type: refresh_token
disable_pkce: true
scope_separator: ","
default_scopes:
    - offline_access
token_request_auth_method: basic
token_response_metadata:
    - account.id
"""

RARE_OAUTH2 = """\
refresh_url: https://login.{name}.example/oauth/refresh
authorization_method: header
redirect_uri_metadata:
    - companyId
authorization_url_replacements:
    response_type: ""
authorization_url_skip_empty: true
authorization_url_skip_encode: [scopes, base_url]
authorization_url_fragment: /oauth/authorize
authorization_code_param_in_callback: tenant
alternate_access_token_response_path: authed_user
refresh_token_response_metadata: [restUrl]
connection_configuration: [portalId]
expires_in_unit: milliseconds
token_expiration_buffer: 30
decode_url: true
body_format: json
auth:
    response_type: code
token_headers:
    accept: application/json
"""

TWO_STEP = """\
auth_mode: TWO_STEP
token_url: https://{host}.example/session
token_request_method: POST
body_format: json
token_headers:
    content-type: application/json
token_params:
    username: ${{credentials.username}}
    nested:
        password: ${{credentials.password}}
token_response:
    token: data.token
    token_expiration: data.expires
    token_expiration_strategy: expireIn
token_expires_in_ms: 3600000
additional_steps:
    - token_url: https://{name}.example/second
      body_format: form
      token_headers:
          authorization: Bearer ${{step1.access_token}}
      token_params:
          grant_type: password
"""

JWT = """\
auth_mode: {mode}
signature:
    protocol: EC
token:
    signing_key: ${{credentials.privateKey}}
    expires_in_ms: 900000
    header:
        alg: ES256
        kid: ${{credentials.privateKeyId}}
        typ: JWT
    payload:
        iss: ${{credentials.issuerId}}
        aud: {name}
        jti: ${{random}}
        sub: ${{credentials.user}}.${{fingerprint(${{credentials.privateKey}})}}
"""

MODES = {
    "OAUTH2": OAUTH2,
    "API_KEY": "auth_mode: API_KEY\n",
    "BASIC": "auth_mode: BASIC\n",
    "NONE": "auth_mode: NONE\n",
    "AWS_SIGV4": "auth_mode: AWS_SIGV4\n",
    "BILL": "auth_mode: BILL\ntoken_url: https://{name}.example/login\n",
    "INSTALL_PLUGIN": "auth_mode: INSTALL_PLUGIN\nauth_type: BASIC\n",
    "MCP_OAUTH2_GENERIC": "auth_mode: MCP_OAUTH2_GENERIC\n",
    "TWO_STEP": TWO_STEP,
    "JWT": JWT,
    "SIGNATURE": JWT,
    "OAUTH2_CC": """\
auth_mode: OAUTH2_CC
token_url: https://{host}.example/token
token_params:
    grant_type: client_credentials
    audience: https://{name}.example
body_format: form
scope_separator: " "
""",
    "OAUTH1": """\
auth_mode: OAUTH1
request_url: https://{name}.example/request
authorization_url: https://{name}.example/authorize
token_url: https://{name}.example/access
signature_method: HMAC-SHA1
request_params:
    x_auth_access_type: write
""",
    "MCP_OAUTH2": """\
auth_mode: MCP_OAUTH2
client_registration: dynamic
authorization_url: https://mcp.{name}.example/authorize
token_url: https://mcp.{name}.example/token
registration_url: https://mcp.{name}.example/register
registration_params:
    response_types: [code]
""",
}

# What a proxy block holds, and in how many of a hundred entries.
PROXY = [
    (100, "base_url: https://{host}.example || https://api.{name}.example"),
    (45, "headers:\n    authorization: Bearer ${{apiKey}}\n    accept: application/json"),
    (6, "query:\n    key: ${{apiKey}}\n    at: ${{now:YYYY-MM-DDTHH:mm:ss}}"),
    (17, "retry:\n    after:\n        - retry-after\n    at:\n        - x-ratelimit-reset"),
    (4, "paginate:\n    type: cursor\n    cursor_path_in_response: paging.next.after\n"
        "    cursor_name_in_request: after\n    limit_name_in_request: limit\n    response_path: results"),
    (32, "verification:\n    method: GET\n    endpoints:\n        - /api/v2/me\n    headers:\n"
         "        content-type: application/json"),
]

RARE_PROXY = """\
proxy:
    base_url: https://{name}.example
    decompress: true
    forward_headers_on_redirect: true
    connection_config:
        practiceId: ${{connectionConfig.subdomain}}
    headers:
        authorization: ${{awsSigV4(${{credentials.username}}, ${{credentials.password}}, us-east-1, iam)}}
        x-hash: ${{sha256Base64(${{bodyCanonicalParams}})}}
        x-sum: ${{sha256Hex(${{urlCanonicalParams}}${{contentType}}${{endpoint}})}}
        x-sign: ${{ed25519Sign(${{method}}${{path}}, ${{credentials.password}})}}
        x-auth: Basic ${{base64(k:${{hmacSha1Hex(${{now:ddd, DD MMM YYYY HH:mm:ss ZZ}}\\n${{method}}\\n${{host}}\\n${{path}}\\n${{params}}, ${{credentials.password}})}})}}
        x-later: ${{now+10:minutes:X}}
        x-app: ${{clientId}}:${{clientSecret}}:${{token}}
    body:
        api_key: ${{apiKey}}
        inner:
            user: ${{credentials.username}}
    retry:
        error_code: ["429", 5xx, 500-502]
        in_body:
            path: error.message
            value: "/limit exceeded\\\\. +Retry after (.+)/"
            strategy: at
    verification:
        method: POST
        endpoints: [/check, /other]
        base_url_override: https://check.{name}.example
        data:
            limit: 1
            query: SELECT 1
"""

HOOKS = """\
webhook_routing_script: {name}WebhookRouting
webhook_user_defined_secret: true
webhook_allowed_query_params: [connection]
post_connection_script: {name}PostConnection
pre_connection_deletion_script: {name}PreConnectionDeletion
credentials_verification_script: {name}CredentialsVerification
"""


def _indented(text, by):
    return textwrap.indent(text, " " * by)


def _entry(name, mode, number):
    is_asked = number % 10 < 4
    host = f"${{connectionConfig.subdomain}}.{name}" if is_asked else name
    parts = [
        f"display_name: The {name} API",
        "categories:\n    - productivity\n    - crm",
        f"docs: https://docs.{name}.example/integrations",
        f"docs_connect: https://docs.{name}.example/connect",
        *([f"setup_guide_url: https://docs.{name}.example/register"] if number % 6 == 0 else []),
        MODES[mode].format(name=name, mode=mode, host=host).rstrip(),
    ]
    if mode == "OAUTH2" and number % 20 == 0:
        parts.append(RARE_OAUTH2.format(name=name).rstrip())
    if number % 40 == 0:
        parts.append(RARE_PROXY.format(name=name).rstrip())
    else:
        # A step that has no divisor in common with a hundred: each share is met.
        pieces = [text.format(name=name, host=host) for share, text in PROXY if number * 37 % 100 < share]
        parts.append("proxy:\n" + _indented("\n".join(pieces), 4))
    if number % 20 == 1:
        parts.append(HOOKS.format(name=name).rstrip())
    fields = ["apiKey"] if mode == "API_KEY" else ["username", "password"]
    if mode in ("JWT", "SIGNATURE"):
        fields = ["privateKey", "privateKeyId", "issuerId", "user"]
    if mode in ("JWT", "SIGNATURE") or mode not in ("OAUTH2", "NONE", "MCP_OAUTH2") and number % 10 < 7:
        parts.append("credentials:\n" + "".join(
            _indented(FIELD.format(name=field, title=field, order=order), 4) + "        secret: true\n"
            for order, field in enumerate(fields, 1)
        ).rstrip())
    if is_asked:
        parts.append("connection_config:\n" + _indented(FIELD.format(name="subdomain", title="Subdomain", order=1), 4).rstrip())
    return f"{name}:\n" + _indented("\n".join(parts), 4) + "\n"


def many(count=981):
    """The text of a file with this many providers."""
    aliases = min(ALIASES, count // 10)
    modes = [mode for mode, number in AUTH_MODES.items() for _ in range(number)]
    own = count - aliases
    chosen = [modes[index * len(modes) // own] for index in range(own)]
    entries = [_entry(f"provider-{index}", mode, index) for index, mode in enumerate(chosen)]
    for index in range(aliases):
        # The last one is an alias of an alias, and stands before the one that it names.
        target = f"alias-{index + 1}" if index == aliases - 2 else f"provider-{index * 7}"
        more = "" if index % 2 else "    proxy:\n        base_url: https://other.example\n    webhook_routing_script: ''\n"
        entries.insert(index * 3, f"alias-{index}:\n    display_name: Alias {index}\n    alias: {target}\n{more}")
    return "".join(entries)
