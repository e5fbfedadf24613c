"""Stands between two servers and keeps the times of what passes."""

import http.client
import http.server
import threading
import time
import urllib.parse


class Relay:
    """Stands before a server, passes every request on, and knows when it came and what was answered. As long as it has no
    server it says yes to everything."""

    def __init__(self, target=None):
        self.target = target and urllib.parse.urlsplit(target)
        self.passed = []
        self._lock = threading.Condition()
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def pass_on(self):
                came = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not relay.target:
                    relay.note(self.command, self.path, 204, body, came)
                    self.send_response(204)
                    self.end_headers()
                    return
                connection = http.client.HTTPConnection(relay.target.hostname, relay.target.port, timeout=60)
                own = {"host", "content-length", "connection", "transfer-encoding"}
                headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
                connection.request(self.command, relay.target.path + self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                connection.close()
                # Known before the answer leaves: whoever has the answer finds it here.
                relay.note(self.command, self.path, answer.status, body, came)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, method, path, status, body, came):
        with self._lock:
            self.passed.append({"call": (method, path), "status": status, "body": body, "came": came})
            self._lock.notify_all()

    def lead_to(self, target):
        """From now on, and as if nothing had come before."""
        with self._lock:
            self.target = urllib.parse.urlsplit(target)
            self.passed = []

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, count, seconds=30):
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.passed) >= count, seconds), self.passed
            return list(self.passed)

    @property
    def calls(self):
        return [one["call"] for one in self.passed]
