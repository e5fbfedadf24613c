"""Plays the customer's backend: verifies every webhook with the published libraries and keeps it on disk before it says
yes, so that "answered with 204" means "not lost"."""

import hashlib
import hmac
import http.server
import json
import os
import threading

import standardwebhooks
import svix.webhooks


class WebhookSink:
    def __init__(self, path):
        self.signing_key = None
        self.refused = []
        self._lock = threading.Condition()
        self._deliveries = []
        self._failures = []
        self._file = open(path, "ab")
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers = sink._receive(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/terapi"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._file.close()

    def fail_next(self, times, status, retry_after=None):
        with self._lock:
            self._failures += [(status, {"Retry-After": str(retry_after)} if retry_after else {})] * times

    def recover(self):
        with self._lock:
            self._failures.clear()

    @property
    def deliveries(self):
        """What was accepted, in its order, repetitions included: dictionaries with id, path and body."""
        with self._lock:
            return list(self._deliveries)

    def events(self, **wanted):
        """The bodies of the deliveries, each event once, that hold these members."""
        seen = {}
        for delivery in self.deliveries:
            seen.setdefault(delivery["id"], delivery["body"])
        return [body for body in seen.values() if wanted.items() <= body.items()]

    def wait_for(self, count=1, seconds=60, **wanted):
        with self._lock:
            arrived = self._lock.wait_for(lambda: len(self._matching(wanted)) >= count, seconds)
            assert arrived, f"{len(self._matching(wanted))} of {count} webhooks with {wanted}; refused: {self.refused}"
        return self.events(**wanted)

    def _matching(self, wanted):
        return {d["id"] for d in self._deliveries if wanted.items() <= d["body"].items()}

    def _receive(self, path, headers, body):
        try:
            self.verify(headers, body)
        except Exception as error:
            with self._lock:
                self.refused.append(f"{type(error).__name__}: {error}")
            return 401, {}
        with self._lock:
            if self._failures:
                return self._failures.pop(0)
            delivery = {"id": self._header(headers, "webhook-id"), "path": path, "body": json.loads(body)}
            self._file.write(json.dumps(delivery).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._deliveries.append(delivery)
            self._lock.notify_all()
        return 204, {}

    def verify(self, headers, body):
        """Both published libraries and the plain HMAC must agree; raises otherwise."""
        headers = {name.lower(): value for name, value in headers.items()}
        standardwebhooks.Webhook(self.signing_key).verify(body, headers)
        svix.webhooks.Webhook(self.signing_key).verify(body, headers)
        plain = hmac.new(self.signing_key.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(plain, headers["x-terapi-hmac-sha256"]):
            raise ValueError("X-Terapi-Hmac-Sha256 does not fit the body")

    @staticmethod
    def _header(headers, name):
        return next(value for key, value in headers.items() if key.lower() == name)
