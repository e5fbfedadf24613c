"""django-oauth-toolkit as an OAuth 2.0 / OIDC server: PKCE required, rotating refresh tokens, reuse protection,
introspection, revocation, OIDC discovery. One user, several applications.
usage: oauth_dot.py start [--port 18101] | stop | status
env: ATOKEN_TTL (default 60 s), RTOKEN_GRACE (default 0), REDIRECTS (space separated), PKCE=0 to not require it"""
import json, os, subprocess, sys
import svc

PROJECT = '''
import os, sys, json
from django.conf import settings
D = os.environ["DOT_DIR"]; PORT = os.environ["DOT_PORT"]
settings.configure(
    SECRET_KEY="loopback", DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF="dotapp", USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": D + "/db.sqlite3", "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages", "django.contrib.admin", "oauth2_provider"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"], LOGIN_URL="/admin/login/", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SESSION_COOKIE_NAME="dotsession", CSRF_COOKIE_NAME="dotcsrf",
    LOGGING={"version": 1, "disable_existing_loggers": False, "handlers": {"c": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["c"], "level": "INFO"}},
    OAUTH2_PROVIDER={
        "SCOPES": {"openid": "OIDC", "profile": "Profile", "email": "E-mail", "read": "Read", "write": "Write", "introspection": "Introspect"},
        "DEFAULT_SCOPES": ["read"], "OIDC_ENABLED": True, "OIDC_RSA_PRIVATE_KEY": open(D + "/oidc.pem").read(), "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{PORT}/o",
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ.get("ATOKEN_TTL", "60")), "REFRESH_TOKEN_EXPIRE_SECONDS": 86400,
        "ROTATE_REFRESH_TOKEN": True, "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": int(os.environ.get("RTOKEN_GRACE", "0")), "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "PKCE_REQUIRED": os.environ.get("PKCE", "1") == "1", "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
    },
)
import django; django.setup()
from django.contrib import admin
from django.http import JsonResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource
@protected_resource(scopes=["read"])
def whoami(request):
    return JsonResponse({"user": request.resource_owner.username, "email": request.resource_owner.email})
urlpatterns = [path("admin/", admin.site.urls), path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")), path("api/whoami", whoami)]
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
if __name__ == "__main__":
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from oauth2_provider.models import get_application_model
    A = get_application_model()
    for n in ("alice", "bob"):
        if not User.objects.filter(username=n).exists(): User.objects.create_superuser(n, n + "@example.test", n + "-pass-1")
    red = os.environ.get("REDIRECTS", "http://127.0.0.1:3003/oauth/callback")
    for cid, kind, grant in (("loop-confidential", "confidential", "authorization-code"), ("loop-public", "public", "authorization-code"), ("loop-machine", "confidential", "client-credentials")):
        A.objects.update_or_create(client_id=cid, defaults=dict(name=cid, client_type=kind, authorization_grant_type=grant, redirect_uris="" if grant == "client-credentials" else red,
            client_secret="" if kind == "public" else cid + "-secret", algorithm="RS256" if grant == "authorization-code" else "", skip_authorization=False))
'''

def start(port):
    v = svc.venv("dot", "django-oauth-toolkit~=3.2", "django~=5.2", "gunicorn")
    d = svc.home("oauth_dot")
    if not os.path.exists(d + "/oidc.pem"):
        subprocess.run(["openssl", "genrsa", "-out", d + "/oidc.pem", "2048"], check=True, capture_output=True)
    svc.write(d + "/dotapp.py", PROJECT)
    env = {"DOT_DIR": d, "DOT_PORT": str(port), "PYTHONPATH": d}
    subprocess.run([v + "/bin/python", d + "/dotapp.py"], check=True, env={**os.environ, **env}, stdout=sys.stderr)
    p = svc.spawn("oauth_dot", [v + "/bin/gunicorn", "-b", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket", "dotapp:application"], env)
    b = f"http://127.0.0.1:{port}"
    svc.wait_http(b + "/o/.well-known/openid-configuration", p)
    return {"authorization_url": b + "/o/authorize/", "token_url": b + "/o/token/", "revoke_url": b + "/o/revoke_token/", "introspect_url": b + "/o/introspect/", "userinfo_url": b + "/o/userinfo/",
            "discovery": b + "/o/.well-known/openid-configuration", "resource": b + "/api/whoami (scope read)", "users": {"alice": "alice-pass-1", "bob": "bob-pass-1"},
            "clients": {"loop-confidential": "loop-confidential-secret", "loop-public": None, "loop-machine": "loop-machine-secret"}, "scopes": "openid profile email read write introspection",
            "access_token_ttl": int(os.environ.get("ATOKEN_TTL", "60")), "redirects": os.environ.get("REDIRECTS", "http://127.0.0.1:3003/oauth/callback")}

if __name__ == "__main__":
    svc.main("oauth_dot", start, 18101)
