"""A provider that checks what every auth mode shows, by libraries that none of us wrote."""

import base64
import hashlib
import http.server
import json
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oauthlib.common import Request
from oauthlib.oauth1.rfc5849 import signature


class AuthProvider:
    """`refusals` lists what was refused and why; nothing else decides whether a mode works."""

    def __init__(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.private_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        self.public_key = key.public_key()
        self.refusals = []
        self.seen = []
        self.count = 0
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, answer = provider.answer(Call(self, body, provider))
                answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, call):
        self.seen.append(call.path)
        mode, _, rest = call.path.lstrip("/").partition("/")
        try:
            return getattr(self, "on_" + mode.replace("-", "_").replace(".", ""))(call, rest)
        except (AssertionError, AttributeError, KeyError, ValueError, jwt.PyJWTError) as error:
            self.refusals.append(f"{call.method} {call.path}: {error!r}")
            return 401, {}, {"error": "unauthorized"}

    def token(self):
        """A new one each time, so that an old one is refused once it was renewed."""
        self.count += 1
        return f"token-{self.count}"

    def bearer(self, call):
        assert call.headers["authorization"] == f"Bearer token-{self.count}"
        return 200, {}, {}

    # The modes, by the first part of the path.

    def on_key(self, call, _):
        assert call.headers["x-api-key"] == "key-1"
        return 200, {}, {}

    def on_basic(self, call, _):
        assert call.basic() == ["user-1", "pass-1"]
        return 200, {}, {}

    def on_open(self, call, _):
        assert "authorization" not in call.headers
        return 200, {}, {}

    def on_cc(self, call, rest):
        if rest == "me":
            return self.bearer(call)
        assert call.basic() == ["client-1", "secret-1"] and call.form == {
            "grant_type": "client_credentials", "scope": "read"
        }
        return 200, {}, {"access_token": self.token(), "expires_in": 3600}

    def on_oauth1(self, call, rest):
        if rest == "authorize":
            assert call.query["oauth_token"] == "request-1"
            return 302, {"location": self.callback + "&oauth_token=request-1&oauth_verifier=verifier-1"}, b""
        token, secret = {"request": (None, None), "token": ("request-1", "request-secret-1")}.get(
            rest, ("access-1", "access-secret-1")
        )
        fields = call.oauth1(signature.verify_hmac_sha1, "secret-1", secret, token)
        if rest == "request":
            self.callback = fields["oauth_callback"]
            return 200, {}, b"oauth_token=request-1&oauth_token_secret=request-secret-1&oauth_callback_confirmed=true"
        if rest == "token":
            assert fields["oauth_verifier"] == "verifier-1"
            return 200, {}, b"oauth_token=access-1&oauth_token_secret=access-secret-1"
        return 200, {}, {}

    def on_tba(self, call, _):
        assert 'realm="123_SB1"' in call.headers["authorization"]
        call.oauth1(signature.verify_hmac_sha256, "secret-1", "token-secret-1", "token-1")
        return 200, {}, {}

    def on_steps(self, call, rest):
        if rest == "me":
            return self.bearer(call)
        if rest == "find":
            assert json.loads(call.body) == {"user": "user-1"}
            return 200, {}, {"door": "door-7"}
        assert rest == "door-7" and call.form == {"user": "user-1", "password": "pass-1"}
        return 200, {}, {"session": {"token": self.token(), "seconds": 3600}}

    def on_jwt(self, call, _):
        token = call.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, self.public_key, ["RS256"], audience="acme", issuer="issuer-1")
        assert claims["exp"] - claims["iat"] == 300
        return 200, {}, {}

    def on_wsse(self, call, _):
        kind, _, rest = call.headers["x-wsse"].partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(","))
        fields = {name: value.strip('"') for name, value in fields.items()}
        nonce = base64.b64decode(fields["Nonce"])
        digest = hashlib.sha1(nonce + fields["Created"].encode() + b"pass-1").digest()
        assert kind == "UsernameToken" and fields["Username"] == "user-1"
        assert base64.b64decode(fields["PasswordDigest"]) == digest
        return 200, {}, {}

    def on_app(self, call, rest):
        if rest == "page/installations/new":
            back = f"{self.terapi}/app-auth/connect?installation_id=77&setup_action=install"
            return 302, {"location": f"{back}&state={call.query['state']}"}, b""
        if rest == "me":
            return self.bearer(call)
        claims = jwt.decode(call.headers["authorization"].removeprefix("Bearer "), self.public_key, ["RS256"])
        assert claims["iss"] == "app-1" and claims["exp"] - claims["iat"] <= 600
        assert call.method == "POST" and rest == "installations/77/access_tokens"
        return 201, {}, {"token": self.token(), "expires_at": "2099-01-01T00:00:00Z"}

    def on_aws(self, call, rest):
        if rest == "me":
            call.sigv4("ASIATEMP", "temp/secret", "session==", "execute-api", "eu-central-1")
            return 200, {}, {}
        call.sigv4("AKIDEXAMPLE", "secret-1", None, "sts", "us-east-1")
        assert call.form["RoleArn"] == "arn:aws:iam::123456789012:role/terapi"
        assert call.form["ExternalId"] == "customer-7"
        return 200, {"content-type": "text/xml"}, b"""<AssumeRoleResponse><AssumeRoleResult><Credentials>
            <AccessKeyId>ASIATEMP</AccessKeyId><SecretAccessKey>temp/secret</SecretAccessKey>
            <SessionToken>session==</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
            </Credentials></AssumeRoleResult></AssumeRoleResponse>"""

    def on_bill(self, call, rest):
        if rest == "login":
            assert json.loads(call.body) == {
                "username": "user-1", "password": "pass-1", "organizationId": "org-1", "devKey": "dev-1"
            }
            return 200, {}, {"sessionId": "session-1", "userId": "u-1"}
        assert call.headers["sessionid"] == "session-1" and call.headers["devkey"] == "dev-1"
        return 200, {}, {}

    # The MCP server and its authorization server.

    def on_mcp(self, call, _):
        if "authorization" not in call.headers:
            return 401, {"www-authenticate": "Bearer"}, {}
        return self.bearer(call)

    def on_well_known(self, call, rest):
        if rest == "oauth-protected-resource/mcp":
            return 200, {}, {"resource": self.base + "/mcp", "authorization_servers": [self.base + "/as"]}
        if rest != "oauth-authorization-server/as":
            return 404, {}, {}
        return 200, {}, {
            "issuer": self.base + "/as",
            "authorization_endpoint": self.base + "/as/authorize",
            "token_endpoint": self.base + "/as/token",
            "registration_endpoint": self.base + "/as/register",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def on_as(self, call, rest):
        if rest == "register":
            self.registered = json.loads(call.body)
            assert self.registered["token_endpoint_auth_method"] == "client_secret_post"
            return 201, {}, {"client_id": "dyn-1", "client_secret": "dyn-secret-1"}
        if rest == "authorize":
            query = call.query
            assert query["client_id"] == "dyn-1" and query["resource"] == self.base + "/mcp"
            assert [query["redirect_uri"]] == self.registered["redirect_uris"] and query["code_challenge_method"] == "S256"
            self.challenge = query["code_challenge"]
            answer = urllib.parse.urlencode({"code": "code-1", "state": query["state"], "iss": self.base + "/as"})
            return 302, {"location": query["redirect_uri"] + "?" + answer}, b""
        assert call.form["client_id"] == "dyn-1" and call.form["client_secret"] == "dyn-secret-1"
        assert call.form["resource"] == self.base + "/mcp"
        if call.form["grant_type"] == "authorization_code":
            digest = hashlib.sha256(call.form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.challenge
        else:
            assert call.form["refresh_token"] == "refresh-1"
        return 200, {}, {"access_token": self.token(), "refresh_token": "refresh-1", "expires_in": 3600}


class Call:
    """One request as it has arrived."""

    def __init__(self, handler, body, provider):
        self.method = handler.command
        self.target = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body
        self.url = provider.base + handler.path
        parts = urllib.parse.urlsplit(handler.path)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode()))

    def basic(self):
        kind, _, text = self.headers["authorization"].partition(" ")
        assert kind == "Basic"
        return [urllib.parse.unquote(part) for part in base64.b64decode(text).decode().split(":", 1)]

    def oauth1(self, verify, client_secret, token_secret, token):
        """The OAuth fields, once oauthlib has found the signature right."""
        request = Request(self.url, self.method, self.body.decode() or None, self.headers)
        query = urllib.parse.urlsplit(self.url).query
        found = signature.collect_parameters(query, [], self.headers, exclude_oauth_signature=False)
        request.signature = dict(found)["oauth_signature"]
        request.params = [(name, value) for name, value in found if name != "oauth_signature"]
        assert verify(request, client_secret, token_secret), "the signature is wrong"
        fields = dict(request.params)
        assert fields["oauth_consumer_key"] == "client-1" and fields.get("oauth_token") == token
        return fields

    def sigv4(self, key, secret, session, service, region):
        """Signs the same again with botocore."""
        scope, signed, given = [
            part.split("=", 1)[1] for part in self.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
        ]
        assert scope.split("/", 1) == [key, f"{self.headers['x-amz-date'][:8]}/{region}/{service}/aws4_request"]
        assert self.headers.get("x-amz-security-token") == session
        request = botocore.awsrequest.AWSRequest(self.method, self.url, data=self.body)
        for name in signed.split(";"):
            request.headers[name] = self.headers[name]
        request.context["timestamp"] = self.headers["x-amz-date"]
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), service, region)
        canonical = signer.canonical_request(request)
        assert signer.signature(signer.string_to_sign(request, canonical), request) == given, "the signature is wrong"
