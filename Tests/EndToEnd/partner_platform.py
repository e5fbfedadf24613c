"""A partner's platform: OAuth 2 with PKCE, who it is at an address, nights and days by ranges, and pushed events."""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import urllib.parse

import requests

DAY = datetime.timedelta(days=1)
USER = 4711


def at(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def night(begin, minutes_deep=90, **more):
    """From 23 h to 7 h."""
    return {"id": f"n-{begin:%Y%m%d}", "start": at(begin), "end": at(begin + datetime.timedelta(hours=8)), "dur": 28800,
            "deep_minutes": minutes_deep, "heart": {"rate_avg": 52}, "latency": 12, **more}


class Ring:
    """Refuses what its documents do not describe; `refusals` says what and why."""

    secret = "shared-secret"

    def __init__(self):
        today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.nights = [night(today - DAY * back - datetime.timedelta(hours=1)) for back in range(1, 89)]
        self.days = [{"date": f"{today - DAY * back:%Y-%m-%d}", "steps": 9000 + back, "distance_km": 6.5, "target_calories": 2500}
                     for back in range(1, 89)]
        self.asked = {"sleep": [], "daily": []}
        self.refusals = []
        self.challenge = None
        ring = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                address = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(address.query))
                try:
                    status, answer = ring.answer(self, address.path, query, dict(urllib.parse.parse_qsl(body.decode())))
                except (AssertionError, KeyError, ValueError) as error:
                    ring.refusals.append(f"{self.command} {self.path}: {error!r}")
                    status, answer = 400, {"error": "invalid_request"}
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", answer)
                text = b"" if status == 302 else json.dumps(answer).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, call, path, query, form):
        if path == "/oauth/authorize":
            assert query["client_id"] == "client-1" and query["scope"] == "sleep daily" and query["response_type"] == "code"
            self.challenge = query["code_challenge"]
            back = urllib.parse.urlencode({"code": "code-1", "state": query["state"]})
            return 302, f"{query['redirect_uri']}?{back}"
        if path == "/oauth/token":
            assert form["grant_type"] == "authorization_code" and form["code"] == "code-1"
            assert (form["client_id"], form["client_secret"]) == ("client-1", "secret-1")
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.challenge
            return 200, {"access_token": "token-1", "refresh_token": "refresh-1", "expires_in": 3600, "token_type": "bearer"}
        assert call.headers["Authorization"] == "Bearer token-1"
        if path == "/v1/me":
            return 200, {"data": {"id": USER}}
        if path == "/v1/sleep":
            assert query["user"] == str(USER)
            self.asked["sleep"].append(query)
            begin, end = query["from"], query["to"]
            assert len(begin) == len(end) == 10 and begin <= end
            found = [one for one in self.nights if begin <= one["start"][:10] <= end]
            place = int(query.get("cursor", 0))
            more = place + 20 if len(found) > place + 20 else None
            return 200, {"nights": found[place:place + 20], "next": more and str(more)}
        assert path == f"/v1/users/{USER}/days"
        self.asked["daily"].append(query)
        begin, end = (datetime.datetime.fromtimestamp(int(query[name]), datetime.timezone.utc) for name in ("since", "until"))
        return 200, {"days": [one for one in self.days if f"{begin:%Y-%m-%d}" <= one["date"] <= f"{end:%Y-%m-%d}"]}

    def push(self, url, id, secret=None, **event):
        body = json.dumps({"event_id": id, "user": {"id": USER}, **event})
        signature = hmac.new((secret or self.secret).encode(), body.encode(), hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Ring-Signature": f"sha256={signature}"}
        return requests.post(url, data=body, headers=headers, timeout=30)
