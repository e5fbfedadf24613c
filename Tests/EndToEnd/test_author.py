"""The loop of who writes integrations: init, new, dryrun, test, docs, and dev, each as a person calls it."""

import contextlib
import json
import os
import pathlib
import pty
import re
import subprocess

import pytest

import definitions
from server import BINARY, Program, Terapi, eventually, free_port
from test_dryrun import PACKAGES, Provider

TOKEN = "sandbox-token"


class Project:
    """A folder that `terapi init` made, and the command line in it."""

    def __init__(self, folder, cache):
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "NODE_PATH": str(PACKAGES), "XDG_CACHE_HOME": str(cache), "LC_ALL": "C.UTF-8"}

    def run(self, *arguments, status=0, folder=None, stdin=subprocess.DEVNULL):
        result = subprocess.run(
            [BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=self.environment,
            cwd=folder or self.folder, stdin=stdin,
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr

    def read(self, path):
        return (self.folder / path).read_text()

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def change(self, path, old, new):
        text = self.read(path)
        assert old in text
        self.write(path, text.replace(old, new))


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "shop", tmp_path / "cache")
    project.run("init", "shop", folder=tmp_path)
    return project


TICKETS = "integrations/sandbox/syncs/tickets.ts"
TEST = "integrations/sandbox/tests/tickets.test.json"


def test_a_new_project_passes_its_tests_and_is_never_overwritten(project, tmp_path):
    assert "2 in order." in project.run("test")
    assert "1 sync, 1 action, 0 on-events: in order." in project.run("compile")
    project.write("README.md", "mine")
    (project.folder / TICKETS).unlink()

    refused = project.run("init", "shop", status=1, folder=tmp_path)
    assert "shop is not empty" in refused and "terapi init --add shop" in refused
    assert not (project.folder / TICKETS).exists()
    added = project.run("init", "--add", "shop", folder=tmp_path)
    assert TICKETS in added and "README.md\n" not in added
    assert project.read("README.md") == "mine"

    fresh = tmp_path / "fresh"
    (fresh / ".git").mkdir(parents=True)
    assert "Made in fresh" in project.run("init", "fresh", folder=tmp_path)
    assert "is a file" in project.run("init", "shop/README.md", status=1, folder=tmp_path)


def test_new_scripts_pass_their_tests_and_are_never_overwritten(project):
    for kind, name in [("sync", "issues"), ("action", "open-issue"), ("on-event", "hello")]:
        made = project.run("new", kind, "github", name)
        assert f"integrations/github/tests/{name}.test.json" in made
    assert "1 in order." in project.run("test", "github/issues")
    assert "5 in order." in project.run("test")
    assert "2 syncs, 2 actions, 1 on-event: in order." in project.run("compile")

    project.change("integrations/github/syncs/issues.ts", "Issues", "Problems")
    assert "exists already" in project.run("new", "sync", "github", "issues", status=1)
    assert "exists already" in project.run("new", "action", "github", "issues", status=1)
    assert not (project.folder / "integrations/github/actions/issues.ts").exists()
    assert "Problems" in project.read("integrations/github/syncs/issues.ts")
    assert "cannot be the name" in project.run("new", "sync", "../up", "issues", status=1)
    assert "no kind of script" in project.run("new", "webhook", "github", "issues", status=1)


@pytest.mark.sandbox(tickets=250)
def test_from_a_dryrun_to_a_test_that_notices_a_change(project, sandbox):
    where = ["--base-url", sandbox.base, "--header", f"Authorization: Bearer {TOKEN}"]
    assert "Ticket: 250 saved" in project.run("dryrun", "--integration", "sandbox", "--script", "tickets", *where)
    assert "401" in project.run(
        "dryrun", "--integration", "sandbox", "--script", "tickets", "--base-url", sandbox.base, status=1
    )

    refused = project.run("test", "--record", "sandbox", "tickets", "--base-url", sandbox.base, status=1)
    assert "status code 401" in refused and "Nothing was recorded" in refused
    before = project.read(TEST)
    recorded = project.run("test", "--record", "sandbox", "tickets", *where)
    assert f"Replaced {TEST}: 3 exchanges" in recorded
    test = json.loads(project.read(TEST))
    assert project.read(TEST) != before and TOKEN not in project.read(TEST)
    assert [exchange["request"]["path"] for exchange in test["exchanges"]] == ["/api/tickets"] * 3
    assert len(test["result"]["saved"]["Ticket"]) == 250

    # What was recorded is all that a test needs.
    sandbox.program.stop()
    assert "ok    sandbox/tickets" in project.run("test", "tickets")

    project.change("integrations/sandbox/models.ts", "title: subject,", "title: subject.toUpperCase(),")
    failed = project.run("test", "sandbox/tickets", status=1)
    title = test["result"]["saved"]["Ticket"][0]["title"]
    assert "FAIL  sandbox/tickets" in failed and "saved.Ticket[id=1].title" in failed
    assert f'- "{title}"' in failed and f'+ "{title.upper()}"' in failed
    assert "and 230 more differences" in failed
    assert "new   sandbox/tickets" in project.run("test", "--update", "sandbox/tickets")
    assert "ok    sandbox/tickets" in project.run("test", "sandbox/tickets")

    project.change(TICKETS, "per_page: 100", "per_page: 99")
    failed = project.run("test", "tickets", status=1)
    assert re.search(r"sent, though not recorded: GET /api/tickets\?per_page=99", failed)
    assert re.search(r"recorded, though not sent: GET /api/tickets\?per_page=100", failed)
    accepted = project.run("test", "--update", "tickets", status=1)
    assert "record the test again" in accepted


def test_a_test_is_named_by_what_is_wrong_with_it(project):
    assert "no test of \"nothing\"" in project.run("test", "nothing", status=1)
    project.change(TICKETS, "export default createSync({", "export default createSync({ const")
    failed = project.run("test", status=1)
    assert "ok    sandbox/get-ticket" in failed and f"{TICKETS}:8:" in failed
    (project.folder / TICKETS).unlink()
    assert "tests a sync that is not there" in project.run("test", "tickets", status=1)
    assert "no script \"tickets\"" in project.run(
        "test", "--record", "sandbox", "tickets", "--base-url", "http://127.0.0.1:9", status=1
    )


def test_what_cannot_be_repeated_is_not_recorded(project):
    provider = Provider()
    provider.answers = {"GET /x": {"ok": True}}
    source = """import { createAction } from 'terapi';
export default createAction({
    exec: async (terapi) => {
        const [variable] = await terapi.getEnvironmentVariables();
        return [variable.value, (await terapi.get({ endpoint: '/x', params: { r: %s } })).data];
    },
});
"""
    project.write("integrations/demo/actions/roll.ts", source % "Math.random()")
    project.write("variables.json", '{ "REGION": "eu", "KEY": "very-secret" }')
    record = ["test", "--record", "demo", "roll", "--base-url", provider.base, "--variables", "variables.json"]
    assert "did not send the same" in project.run(*record, status=1)
    assert not (project.folder / "integrations/demo/tests/roll.test.json").exists()

    project.write("integrations/demo/actions/roll.ts", source % "Date.now()")
    assert "Made" in project.run(*record)
    provider.close()
    assert "1 in order." in project.run("test", "roll")
    test = project.read("integrations/demo/tests/roll.test.json")
    assert '"eu"' in test and "very-secret" not in test


def test_docs_tell_of_every_script_and_spare_what_people_wrote(project):
    printed = project.run("docs")
    for line in ["# sandbox", "### tickets", "| frequency | every hour |", "#### Model `Ticket`", "| `title` | string | required |  |"]:
        assert line in printed.splitlines(), printed
    assert "#### Input" in printed and "| `id` | number | required |  |" in printed

    project.run("docs", "--output", "docs")
    assert project.read("docs/sandbox.md") == printed
    project.run("docs", "--output", "docs")
    project.write("docs/sandbox.md", "mine")
    assert "was not written by terapi docs" in project.run("docs", "--output", "docs", status=1)
    assert project.read("docs/sandbox.md") == "mine"


def test_compile_finds_what_is_no_javascript_in_yaml(project):
    definitions.sandbox_sync(project.folder / "integrations", name="plain")
    project.change("integrations/sandbox/syncs/plain.yaml", "title: item.subject", "title: item.subject +")
    project.change("integrations/sandbox/syncs/plain.yaml", "model: ticket", "model: Plain")

    mistakes = project.run("compile", status=1)

    assert re.search(r"^integrations/sandbox/syncs/plain\.yaml:\d+:\d+: expected map\.title to be a JavaScript", mistakes)


@pytest.fixture
def desk(tmp_path, project, definitions_folder):
    """A server with a connection to a provider that tells what it was asked; the project's scripts are unknown to it."""
    provider = Provider()
    provider.answers = {
        "GET /items": {"list": [{"id": 1, "name": "One"}], "access_token": "handed-out-secret"},
        "POST /items": (201, {}, {"id": 2}),
    }
    definitions.basic_provider(definitions_folder / "providers", "desk", provider.base)
    project.write("integrations/desk/syncs/items.ts", """import { createSync } from 'terapi';
import * as z from 'zod';
export default createSync({
    frequency: 'every hour', models: { Item: z.object({ id: z.string() }) },
    exec: async (terapi) => {
        const { data } = await terapi.get({ endpoint: '/items', headers: { 'X-Own': 'yes' }, params: { since: (await terapi.getMetadata()).since } });
        await terapi.batchSave(data.list.map(({ id }) => ({ id: String(id) })), 'Item');
        await terapi.saveCheckpoint({ page: 7 });
        await terapi.updateMetadata({ since: 'now', user: (await terapi.getConnection()).credentials.username });
    },
});
""")
    project.write("integrations/desk/actions/make.ts", """import { createAction } from 'terapi';
export default createAction({
    exec: async (terapi, input: { name: string }) => (await terapi.post({ endpoint: '/items', data: input })).data,
});
""")
    with Terapi(tmp_path / "terapi", providers=definitions_folder / "providers") as terapi:
        api = terapi.api()
        api.create_integration("desk", "desk")
        api.import_connection(
            "desk", {"type": "BASIC", "username": "alice-of-desk", "password": "wonderland"}, "alice",
            metadata={"since": "2026"},
        )
        yield provider, terapi, api
    provider.close()


def through(terapi):
    return ["--connection-id", "alice", "--data", terapi.data]


def test_a_dryrun_through_a_connection_sends_its_credentials_and_writes_nothing(project, desk):
    provider, terapi, api = desk
    arguments = ["dryrun", "--integration", "desk", *through(terapi), "--json"]

    found = json.loads(project.run(*arguments, "--script", "items"))

    assert found["error"] is None and found["saved"] == {"Item": [{"id": "1"}]} and found["checkpoint"] == {"page": 7}
    assert found["metadata"] == {"since": "now", "user": "alice-of-desk"}
    target, headers, _ = provider.seen[-1]
    assert target == "GET /recorded/items?since=2026" and headers["x-own"] == "yes"
    assert headers["authorization"].startswith("Basic ")
    connection = api.connection("alice", "desk")
    assert connection["metadata"] == {"since": "2026"}
    unknown = project.run("dryrun", "--integration", "desk", "--script", "items", "--connection-id", "bob", "--data", terapi.data, status=1)
    assert "no such connection" in unknown
    # Only who may enter the data folder can lend a connection.
    for what in ["connection", "request", "call"]:
        assert api.call("POST", f"/admin/dryrun/{what}?environment=dev", json={}).status_code == 404


def test_a_dryrun_through_a_connection_asks_before_it_changes_anything(project, desk):
    provider, terapi, _ = desk
    project.write("input.json", '{ "name": "Two" }')
    arguments = ["dryrun", "--integration", "desk", "--kind", "action", "--script", "make", "--input", "input.json"]
    asked = len(provider.seen)

    refused = project.run(*arguments, *through(terapi), status=1)

    assert "POST /items was not sent" in refused and "--allow-writes" in refused
    assert len(provider.seen) == asked
    assert json.loads(project.run(*arguments, *through(terapi), "--allow-writes", "--json"))["output"] == {"id": 2}
    assert json.loads(provider.seen[-1][2]) == {"name": "Two"}

    asked = len(provider.seen)
    for answer, status in [(b"n\n", 1), (b"y\n", 0)]:
        person, terminal = pty.openpty()
        os.write(person, answer)
        said = project.run(*arguments, *through(terapi), status=status, stdin=terminal)
        assert "POST /items may change something at the provider. Send it?" in said
        assert len(provider.seen) == asked + 1 - status
        os.close(person)
        os.close(terminal)


def test_a_dryrun_says_where_its_requests_may_go(project, desk):
    _, terapi, _ = desk
    arguments = ["dryrun", "--integration", "desk", "--script", "items"]
    assert "Say where requests go" in project.run(*arguments, status=1)
    assert "Say where requests go" in project.run(*arguments, *through(terapi), "--base-url", "http://127.0.0.1:9", status=1)
    nobody = project.run(*arguments, "--connection-id", "alice", "--data", "nowhere", status=1)
    assert "No server answers at nowhere/terapi.sock" in nobody


def test_a_test_recorded_through_a_connection_holds_no_secret(project, desk):
    provider, terapi, _ = desk

    project.run("test", "--record", "desk", "items", *through(terapi))

    text = project.read("integrations/desk/tests/items.test.json")
    for secret in ["alice-of-desk", "wonderland", "handed-out-secret", "Basic "]:
        assert secret not in text
    assert json.loads(text)["result"]["checkpoint"] == {"page": 7}
    terapi.stop()
    assert "ok    desk/items" in project.run("test", "items")


@contextlib.contextmanager
def dev(project, terapi, port, name="dev"):
    arguments = ["dev", "--data", terapi.data, "--port", port, "--outbound-allow", "127.0.0.0/8"]
    program = Program(arguments, project.folder.parent / f"{name}.log", project.environment, folder=project.folder)
    try:
        yield program
    finally:
        program.stop()


def shows(program, pattern, seconds=30):
    return eventually(lambda: re.search(pattern, program.tail(20_000), re.MULTILINE), seconds, pattern)


def test_dev_takes_changes_and_shows_mistakes_and_runs(project, sandbox, tmp_path):
    project.change("providers/sandbox.yaml", "http://127.0.0.1:3010", sandbox.base)
    action = "integrations/sandbox/actions/get-ticket.ts"
    right = project.read(action)
    project.change(action, "terapi.get<RawTicket>(", "terapi.get<RawTicket>(;")
    terapi = Terapi(tmp_path / "terapi")
    terapi.port = free_port()
    terapi.base = f"http://localhost:{terapi.port}"
    with dev(project, terapi, terapi.port) as program:
        # A mistake does not keep it from starting.
        program.wait_for(terapi.base + "/ready")
        found = shows(program, r"^integrations/sandbox/actions/get-ticket\.ts:(\d+):(\d+): Unexpected")
        shows(program, rf"^  {found[1]} \| .*terapi\.get<RawTicket>\(;.*\n    +\| +\^$")
        project.write(action, right)
        shows(program, r"^integrations: 1 sync, 1 action, 0 on-events, loaded in \d+ ms$")

        api = terapi.api()
        api.create_integration("sandbox", "sandbox")
        api.import_connection("sandbox", {"type": "API_KEY", "apiKey": TOKEN}, "me")
        shows(program, r"sync:run tickets \(sandbox/me\)$")
        shows(program, r"sync:run tickets \(sandbox/me\) success after \d+ ms$")
        headers = {"Provider-Config-Key": "sandbox", "Connection-Id": "me"}
        call = {"action_name": "get-ticket", "input": {"id": 1}}
        assert api.ok("POST", "/action/trigger", json=call, headers=headers)["id"] == "1"
        shows(program, r"action:run get-ticket \(sandbox/me\) success after \d+ ms$")

        project.change(action, "return toTicket(data);", "await terapi.log('by hand'); throw new Error('not today');")
        shows(program, r"(?s)loaded in .*loaded in ")
        assert api.call("POST", "/action/trigger", json=call, headers=headers).status_code == 500
        shows(program, r"info  get-ticket: by hand$")
        shows(program, r"action:run get-ticket \(sandbox/me\) failed after")

        project.change(action, "throw new", "throw )")
        shows(program, r"get-ticket\.ts:\d+:\d+: Unexpected \"\)\"")
        assert api.call("POST", "/action/trigger", json=call, headers=headers).status_code == 500, "what was there stays"

        with dev(project, terapi, free_port(), name="second") as second:
            shows(second, r"already; this shows what it does")
            shows(second, r"get-ticket\.ts:\d+:\d+: Unexpected \"\)\"")
            api.call("POST", "/action/trigger", json=call, headers=headers)
            shows(second, r"by hand")
