"""A help desk with a ticket for each day of the last 400 days, ten on a page; remembers what it was asked."""

import datetime
import http.server
import json
import threading
import urllib.parse


def written(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Desk:
    def __init__(self):
        # Half a day beside every moment at which a history of whole days could begin.
        middle = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=12)
        self.tickets = [
            {"id": number, "title": f"Ticket {number}", "updated_at": written(middle - datetime.timedelta(days=400 - number))}
            for number in range(400)
        ]
        self.asked = []
        self.gate = threading.Event()
        self.gate.set()
        # Which requests wait at the gate.
        self.is_held = lambda query: False
        desk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                address = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(address.query))
                desk.asked.append(query)
                if desk.is_held(query):
                    desk.gate.wait(60)
                found = [
                    ticket for ticket in desk.tickets
                    if query.get("from", "") <= ticket["updated_at"] <= query.get("to", "9")
                ]
                page = int(query.get("page", 0))
                body = {"items": found[page * 10:page * 10 + 10]}
                if len(found) > (page + 1) * 10:
                    body["next"] = page + 1
                self.answer(body)

            def answer(self, body):
                text = json.dumps(body).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    # Who asked was killed.
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
