"""What ships: templates that are switched on, records in the standard models, copies, and health as FHIR. The commands are
those of docs/templates.md and docs/models.md."""

import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse

import pytest
from fhir.resources.R4B.bundle import Bundle

import definitions
from person import wait_for_runs
from server import BINARY, Terapi, eventually

ROOT = pathlib.Path(__file__).parents[2]
FILES = ROOT / "Sources/TerapiTemplates/Files"


def example(provider, name):
    return json.loads((FILES / f"{provider}.tests.{name}.test.json").read_text())


class Recorded:
    """Answers as the examples of templates say, each time the next one of its path."""

    def __init__(self, *tests):
        self.answers = [exchange for test in tests for exchange in test["exchanges"]]
        self.sent = []
        recorded = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                path = urllib.parse.urlsplit(self.path).path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                recorded.sent.append((self.command, path, body))
                found = recorded.next(self.command, path)
                text = json.dumps(found["body"] if found else {"message": "Not Found"}).encode()
                self.send_response(found["status"] if found else 404)
                for name, value in (found or {}).get("headers", {}).items():
                    self.send_header(name, value.replace("https://api.github.com", recorded.base))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, method, path):
        place = lambda one: (one["request"]["method"], one["request"]["path"])
        found = [one for one in self.answers if place(one) == (method, path)]
        if not found:
            return None
        if len(found) > 1:
            self.answers.remove(found[0])
        return found[0]["response"]


EXAMPLES = {
    "github": ["issues"],
    "zendesk": ["ticket", "create-ticket"],
    "withings": ["body", "sleep", "daily"],
}


@pytest.fixture
def world(tmp_path, definitions_folder):
    """A server with a connection of `alice` to three providers of which something ships, each played by its examples."""
    providers = {}
    for provider, names in EXAMPLES.items():
        providers[provider] = Recorded(*[example(provider, name) for name in names])
        definitions.basic_provider(definitions_folder / "providers", provider, providers[provider].base)
    with Terapi(tmp_path / "terapi", providers=definitions_folder / "providers") as terapi:
        api = terapi.api()
        for provider in EXAMPLES:
            api.create_integration(provider, provider)
            api.import_connection(
                provider, {"type": "BASIC", "username": "a", "password": "b"}, connection_id="alice",
                metadata={"owner": "acme", "repo": "shop"},
            )
        yield terapi, api, providers
    for recorded in providers.values():
        recorded.server.shutdown()


def shell(command, folder, terapi):
    """As a person types it who has `terapi` in the path."""
    place = folder / "bin"
    if not place.exists():
        place.mkdir()
        (place / "terapi").symlink_to(BINARY)
    environment = {
        **os.environ, "PATH": f"{place}:{os.environ['PATH']}", "TERAPI_HOST": terapi.base, "TERAPI_API_KEY": terapi.key(),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    result = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def commands(document):
    """Every command of a document, in its order."""
    text = (ROOT / "docs" / document).read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip()]


def functions(api, integration):
    return {one["name"]: one for one in api.ok("GET", f"/integrations/{integration}/functions?limit=100")["data"]}


def test_every_command_of_the_document_on_templates_works(world, tmp_path):
    terapi, api, _ = world
    folder = tmp_path / "project"
    folder.mkdir()
    said = {}
    for command in commands("templates.md"):
        said[command.split("#")[0].strip()] = shell(command, folder, terapi)
        if "enable github" in command:
            assert functions(api, "github")["issues"]["enabled"] is True
        if "disable github" in command:
            assert functions(api, "github")["issues"]["enabled"] is False

    assert "sync  github/issues" in said["terapi templates"] and "action  zendesk/create-ticket" in said["terapi templates"]
    assert "zendesk" not in said["terapi templates github"]
    assert said["terapi templates enable github issues"] == "github/syncs/issues is on.\n"
    assert "2 in order." in said["terapi test"]
    assert (folder / "integrations/helpdesk/actions/open.js").exists()
    names = [one["name"] for one in json.loads(said[next(one for one in said if "/templates -H" in one)])["data"]]
    assert names == ["comments", "issues", "create-comment", "create-issue"]


def test_a_template_that_is_switched_on_reads_into_the_standard_model(world, tmp_path):
    terapi, api, providers = world
    before = functions(api, "github")
    assert before["issues"]["enabled"] is False and before["issues"]["source"] == "catalog"
    assert api.records("github", "alice", "ticket") == []
    assert providers["github"].sent == []

    api.ok("PATCH", "/integrations/github/functions/issues", json={"enabled": True})
    api.ok("PATCH", "/integrations/zendesk/functions/ticket", json={"enabled": True})

    wait_for_runs(api, "github", "alice", "issues")
    wait_for_runs(api, "zendesk", "alice", "ticket")
    expected = {record["id"]: record for record in example("github", "issues")["result"]["saved"]["ticket"]}
    found = {record["id"]: record for record in api.records("github", "alice", "ticket")}
    for record in found.values():
        record.pop("_terapi_metadata")
    assert found == expected
    assert set(found) == {"1007", "1009"}
    (ticket, *_) = api.records("zendesk", "alice", "ticket")
    assert ticket["status"] == "open" and ticket["title"] == "Ticket 1"

    operations = api.ok("GET", "/logs/operations", params={"limit": 100})
    assert "is not what" not in json.dumps(operations)


def test_an_action_that_ships_is_called_as_the_oldest_documents_say(world):
    terapi, api, providers = world
    call = {
        "headers": {"Provider-Config-Key": "zendesk", "Connection-Id": "alice"},
        "json": {"action_name": "create-ticket", "input": {"title": "...", "content": "..."}},
    }
    assert api.call("POST", "/action/trigger", **call).status_code == 404, "it is off"

    api.ok("PATCH", "/integrations/zendesk/functions/create-ticket", json={"enabled": True})

    assert api.ok("POST", "/action/trigger", **call) == {"id": "9", "status": "new"}
    (sent,) = [json.loads(body) for method, path, body in providers["zendesk"].sent if method == "POST"]
    assert sent == {"ticket": {"subject": "...", "comment": {"body": "..."}}}
    wrong = api.call("POST", "/action/trigger", **{**call, "json": {"action_name": "create-ticket", "input": {"content": 1}}})
    assert wrong.status_code == 400 and wrong.json()["error"]["code"] == "invalid_action_input"


def test_what_was_switched_on_survives_a_restart_and_a_deployment(world, tmp_path):
    terapi, api, _ = world
    api.ok("PATCH", "/integrations/github/functions/issues", json={"enabled": True})
    terapi.kill()
    terapi.start()

    listed = functions(api, "github")["issues"]
    assert listed["enabled"] is True and listed["last_deployed"]
    api.ok("POST", "/sync/deploy", json={"scripts": [], "prune": True})
    assert functions(api, "github")["issues"]["enabled"] is True
    (prod,) = [terapi.api("prod")]
    prod.create_integration("github", "github")
    assert functions(prod, "github")["issues"]["enabled"] is False


def test_every_template_can_be_copied_and_its_test_passes(tmp_path):
    def run(*arguments):
        result = subprocess.run(
            [BINARY, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=240,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TERAPI_ESBUILD": "/nonexistent"},
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    names = [line.split()[1] for line in run("templates").splitlines()]
    assert len(names) >= 40
    for name in names:
        run("new", "--from", name)

    assert f"{len(names)} in order." in run("test")
    assert "in order" in run("compile")


def test_every_command_of_the_document_on_models_works_and_health_becomes_fhir(world, tmp_path):
    terapi, api, _ = world
    for name in EXAMPLES["withings"]:
        api.ok("PATCH", f"/integrations/withings/functions/{name}", json={"enabled": True})
        wait_for_runs(api, "withings", "alice", name)
    folder = tmp_path / "project"
    folder.mkdir()
    said = {command: shell(command, folder, terapi) for command in commands("models.md")}

    assert said["terapi models"].count("\n") == 10
    schema = json.loads(said["terapi models ticket"])
    assert json.loads((folder / "integrations/models/ticket.json").read_text()) == schema
    answer = json.loads(next(text for command, text in said.items() if command.startswith("curl")))
    assert answer["data"]["json_schema"] == schema

    # Read by a library that none of us wrote.
    text = (folder / "health.json").read_text()
    bundle = Bundle.model_validate_json(text)
    found = {}
    for entry in bundle.entry:
        observation = entry.resource
        found.setdefault(observation.code.coding[0].code, []).append(observation)
    assert {"29463-7", "41982-0", "85354-9", "93832-4", "41950-7", "body.bone_mass_kg"} <= set(found)
    (weight,) = found["29463-7"]
    assert float(weight.valueQuantity.value) == 61.5 and weight.valueQuantity.code == "kg"
    (pressure,) = found["85354-9"]
    assert [float(part.valueQuantity.value) for part in pressure.component] == [121, 79]
    (sleep,) = found["93832-4"]
    assert sleep.status == "preliminary" and sleep.effectivePeriod.start < sleep.effectivePeriod.end
    again = shell("terapi export --fhir --integration withings --connection-id alice", folder, terapi)
    assert again == text, "the same records give the same bundle"
    lines = shell("terapi export --model body --integration withings --connection-id alice", folder, terapi).splitlines()
    assert {json.loads(line)["id"] for line in lines} == {"301", "303"}


def test_a_record_that_is_not_what_its_model_says_is_told_or_refused(world, tmp_path):
    terapi, api, providers = world
    providers["github"].answers.append({
        "request": {"method": "GET", "path": "/issues"},
        "response": {"status": 200, "body": [{"id": 1, "name": "A", "state": "odd"}]},
    })
    file = """
        model: ticket
        frequency: every hour
        request: {{ endpoint: /issues }}
        map: {{ id: String(item.id), title: item.name, status: item.state }}
        strict: {strict}
        """.replace("\n        ", "\n")
    for name, strict in (("lenient", "false"), ("careful", "true")):
        scripts = [{"provider_config_key": "github", "kind": "sync", "name": name, "language": "yaml",
                    "code": file.format(strict=strict)}]
        api.ok("POST", "/sync/deploy", json={"scripts": scripts})

    def ended(name):
        status = api.sync_status("github", "alice", name)["latestExecutionStatus"]
        return status if status in ("SUCCESS", "ERROR") else None

    found = {name: eventually(lambda: ended(name), what=f"the sync {name}") for name in ("lenient", "careful")}

    def texts():
        lines = []
        for operation in api.ok("GET", "/logs/operations", params={"limit": 100})["data"]:
            messages = api.ok("GET", f"/logs/operations/{operation['id']}/messages")["data"]
            lines += [f"{message['level']} {message['message']}" for message in messages]
        return lines if any("The record 1 is not" in line for line in lines) else None

    lines = eventually(texts, what="the logs")
    assert found == {"lenient": "SUCCESS", "careful": "ERROR"}, lines
    assert any(line.startswith("warn ticket 1: status: Expected one of") for line in lines), lines
    assert any("The record 1 is not what the model ticket says" in line for line in lines), lines
