"""Kinto (REST store): opaque timestamps, _since, _before, Next-Page, tombstones, ETags, accounts, and (with --oidc ISSUER)
Bearer tokens checked at an OIDC server's userinfo endpoint, e.g. oauth_dot.py.
usage: kinto_api.py start [--port 18888] | stop | status
env: OIDC_ISSUER (e.g. http://127.0.0.1:18101/o), RECORDS (default 250), PAGE (default 100), KINTO_EXTRA (more ini lines)"""
import base64, os
import svc

def start(port):
    v = svc.venv("kinto", "kinto>=20,<27", "setuptools<81")
    d = svc.home("kinto_api")
    iss = os.environ.get("OIDC_ISSUER", "")
    ini = f"""[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
threads = 8
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.default_bucket kinto.plugins.accounts kinto.plugins.history {'kinto.plugins.openid' if iss else ''}
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = loopback
kinto.paginate_by = {os.environ.get('PAGE', '100')}
multiauth.policies = account {'oidc' if iss else ''}
multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy
kinto.account_create_principals = system.Everyone
kinto.account_write_principals = account:admin
kinto.bucket_create_principals = account:admin system.Authenticated
"""
    if iss:
        ini += f"""multiauth.policy.oidc.use = kinto.plugins.openid.OpenIDConnectPolicy
multiauth.policy.oidc.issuer = {iss}
multiauth.policy.oidc.client_id = loop-public
multiauth.policy.oidc.verification_ttl_seconds = 1
"""
    ini += os.environ.get("KINTO_EXTRA", "") + """
[loggers]
keys = root
[handlers]
keys = c
[formatters]
keys = g
[logger_root]
level = INFO
handlers = c
[handler_c]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = g
[formatter_g]
format = %(asctime)s %(levelname)s %(message)s
"""
    svc.write(d + "/kinto.ini", ini)
    p = svc.spawn("kinto_api", [v + "/bin/kinto", "start", "--ini", d + "/kinto.ini", "--port", str(port)])
    b = f"http://127.0.0.1:{port}/v1"
    svc.wait_http(b + "/__heartbeat__", p)
    for n in ("admin", "alice"):
        svc.call("PUT", f"{b}/accounts/{n}", {"Authorization": "Basic " + base64.b64encode(f"{n}:{n}-pass-1".encode()).decode()}, {"data": {"password": f"{n}-pass-1"}})
    h = {"Authorization": "Basic " + base64.b64encode(b"admin:admin-pass-1").decode()}
    for u in ("/buckets/crm", "/buckets/crm/collections/contacts"):
        s, _, r = svc.call("PUT", b + u, h, {"permissions": {"read": ["system.Authenticated"], "write": ["system.Authenticated"]}})
        assert s in (200, 201), r
    n = int(os.environ.get("RECORDS", "250"))
    for i in range(0, n, 25):
        s, _, r = svc.call("POST", b + "/batch", h, {"defaults": {"method": "PUT"}, "requests": [{"path": f"/v1/buckets/crm/collections/contacts/records/c{j:05d}", "body": {"data": {"name": f"Contact {j}", "email": f"c{j}@example.test", "rank": j}}} for j in range(i, min(n, i + 25))]})
        assert s == 200, r
    return {"base": b, "records": b + "/buckets/crm/collections/contacts/records", "basic_auth": {"admin": "admin-pass-1", "alice": "alice-pass-1"}, "seeded": n, "page": os.environ.get("PAGE", "100"), "oidc_issuer": iss or None}

if __name__ == "__main__":
    svc.main("kinto_api", start, 18888)
