"""Providers push: events are kept before they are answered, handed on once, and lost by no kill."""

import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest
import requests

from definitions import write
from server import BINARY, IS_FULL, Terapi, eventually

EVENTS = 20_000 if IS_FULL else 1_000
CONNECTIONS = 64
SECRET = "s3cr3t"
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/provider-webhooks.md"

PROVIDER = """
    display_name: Desk
    categories: [ticketing]
    docs: https://desk.example/docs
    auth_mode: NONE
    proxy:
      base_url: {base}
    webhook:
      key: user_defined
      handshake:
        - {{ when: {{ method: HEAD }}, respond: {{ status: 200 }} }}
      verify: {{ hmac: sha256, msg: [body], sig: {{ in: header, name: x-signature, prefix: "sha256=", enc: hex }} }}
      event: body:type
      id: body:id
      route: {{ value: body:account, match: account }}
"""

SYNC = """
    model: ticket
    frequency: every 30 seconds
    request: { endpoint: /tickets }
    map:
      id: String(item.id)
      title: item.title
    webhook:
      events: ["ticket.*"]
      fetch: { endpoint: "/tickets/${event.ticket}" }
      id: event.ticket
"""


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


class Desk:
    """The provider's API: a list of tickets, and each by itself. Counts who asks."""

    def __init__(self):
        self.tickets = {"1": "first"}
        self.lists = 0
        desk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, answer = desk.answer(self.path)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        if path == "/tickets":
            self.lists += 1
            return 200, [{"id": id, "title": title} for id, title in self.tickets.items()]
        id = path.removeprefix("/tickets/")
        return (200, {"id": id, "title": self.tickets[id]}) if id in self.tickets else (404, {})


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.server.shutdown()
    desk.server.server_close()


@pytest.fixture
def terapi(tmp_path, desk, definitions_folder):
    write(definitions_folder / "providers", "desk.yaml", PROVIDER.format(base=desk.base))
    write(definitions_folder / "integrations", "desk/syncs/tickets.yaml", SYNC)
    terapi = Terapi(tmp_path / "terapi", integrations=definitions_folder / "integrations",
                    providers=definitions_folder / "providers")
    with terapi:
        yield terapi


def webhook_address(api, terapi, integration):
    url = api.ok("GET", f"/integrations/{integration}?include=webhook")["data"]["webhook_url"]
    assert url.startswith(terapi.base), url
    return url


def set_up(terapi, **connection):
    api = terapi.api()
    api.create_integration("desk", "desk", integration_config={"webhook_secret": SECRET})
    api.import_connection("desk", {"type": "NONE"}, "ada", metadata={"account": "a-1"}, **connection)
    return api, webhook_address(api, terapi, "desk")


def event(id, type="ticket.changed", account="a-1", **more):
    return json.dumps({"type": type, "id": id, "account": account, **more})


def post(url, body, signature=None, **headers):
    headers = {"Content-Type": "application/json", "X-Signature": signature or sign(body), **headers}
    return requests.post(url, data=body.encode(), headers=headers, timeout=30)


def command(terapi, *arguments):
    done = subprocess.run([BINARY, "provider-webhooks", *arguments, "--data", str(terapi.data)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_push_is_a_record_and_a_webhook_within_two_seconds(terapi, desk, sink):
    api, url = set_up(terapi, webhook_url_override=sink.url)
    sink.signing_key = api.signing_key()
    sink.wait_for(type="sync", syncType="INITIAL")
    eventually(lambda: api.sync_status("desk", "ada", "tickets")["status"] == "SUCCESS", what="the first reading")
    desk.tickets["2"] = "second"

    began = time.monotonic()
    assert post(url, event("e-1", ticket="2"), **{"X-Desk-Event": "made"}).json() == {"status": "success"}
    sink.wait_for(type="sync", syncType="WEBHOOK")
    sink.wait_for(type="forward")
    assert time.monotonic() - began < 2

    assert {r["id"]: r["title"] for r in api.records("desk", "ada", "ticket")} == {"1": "first", "2": "second"}
    (forward,) = sink.events(type="forward")
    assert forward["connectionId"] == "ada" and forward["from"] == "desk" and forward["payload"]["ticket"] == "2"

    # Gone before it could be fetched.
    del desk.tickets["2"]
    post(url, event("e-2", ticket="2"))
    eventually(lambda: {r["id"]: r["_terapi_metadata"]["last_action"] for r in api.records("desk", "ada", "ticket")}
               == {"1": "ADDED", "2": "DELETED"}, what="the deletion")

    # A repetition does nothing; and who pushes is not polled on the short schedule.
    post(url, event("e-2", ticket="2"))
    status = api.sync_status("desk", "ada", "tickets")
    due = status["nextScheduledSyncAt"]
    assert due > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 5 * 3600)), due
    eventually(lambda: any(operation["id"].startswith("pwh_") for operation in
                           api.ok("GET", "/logs/operations?type=webhook:incoming")["data"]), what="the log")


def test_bad_requests_have_their_status_and_leave_nothing(terapi):
    api, url = set_up(terapi)
    body = event("e-1")
    good = sign(body)
    large = json.dumps({"type": "a", "id": "1", "account": "a-1", "text": "x" * 10_100_000})

    for signature in [good[:-1], good[7:], good.upper(), good + "0", "sha256=", "x", good.replace("sha256", "sha1"),
                      sign(body, "another"), sign(body + " "), f"{good}, {good}"]:
        answer = post(url, body, signature)
        assert answer.status_code == 401, (signature, answer.status_code)
        assert answer.json()["error"]["code"] == "webhook_invalid_signature"
    unsigned = requests.post(url, data=body, timeout=30)
    assert unsigned.status_code == 401 and unsigned.json()["error"]["code"] == "webhook_missing_signature"

    connection = http.client.HTTPConnection("127.0.0.1", terapi.port, timeout=30)
    connection.putrequest("POST", url.removeprefix(terapi.base))
    for name, value in [("Content-Length", str(len(body))), ("X-Signature", good), ("X-Signature", good)]:
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    assert connection.getresponse().status == 401
    connection.close()

    assert requests.head(url, timeout=30).status_code == 200  # the handshake of this provider
    assert requests.get(url, timeout=30).status_code == 405
    assert requests.put(url, timeout=30).status_code == 405
    assert post(url, "a=1&b=2").status_code == 400
    assert post(url, large).status_code == 413
    assert post(url.replace("/desk", "/nothing"), body).status_code == 404
    assert post(url + "/made-up-token", body).status_code == 404
    assert api.ok("GET", "/provider-webhooks")["data"] == []

    # The control: the same bytes with their signature are kept.
    assert post(url, body).status_code == 200
    assert len(api.ok("GET", "/provider-webhooks")["data"]) == 1


def test_what_matches_no_connection_is_kept_and_replayed(terapi):
    api, url = set_up(terapi)
    body = json.dumps({"type": "ticket.changed", "id": "e-1", "ticket": "1"})
    assert post(url, body).status_code == 200
    eventually(lambda: command(terapi, "list", "--state", "unmatched"), what="the unmatched event")
    (line,) = command(terapi, "list", "--state", "unmatched").splitlines()
    assert "ticket.changed" in line and "names no account" in line
    id = line.split()[0]
    assert f"body: {body}" in command(terapi, "show", id)
    assert sign(body) not in command(terapi, "show", id)

    made = command(terapi, "subscribe", "desk", "--connection", "ada", "--manual")
    address = re.search(r"http\S+", made).group(0)
    assert "Secret, shown only now: " in made and "ada" in command(terapi, "subscriptions")
    assert post(address, body).status_code == 200
    eventually(lambda: api.ok("GET", "/provider-webhooks?state=done")["data"], what="the event at its own address")

    assert command(terapi, "replay", id).strip() == "Replayed: 1"
    assert command(terapi, "replay", "--integration", "desk").strip() == "Replayed: 2"
    command(terapi, "unsubscribe", "1")
    assert command(terapi, "subscriptions") == ""
    assert post(address, body).status_code == 404


class Sender(threading.Thread):
    """One connection that sends events one after the other until the server is gone."""

    def __init__(self, terapi, url, numbers):
        super().__init__(daemon=True)
        self.terapi, self.path, self.numbers = terapi, url.removeprefix(terapi.base), numbers
        self.answered = []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.terapi.port, timeout=30)
        try:
            for number in self.numbers:
                body = event(f"e-{number}", type=f"n{number}")
                headers = {"Content-Type": "application/json", "X-Signature": sign(body)}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.answered.append(f"n{number}")
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()


def kept_types(api):
    """The types of everything that is kept, once all of it was worked on."""
    eventually(lambda: not api.ok("GET", "/provider-webhooks?state=received&limit=1")["data"], 300, "the work")
    found, before = {}, None
    while True:
        query = {"limit": 1000, **({"before": before} if before else {})}
        page = api.ok("GET", "/provider-webhooks", params=query)["data"]
        fresh = [webhook for webhook in page if webhook["id"] not in found]
        found.update((webhook["id"], webhook["types"][0]) for webhook in page)
        if not fresh:
            return list(found.values())
        last = page[-1]["received_at"]
        # Times may be shared: the page after begins with the last one's.
        seconds, rest = last.rsplit(".", 1) if "." in last else (last.replace("+00:00", ""), "000000+00:00")
        micro = int(rest[:6]) + 1
        before = f"{seconds}.{min(micro, 999999):06d}Z"


def test_a_kill_after_the_answer_loses_nothing(terapi):
    api, url = set_up(terapi)
    senders = [Sender(terapi, url, range(start, EVENTS * 2, CONNECTIONS)) for start in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    # In the middle of it, and not at its end: whoever has sent half has half to go.
    eventually(lambda: sum(len(sender.answered) for sender in senders) >= EVENTS, 300, "half of the events")
    terapi.kill()
    for sender in senders:
        sender.join(60)
    answered = {type for sender in senders for type in sender.answered}
    assert EVENTS <= len(answered) < EVENTS * 2

    terapi.start()
    kept = kept_types(terapi.api())

    assert answered <= set(kept), f"{len(answered - set(kept))} were answered and are lost"
    # What was kept and not answered would be sent again by the provider.
    assert len(kept) - len(answered) <= CONNECTIONS


def test_the_example_of_the_document(tmp_path, definitions_folder, sink):
    blocks = re.findall(r"```(yaml|sh)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for kind, text in blocks:
        if kind == "yaml":
            place = re.match(r"# (\S+)", text).group(1)
            write(definitions_folder, place, text)
    scripts = [text for kind, text in blocks if kind == "sh" and "curl" in text]
    terapi = Terapi(tmp_path / "terapi", integrations=definitions_folder / "integrations",
                    providers=definitions_folder / "providers")
    with terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.ok("PATCH", "/environment", json={"webhook": {"primary_url": sink.url}})
        environment = {**os.environ, "TERAPI": terapi.base, "KEY": terapi.key()}
        subprocess.run(["bash", "-ec", scripts[0]], env=environment, check=True, timeout=60)
        environment["WEBHOOK_URL"] = webhook_address(api, terapi, "acme")
        subprocess.run(["bash", "-ec", scripts[1]], env=environment, check=True, timeout=60)

        (told,) = sink.wait_for(type="sync", syncType="WEBHOOK")
        (forward,) = sink.wait_for(type="forward")
        (record,) = api.records("acme", "ada", "ticket")
        challenge = requests.get(environment["WEBHOOK_URL"] + "?challenge=c-1", timeout=30)

    assert told["responseResults"] == {"added": 1, "updated": 0, "deleted": 0}
    assert forward["payload"]["ticket"] == {"id": 7, "title": "It does not open"}
    assert (record["id"], record["title"]) == ("7", "It does not open")
    assert challenge.text == "c-1"
