"""Actions on request and from the queue, and scripts of events, against a provider that counts what it is told."""

import http.server
import json
import subprocess
import textwrap
import threading
import uuid

import pytest

import definitions
from server import BINARY, Terapi, eventually

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
    script(definitions_folder, "actions/region.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({
            description: 'Reads the variables',
            exec: async (terapi) => {
                const variables = await terapi.getEnvironmentVariables();
                await terapi.log('variables', { variables });
                return variables;
            },
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


def test_what_a_dead_server_left_running_is_ended_in_the_logs(connected, terapi, provider):
    provider.gate.clear()
    for name, input in [("create-ticket", {"title": "lost"}), ("plan", None)]:
        threading.Thread(
            target=lambda name=name, input=input: pytest.raises(Exception, trigger, connected, name, input), daemon=True
        ).start()

    def operations():
        return connected.ok("GET", "/logs/operations", params={"type": "action:run"})["data"]

    eventually(lambda: provider.tickets, what="the ticket at the provider")
    eventually(lambda: [one["state"] for one in operations()] == ["running"] * 2, what="both operations in the logs")

    terapi.kill()
    provider.gate.set()
    terapi.start()

    ended = {one["message"]: one for one in operations()}
    assert {one["state"] for one in ended.values()} == {"failed"}
    reasons = {
        name: [line["message"] for line in connected.ok("GET", f"/logs/operations/{one['id']}/messages")["data"]][-1]
        for name, one in ended.items()
    }
    assert "after the script had sent a request that may have had an effect" in reasons["create-ticket"]
    assert reasons["plan"] == "The server ended before this came to its end."
    assert [ticket["title"] for ticket in provider.tickets] == ["lost"]


def test_an_integration_goes_when_its_connections_have_said_goodbye(connected, provider):
    connect(connected, "bob")
    eventually(lambda: len(provider.hooks) == 2, what="both welcomes")

    connected.ok("DELETE", "/integrations/desk")

    farewells = [hook["of"] for hook in provider.hooks if hook["title"] == "farewell"]
    assert sorted(farewells) == ["alice", "bob"]
    assert connected.ok("GET", "/connections")["connections"] == []
    assert connected.ok("GET", "/integrations")["data"] == []


def test_scripts_get_the_variables_that_a_person_sets(connected, terapi, definitions_folder):
    def variables(*arguments):
        command = [BINARY, "variables", *arguments, "--data", terapi.data]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert variables("set", "REGION=eu", "KEY=canary=1", "OLD=x").returncode == 0
    assert variables("unset", "OLD").returncode == 0
    assert variables("list").stdout == "KEY\nREGION\n"
    assert variables("list", "--values").stdout == "KEY=canary=1\nREGION=eu\n"
    assert variables("list", "--environment", "prod").stdout == ""
    refused = variables("set", "no-name=x")
    assert refused.returncode != 0

    expected = [{"name": "KEY", "value": "canary=1"}, {"name": "REGION", "value": "eu"}]
    assert connected.ok("GET", "/environment-variables") == expected
    assert trigger(connected, "region", None).json() == expected

    def logged():
        operations = connected.ok("GET", "/logs/operations", params={"type": "action:run"})["data"]
        return [connected.call("GET", f"/logs/operations/{one['id']}/messages").text for one in operations]

    lines = "".join(eventually(lambda: [text for text in logged() if "REGION" in text], what="the script's log"))
    assert "***" in lines and "canary" not in lines


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
    assert [action["name"] for action in states["actions"]] == ["create-ticket", "echo", "plan", "region"]
    assert len(states["on-events"]) == 3
