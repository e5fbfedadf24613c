"""Actions on request and from the queue, and scripts of events, against a provider that counts what it is told."""

import http.server
import json
import textwrap
import threading
import uuid

import pytest

import definitions
from server import Terapi, eventually

HEADERS = {"Provider-Config-Key": "desk", "Connection-Id": "alice"}


class Provider:
    """Counts the tickets that it was told to make. While it is held it answers nobody."""

    def __init__(self):
        self.tickets = []
        self.hooks = []
        self.gate = threading.Event()
        self.gate.set()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.gate.wait(60)
                self.answer(200, {"plan": "team"})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                if body.get("title") == "":
                    return self.answer(422, {"why": "no title"}, {"X-RateLimit-Remaining": "7", "Set-Cookie": "a=b"})
                (provider.hooks if self.path == "/hooks" else provider.tickets).append(body)
                provider.gate.wait(60)
                self.answer(201, {"id": len(provider.tickets)})

            def answer(self, status, body, headers={}):
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(json.dumps(body))))
                    self.end_headers()
                    self.wfile.write(json.dumps(body).encode())
                except OSError:
                    # Who asked was killed.
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def provider():
    provider = Provider()
    yield provider
    provider.gate.set()
    provider.server.shutdown()
    provider.server.server_close()


def script(folder, path, text):
    definitions.write(folder / "integrations/desk", path, textwrap.dedent(text))


@pytest.fixture
def terapi(tmp_path, provider, definitions_folder):
    definitions.basic_provider(definitions_folder / "providers", "desk", provider.base)
    script(definitions_folder, "actions/create-ticket.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({
            description: 'Makes a ticket',
            exec: async (terapi, input) => {
                if (input.title === 'refuse') {
                    throw new terapi.ActionError({ message: 'Not today.', reason: 'holiday' });
                }
                const answer = await terapi.post({ endpoint: '/tickets', data: { title: input.title } });
                return { id: answer.data.id, by: terapi.connectionId };
            },
        });
        """)
    script(definitions_folder, "actions/echo.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({ description: 'Echo', exec: async (terapi, input) => ({ got: input }) });
        """)
    script(definitions_folder, "actions/plan.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({
            description: 'Reads the plan',
            exec: async (terapi) => (await terapi.get({ endpoint: '/plan' })).data,
        });
        """)
    script(definitions_folder, "on-events/welcome.js", """
        const { createOnEvent } = require('terapi');
        module.exports = createOnEvent({
            description: 'Registers',
            event: 'post-connection-creation',
            exec: async (terapi) => {
                await terapi.post({ endpoint: '/hooks', data: { title: 'welcome', of: terapi.connectionId } });
                await terapi.updateMetadata({ registered: true });
            },
        });
        """)
    script(definitions_folder, "on-events/check.js", """
        const { createOnEvent } = require('terapi');
        module.exports = createOnEvent({
            description: 'Checks',
            event: 'validate-connection',
            exec: async (terapi) => {
                const { credentials } = await terapi.getConnection();
                if (credentials.username === 'mallory') throw new Error('Mallory may not come in.');
            },
        });
        """)
    script(definitions_folder, "on-events/farewell.js", """
        const { createOnEvent } = require('terapi');
        module.exports = createOnEvent({
            description: 'Says goodbye',
            event: 'pre-connection-deletion',
            exec: async (terapi) => {
                await terapi.post({ endpoint: '/hooks', data: { title: 'farewell', of: terapi.connectionId } });
            },
        });
        """)
    terapi = Terapi(
        tmp_path / "terapi",
        integrations=definitions_folder / "integrations",
        providers=definitions_folder / "providers",
    )
    yield terapi
    if terapi.program and terapi.program.process.poll() is None:
        terapi.stop()


@pytest.fixture
def connected(terapi, provider, sink):
    terapi.start()
    api = terapi.api()
    sink.signing_key = api.signing_key()
    api.create_integration("desk", "desk")
    connect(api, "alice", webhook_url_override=sink.url)
    eventually(lambda: api.connection("alice", "desk")["metadata"], what="the metadata of the event's script")
    return api


def connect(api, name, **more):
    return api.import_connection(
        "desk", {"type": "BASIC", "username": name, "password": "pass-1"}, connection_id=name, **more
    )


def trigger(api, name, input, **headers):
    body = {"action_name": name, "input": input}
    return api.call("POST", "/action/trigger", json=body, headers={**HEADERS, **headers})


def result(api, id):
    """The answer when there is one."""

    def ended():
        answer = api.call("GET", f"/action/{id}")
        # A list, because an answer that tells of a failure counts as false.
        return [answer] if answer.status_code != 202 else None

    return eventually(ended, what="the end of the action")[0]


def test_answers_its_caller(connected, provider):
    made = trigger(connected, "create-ticket", {"title": "a"})
    assert (made.status_code, made.json()) == (200, {"id": 1, "by": "alice"})
    assert provider.tickets == [{"title": "a"}]
    assert trigger(connected, "echo", [1.50, "ü"]).json() == {"got": [1.5, "ü"]}

    (refused, failed, unknown) = (
        trigger(connected, "create-ticket", {"title": "refuse"}),
        trigger(connected, "create-ticket", {"title": ""}),
        trigger(connected, "nothing", None),
    )
    assert refused.status_code == 500
    assert refused.json()["error"]["code"] == "action_script_failure"
    assert refused.json()["error"]["payload"] == {"message": "Not today.", "reason": "holiday"}
    assert failed.status_code == 424
    assert failed.json()["error"]["code"] == "script_http_error"
    assert failed.json()["error"]["upstream"] == {
        "status": 422,
        "headers": {"content-type": "application/json", "x-ratelimit-remaining": "7"},
        "body": {"why": "no title"},
    }
    assert unknown.status_code == 404
    for answer in (refused, failed):
        assert "pass-1" not in answer.text

    def states():
        operations = connected.ok("GET", "/logs/operations", params={"type": "action:run"})["data"]
        return sorted(operation["state"] for operation in operations)

    eventually(lambda: states() == ["failed", "failed", "success", "success"], what="the operations in the logs")


def test_runs_from_the_queue_and_tells_of_it(connected, sink):
    queued = trigger(connected, "create-ticket", {"title": "later"}, **{"X-Async": "true"})
    assert queued.status_code == 202
    id = queued.json()["id"]
    assert queued.headers["Location"] == queued.json()["statusUrl"] == f"/action/{id}"

    assert result(connected, id).json() == {"id": 1, "by": "alice"}
    (event,) = sink.wait_for(type="async_action")
    assert event["payload"] == {"id": id, "statusUrl": f"/action/{id}"}
    assert connected.call("GET", f"/action/{uuid.uuid4()}").status_code == 404


def test_a_key_makes_one_ticket_however_often_it_comes(connected, provider):
    answers = []

    def ask():
        answers.append(trigger(connected, "create-ticket", {"title": "once"}, **{"Idempotency-Key": "k-1"}))

    callers = [threading.Thread(target=ask) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    ask()

    assert provider.tickets == [{"title": "once"}]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.text for answer in answers if answer.status_code == 200} == {answers[-1].text}
    assert trigger(connected, "create-ticket", {"title": "x"}, **{"Idempotency-Key": "k-1"}).status_code == 422


def test_nothing_is_done_twice_when_the_server_dies(connected, terapi, provider):
    provider.gate.clear()
    sent = trigger(connected, "create-ticket", {"title": "half"}, **{"X-Async": "true", "X-Max-Retries": "5"}).json()
    quiet = trigger(connected, "plan", None, **{"X-Async": "true"}).json()
    threading.Thread(
        target=lambda: pytest.raises(
            Exception, trigger, connected, "create-ticket", {"title": "keyed"}, **{"Idempotency-Key": "k-2"}
        ),
        daemon=True,
    ).start()
    eventually(lambda: len(provider.tickets) == 2, what="both tickets at the provider")

    terapi.kill()
    provider.gate.set()
    terapi.start()

    unknown = result(connected, sent["id"])
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (424, "outcome_unknown")
    assert result(connected, quiet["id"]).json() == {"plan": "team"}
    keyed = trigger(connected, "create-ticket", {"title": "keyed"}, **{"Idempotency-Key": "k-2"})
    assert keyed.json()["error"]["code"] == "outcome_unknown"
    assert sorted(ticket["title"] for ticket in provider.tickets) == ["half", "keyed"]


def test_events_of_a_connection_run_their_scripts(connected, provider):
    assert provider.hooks == [{"title": "welcome", "of": "alice"}]
    assert connected.connection("alice", "desk")["metadata"] == {"registered": True}

    refused = connected.call(
        "POST",
        "/connections",
        json={
            "provider_config_key": "desk",
            "connection_id": "mallory",
            "credentials": {"type": "BASIC", "username": "mallory", "password": "pass-2"},
        },
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "connection_validation_failed"
    assert "Mallory may not come in." in refused.json()["error"]["message"]
    assert [c["connection_id"] for c in connected.ok("GET", "/connections")["connections"]] == ["alice"]

    connected.ok("DELETE", "/connections/alice", params={"provider_config_key": "desk"})
    assert provider.hooks[1:] == [{"title": "farewell", "of": "alice"}]
    assert connected.ok("GET", "/connections")["connections"] == []
    states = connected.ok("GET", "/scripts/config")[0]
    assert [action["name"] for action in states["actions"]] == ["create-ticket", "echo", "plan"]
    assert len(states["on-events"]) == 3
