"""A provider for the proxy's journeys: it shows what it got, and it can be slow, broken, early and large."""

import gzip
import hashlib
import http.server
import json
import socket
import threading
import urllib.parse

PIECE = bytes(range(256)) * 256


class RelayProvider:
    """Answers by path; a test reads what came, and holds back what it wants held back."""

    def __init__(self, host="127.0.0.1"):
        self.requests = []
        # Statuses that `/flaky` still answers before it answers 200, each with headers.
        self.failures = []
        self.accepted = {"Bearer fresh"}
        self.refreshes = 0
        self.refuses_refresh = False
        # Bytes that were sent by `/endless`, or read by `/held`.
        self.moved = 0
        # Opened to let `/stall` and `/held` go on.
        self.gate = threading.Event()
        # Set when a peer has gone while it was answered.
        self.left = threading.Event()
        provider = self

        class Handler(RelayHandler):
            world = provider

        self.server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.base = f"http://{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def last(self):
        return self.requests[-1]


class RelayHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None

    def pieces(self):
        """The request's body as it comes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                piece = self.rfile.read1(min(left, 1 << 20))
                if not piece:
                    raise ConnectionError("the body broke off")
                left -= len(piece)
                yield piece

    def answer(self, status, body=b"", headers={}, length=None):
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self):
        world = self.world
        url = urllib.parse.urlsplit(self.path)
        place, query = url.path, dict(urllib.parse.parse_qsl(url.query))
        if place == "/early":
            self.close_connection = True
            return self.answer(413, {"why": "too large"}, {"Connection": "close"})
        if place == "/early-in-chunks":
            self.close_connection = True
            self.chunked(413)
            self.chunk(b'{"why": "too ')
            self.chunk(b'large"}')
            return self.chunk(b"")
        if place == "/held":
            for piece in self.pieces():
                world.moved += len(piece)
                world.gate.wait(60)
            return self.answer(200, {"bytes": world.moved})
        if place == "/duplex":
            return self.duplex()
        digest, size, kept = hashlib.sha256(), 0, []
        for piece in self.pieces():
            digest.update(piece)
            size += len(piece)
            if size <= 1 << 20:
                kept.append(piece)
        world.requests.append({
            "method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
            "body": b"".join(kept), "bytes": size, "sha256": digest.hexdigest(),
        })
        if place == "/flaky" and world.failures:
            status, headers = world.failures.pop(0)
            return self.answer(status, {"try": len(world.requests)}, headers)
        if place == "/private" and self.headers.get("Authorization") not in world.accepted:
            return self.answer(401, {"why": "token"})
        if place == "/token":
            world.refreshes += 1
            if world.refuses_refresh:
                return self.answer(400, {"error": "invalid_grant"})
            return self.answer(200, {"access_token": "fresh", "refresh_token": "r2", "expires_in": 3600})
        if place == "/big":
            return self.big(int(query["bytes"]))
        if place == "/endless":
            return self.endless()
        if place == "/stall":
            return self.stall()
        if place == "/break":
            self.close_connection = True
            return self.answer(200, b"only this", length=100)
        if place == "/redirect":
            return self.answer(int(query.get("status", 302)), headers={"Location": query["to"]})
        if place == "/gzip":
            body = gzip.compress(b'{"zipped": true}' * 1000)
            return self.answer(200, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        if place == "/empty":
            return self.answer(204)
        if place == "/headers":
            return self.answer(200, {}, {
                "X-Request-Id": "theirs", "X-RateLimit-Remaining": "7", "ETag": '"v1"', "Set-Cookie": "a=b",
                "Keep-Alive": "timeout=5", "Connection": "keep-alive, X-Only-Here", "X-Only-Here": "1",
            })
        if place.startswith("/tickets") or place == "/upload":
            return self.ticket(place)
        self.answer(200, {
            "method": self.command, "path": self.path, "bytes": size, "sha256": digest.hexdigest(),
        }, {"X-Seen": self.command})

    def ticket(self, place):
        """What docs/proxy.md talks to."""
        request = self.world.last
        if place == "/upload":
            return self.answer(201, {"bytes": request["bytes"], "type": self.headers["Content-Type"].split(";")[0]})
        if self.command == "POST":
            return self.answer(201, {"id": 2, **json.loads(request["body"])})
        if place == "/tickets/9":
            return self.answer(404, {"message": "no such ticket"})
        self.answer(200, [{"id": 1, "title": "It is broken"}])

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def chunked(self, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def big(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while size:
            self.wfile.write(PIECE[:size])
            size -= min(size, len(PIECE))

    def endless(self):
        self.chunked()
        try:
            while True:
                self.chunk(PIECE)
                self.world.moved += len(PIECE)
        except OSError:
            self.world.left.set()

    def stall(self):
        self.chunked()
        self.chunk(b"first")
        self.connection.settimeout(60)
        while not self.world.gate.is_set():
            # A peer that goes away shows as the end of what it sends.
            self.connection.settimeout(0.05)
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    self.world.left.set()
                    return
            except TimeoutError:
                pass
            except OSError:
                self.world.left.set()
                return
        self.connection.settimeout(60)
        self.chunk(b"second")
        self.chunk(b"")

    def duplex(self):
        self.chunked()
        for piece in self.pieces():
            self.chunk(piece)
        self.chunk(b"")

    def handle_all(self):
        try:
            self.handle_one()
        except (ConnectionError, ValueError):
            self.world.left.set()
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_all

    def log_message(self, *_):
        pass
