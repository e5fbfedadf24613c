"""Scripts that the server keeps for an environment: deployed, changed, taken back and removed, as a person does it."""

import json
import os
import pty
import socket
import subprocess

import pytest

import definitions
from server import BINARY, Terapi, eventually
from test_actions import Provider, script

HEADERS = {"Provider-Config-Key": "desk", "Connection-Id": "alice"}


@pytest.fixture
def provider():
    provider = Provider()
    yield provider
    provider.gate.set()
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture
def terapi(tmp_path, provider, definitions_folder):
    """A server without a folder of integrations."""
    definitions.basic_provider(definitions_folder / "providers", "desk", provider.base)
    terapi = Terapi(tmp_path / "terapi", providers=definitions_folder / "providers")
    with terapi:
        yield terapi


@pytest.fixture
def connected(terapi):
    api = terapi.api()
    api.create_integration("desk", "desk")
    api.import_connection("desk", {"type": "BASIC", "username": "alice", "password": "pw"}, "alice")
    return api


class Author:
    """A person with a folder of integrations and a key."""

    def __init__(self, terapi, folder, key=None):
        self.folder = folder
        self.environment = {**os.environ, "TERAPI_HOST": terapi.base, "TERAPI_API_KEY": key or terapi.key()}

    def run(self, *arguments, input=None):
        return subprocess.run(
            [BINARY, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, input=input
        )

    def ok(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, *arguments):
        return self.ok("deploy", "--integrations-dir", self.folder / "integrations", "--yes", *arguments)

    def answer(self, text):
        """Deploys at a terminal and types this when it is asked."""
        controller, terminal = pty.openpty()
        command = [BINARY, "deploy", "--integrations-dir", self.folder / "integrations"]
        with subprocess.Popen(
            command, env=self.environment, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as program:
            os.write(controller, text.encode() + b"\n")
            output, _ = program.communicate(timeout=120)
        os.close(controller)
        os.close(terminal)
        assert "Deploy? [y/N] " in output
        return output

    def refused(self, *arguments, **options):
        done = self.run("deploy", "--integrations-dir", self.folder / "integrations", *arguments, **options)
        assert done.returncode == 1, done.stdout
        return done.stdout + done.stderr


@pytest.fixture
def author(terapi, definitions_folder):
    write_plan(definitions_folder, "first", version="1.0.0")
    script(definitions_folder, "actions/echo.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({ description: 'Echo', exec: async (terapi, input) => ({ got: input }) });
        """)
    return Author(terapi, definitions_folder)


def write_plan(folder, title, name="plan", model="Plan", version="1.0.0"):
    script(folder, f"syncs/{name}.ts", f"""
        import {{ createSync }} from 'terapi';
        const title: string = '{title}';
        export default createSync({{
            description: 'Reads the plan',
            version: '{version}',
            frequency: 'every hour',
            models: ['{model}'],
            exec: async (terapi) => {{
                const runs = ((await terapi.getCheckpoint())?.runs ?? 0) + 1;
                await terapi.get({{ endpoint: '/plan' }});
                await terapi.batchSave([{{ id: 'team', title, runs }}], '{model}');
                await terapi.saveCheckpoint({{ runs }});
            }},
        }});
        """)


def records(api, model="Plan"):
    found = api.records("desk", "alice", model)
    return [(r["title"], r["runs"]) for r in found if r["_terapi_metadata"]["last_action"] != "DELETED"]


def run_and_read(api, expected):
    api.trigger("desk", "alice", ["plan"])
    eventually(lambda: records(api) == expected, what=f"{expected}")


def test_deploy_change_roll_back_and_prune(terapi, connected, author, definitions_folder):
    # Deployed: the sync begins on the connection that was there before, without a restart.
    shown = author.deploy()
    assert "dev at " + terapi.base + ", nothing deployed yet" in shown
    assert "+ desk/syncs/plan" in shown and "+ desk/actions/echo" in shown
    assert "Version 1 is in force." in shown
    eventually(lambda: records(connected) == [("first", 1)], what="the first run")
    answer = connected.ok("POST", "/action/trigger", json={"action_name": "echo", "input": 1}, headers=HEADERS)
    assert answer == {"got": 1}
    config = connected.ok("GET", "/scripts/config")[0]
    assert config["syncs"][0]["last_deployed"] and config["syncs"][0]["source"] == "repo"

    # Nothing has changed: no version is made.
    assert "Nothing is different" in author.deploy()
    assert author.ok("deployments").count("\n") == 1

    # Changed: the difference is shown before, and the sync keeps its place.
    write_plan(definitions_folder, "second", version="1.1.0")
    write_plan(definitions_folder, "extra", name="extra", model="Extra")
    asked = author.refused(input="")
    assert "~ desk/syncs/plan  (code, version)" in asked and "+ desk/syncs/extra" in asked
    assert "Give --yes to deploy unasked" in asked
    assert "Nothing was deployed." in author.answer("n")
    assert "extra" not in connected.call("GET", "/scripts/config").text
    assert "Version 2 is in force." in author.answer("y")
    run_and_read(connected, [("second", 2)])
    eventually(lambda: records(connected, "Extra") == [("extra", 1)], what="the new sync's run")

    # A definition with a mistake changes nothing.
    script(definitions_folder, "syncs/broken.ts", "export default 1;\n")
    refused = author.refused("--yes")
    assert "integrations/desk/syncs/broken.ts:1:1" in refused
    (definitions_folder / "integrations/desk/syncs/broken.ts").unlink()

    # Taken back: the first script runs again, the sync that it did not know stops and keeps its records.
    taken = author.ok("rollback")
    assert "~ desk/syncs/plan" in taken and "- desk/syncs/extra" in taken
    assert "Version 3 is in force, with the scripts of version 1." in taken
    run_and_read(connected, [("first", 3)])
    assert connected.sync_status("desk", "alice", "extra")["status"] == "STOPPED"
    assert records(connected, "Extra") == [("extra", 1)]

    # After a restart it is the same.
    terapi.stop()
    terapi.start()
    run_and_read(connected, [("first", 4)])

    # Forth again, and the sync goes on at its place.
    assert "with the scripts of version 2" in author.ok("rollback", "--to", "2")
    eventually(lambda: records(connected, "Extra") == [("extra", 2)], what="the run that goes on")
    listed = author.ok("deployments").splitlines()
    assert [line[2:].split()[0] for line in listed] == ["4", "3", "2", "1"]
    assert [line[0] for line in listed] == ["*", " ", " ", " "]

    # Gone from the folder: it stays until it is pruned, and then it is gone with its records.
    (definitions_folder / "integrations/desk/syncs/extra.ts").unlink()
    assert "extra is not in the folder and stays; --prune removes it" in author.deploy()
    assert records(connected, "Extra") == [("extra", 2)]
    pruned = author.deploy("--prune")
    assert "- desk/syncs/extra  deletes its place on 1 connection, 1 records of Extra" in pruned
    assert records(connected, "Extra") == []
    assert [sync["name"] for sync in connected.ok("GET", "/scripts/config")[0]["syncs"]] == ["plan"]
    run_and_read(connected, [("second", 5)])


def test_a_key_reaches_its_own_environment_only(terapi, connected, author):
    author.deploy()
    prod = terapi.api("prod")
    prod.create_integration("desk", "desk")
    assert prod.ok("GET", "/scripts/config")[0]["syncs"] == []
    assert prod.ok("GET", "/sync/deploy")["data"] == []
    assert prod.call("GET", "/integrations/desk/functions/plan/code").status_code == 404
    assert prod.call("POST", "/sync/deploy/rollback", json={"version": 1}).status_code == 404

    stranger = Author(terapi, author.folder, key="terapi_sk_" + "0" * 72)
    assert "TERAPI_API_KEY" in stranger.refused("--yes")
    nobody = Author(terapi, author.folder)
    del nobody.environment["TERAPI_API_KEY"]
    assert "No API key" in nobody.refused("--yes")
    elsewhere = Author(terapi, author.folder)
    elsewhere.environment["TERAPI_HOST"] = "http://localhost:1"
    assert "No server answers at http://localhost:1" in elsewhere.refused("--yes")

    definitions.write(author.folder / "integrations", "phone/syncs/calls.js", plain_sync("Call"))
    assert 'no integration "phone" yet' in author.deploy()
    reading = narrow_key(terapi, ["environment:records:read", "environment:functions:read"])
    narrow = Author(terapi, author.folder, key=reading)
    assert "environment:deploy" in narrow.refused("--yes")
    assert author.ok("deployments").count("\n") == 2


def narrow_key(terapi, scopes):
    """A key of dev that may do only this, made through the operator's socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(terapi.data / "terapi.sock"))
        body = json.dumps({"display_name": "narrow", "scopes": scopes})
        connection.sendall(
            f"POST /admin/api-keys?environment=dev HTTP/1.1\r\nHost: terapi\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    start, end = answer.index('"secret":"') + len('"secret":"'), answer.index('"', answer.index('"secret":"') + 10)
    return answer[start:end]


def test_bad_deployments_change_nothing(terapi, connected, author):
    author.deploy()
    before = connected.ok("GET", "/scripts/config")
    good = {"provider_config_key": "desk", "kind": "sync", "name": "good", "code": plain_sync("Good")}

    for scripts, status, text in [
        ([{**good, "code": "while (true) {}"}], 400, "computed for more than"),
        ([{**good, "code": "module.exports = {"}], 400, "desk/syncs/good.js:1:"),
        ([{**good, "code": "require('fs')"}], 400, "does not exist here"),
        ([{**good, "name": "../../etc/passwd"}], 400, "invalid_body"),
        ([good, good], 400, "is there twice"),
        ([good, {**good, "name": "bad", "code": "throw new Error('no')"}], 400, "desk/syncs/bad.js:1:"),
        ("scripts", 400, "invalid_body"),
    ]:
        answer = connected.call("POST", "/sync/deploy", json={"scripts": scripts, "prune": True})
        assert answer.status_code == status, answer.text
        assert text in answer.text, answer.text
    late = connected.call("POST", "/sync/deploy", json={"scripts": [good], "expected_version": 7})
    assert late.status_code == 409

    assert connected.ok("GET", "/scripts/config") == before
    # The control: the same without a mistake is taken.
    taken = connected.ok("POST", "/sync/deploy", json={"scripts": [good], "expected_version": 1})
    assert taken["version"] == 2 and [s["name"] for s in taken["added"]] == ["good"]


def plain_sync(model):
    return (
        "const { createSync } = require('terapi');\n"
        f"module.exports = createSync({{ frequency: 'every hour', models: ['{model}'], exec: async (terapi) => {{\n"
        "    const { data } = await terapi.get({ endpoint: '/plan' });\n"
        f"    await terapi.batchSave([{{ id: '1', ...data }}], '{model}');\n"
        "} });\n"
    )


def test_one_function_is_tried_deployed_and_removed(terapi, connected):
    source = """
        import { createSync } from 'nango';
        interface Plan { id: string; plan: string }
        export default createSync({
            frequency: 'every hour', models: { Plan: {} as any },
            exec: async (nango) => {
                const { data } = await nango.get({ endpoint: '/plan' });
                const plan: Plan = { id: '1', plan: data.plan };
                await nango.batchSave([plan], 'Plan');
                await nango.saveCheckpoint({ done: true });
            },
        });
        """
    compiled = connected.ok("POST", "/functions/compile", json={"code": source})
    assert compiled["bundle_size_bytes"] == len(compiled["bundled_js"].encode())
    assert "interface" not in compiled["bundled_js"]
    wrong = connected.call("POST", "/functions/compile", json={"code": "const x = ;"})
    assert wrong.status_code == 400 and "Unexpected" in wrong.text

    function = {"integration_id": "desk", "type": "sync", "code": source}
    job = connected.ok("POST", "/functions/dryruns", json={**function, "connection_id": "alice"})
    done = ended(connected, "dryruns", job)
    assert done["status"] == "success", done
    assert done["result"]["saved"] == {"Plan": [{"id": "1", "plan": "team"}]}
    assert done["result"]["checkpoint"] == {"done": True}
    assert [r["status"] for r in done["result"]["requests"]] == [200]
    assert connected.records("desk", "alice", "Plan") == []
    assert connected.ok("GET", "/scripts/config")[0]["syncs"] == []

    failing = {**function, "code": source.replace("await nango.batchSave", "throw new Error('no'); nango.batchSave")}
    done = ended(connected, "dryruns", connected.ok(
        "POST", "/functions/dryruns", json={**failing, "connection_id": "alice"}))
    assert done["status"] == "failed" and "dryrun.ts:" in done["error"]["message"], done

    job = connected.ok("POST", "/functions/deployments", json={**function, "name": "plan"})
    assert ended(connected, "deployments", job)["result"] == {"version": 1}
    eventually(lambda: connected.records("desk", "alice", "Plan"), what="the run of the new sync")
    (listed,) = connected.ok("GET", "/integrations/desk/functions")["data"]
    assert listed["source"] == "standalone" and listed["name"] == "plan"
    assert "batchSave" in connected.ok("GET", "/integrations/desk/functions/plan/code")["code"]

    connected.ok("DELETE", "/integrations/desk/functions/plan")
    assert connected.ok("GET", "/integrations/desk/functions")["data"] == []
    assert connected.records("desk", "alice", "Plan") == []


def ended(api, kind, job):
    assert job["status"] == "waiting"

    def look():
        found = api.ok("GET", f"/functions/{kind}/{job['id']}")
        return found if found["status"] in ("success", "failed") else None

    return eventually(look, what=f"the end of {job['id']}")
