"""Provider files: checked, taken over, reloaded while the server runs, and read in large numbers."""

import json
import os
import pathlib
import re
import subprocess

import pytest
import requests

import definitions
import provider_files
from server import BINARY, Terapi, eventually

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/providers.md"


def run(*arguments, folder=None, environment=None):
    return subprocess.run(
        [BINARY, "providers", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, cwd=folder, env={**os.environ, **(environment or {})},
    )


def check(path):
    done = run("check", path, "--json")
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def field(tmp_path):
    file = tmp_path / "field.yaml"
    file.write_text(provider_files.many())
    return file


def test_reads_981_providers_and_names_every_key_that_has_no_effect(field):
    status, report = check(field)

    assert status == 0
    assert report["providers"] == 981
    assert report["errors"] == []
    for warning in report["warnings"]:
        assert warning["file"] == str(field) and warning["line"] > 0
    messages = " ".join(warning["message"] for warning in report["warnings"])
    for key in ("webhook_routing_script", "post_connection_script", "credentials_verification_script"):
        assert f'"{key}"' in messages
    assert "filled in only" not in messages


def test_an_alias_that_switches_a_handler_off_is_no_reason_for_a_warning(field):
    lines = field.read_text().splitlines()
    _, report = check(field)

    warned = [lines[warning["line"] - 1] for warning in report["warnings"]]
    assert any("WebhookRouting" in line for line in warned)
    assert not any("''" in line for line in warned)


HEAD = "display_name: Acme\ncategories: [crm]\ndocs: https://acme.example\n"


@pytest.mark.parametrize("text, line, expected", [
    (HEAD + "auth_mode: NONE\nauthorisation_url: x\n", 5, 'Did you mean "authorization_url"?'),
    ("acme:\n  auth_mode: NONE\n  display_name: A\n  categories: []\n  docs: x\n  proxi: {}\n", 6, 'Unknown key "proxi"'),
    ("a: {alias: b}\nb: {alias: c}\nc: {alias: a}\n", 1, "leads back to itself: a → b → c → a"),
    ("a:\n  alias: nothing\n", 2, "names no provider"),
    (HEAD + "auth_mode: NONE\nproxy:\n  base_url: https://${connectionConfg.host}\n", 6, 'named "${connectionConfg.host}"'),
    (HEAD + "auth_mode: NONE\nproxy:\n  headers:\n    x: ${sha1(${apiKey})}\n", 7, "no function sha1()"),
    (HEAD + "auth_mode: NONE\nproxy:\n  headers:\n    x: ${apiKey\n", 7, "never closed"),
    ("a:\n  display_name: A\n  categories: []\n  docs: x\n  auth_mode: OAUTH2\n", 1, '"authorization_url" is missing'),
    (HEAD + "auth_mode: [\n", 5, "not YAML"),
])
def test_a_mistake_is_named_with_file_and_line(tmp_path, text, line, expected):
    file = tmp_path / "acme.yaml"
    file.write_text(text)

    status, report = check(file)

    assert status == 1
    found = [(error["file"], error["line"]) for error in report["errors"] if expected in error["message"]]
    assert found == [(str(file), line)], report["errors"]
    told = run("check", file)
    assert told.returncode == 1
    assert f"error: {file}:{line}:" in told.stdout


def test_a_value_that_may_come_from_elsewhere_is_a_warning(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(HEAD + "auth_mode: NONE\nproxy:\n  base_url: https://${connectionConfig.host}\n")

    status, report = check(file)

    assert status == 0
    assert [(w["line"], "no \"host\"" in w["message"]) for w in report["warnings"]] == [(6, True)]


def test_a_server_with_a_mistake_in_its_files_does_not_start(tmp_path):
    (tmp_path / "acme.yaml").write_text(HEAD + "auth_mode: NON\n")

    done = subprocess.run(
        [BINARY, "serve", "--data", tmp_path / "data", "--port", "0", "--providers", tmp_path],
        capture_output=True, text=True, timeout=60,
    )

    assert done.returncode == 1
    assert f"{tmp_path}/acme.yaml:4:12" in done.stderr


def test_a_changed_file_is_in_use_without_a_restart(tmp_path):
    folder = tmp_path / "providers"
    definitions.basic_provider(folder, "desk", "https://desk.example")
    with Terapi(tmp_path / "terapi", providers=folder) as terapi:
        api = terapi.api()

        def base_url(name="desk"):
            answer = api.ok("GET", f"/providers/{name}")
            return answer["data"]["proxy"]["base_url"]

        assert base_url() == "https://desk.example"
        definitions.basic_provider(folder, "desk", "https://other.example")
        eventually(lambda: base_url() == "https://other.example", what="the changed file")

        # A mistake changes nothing, and says where it is.
        (folder / "desk.yaml").write_text("display_name: [\n")
        eventually(lambda: "desk.yaml:2" in terapi.log.read_text(), what="the mistake in the log")
        assert base_url() == "https://other.example"

        definitions.basic_provider(folder, "desk", "https://third.example")
        definitions.basic_provider(folder, "extra", "https://extra.example")
        eventually(lambda: base_url() == "https://third.example", what="the corrected file")
        assert base_url("extra") == "https://extra.example"

        (folder / "extra.yaml").unlink()
        eventually(
            lambda: requests.get(
                f"{terapi.base}/providers/extra", headers={"Authorization": f"Bearer {terapi.key()}"}, timeout=10
            ).status_code == 404,
            what="the end of the removed file",
        )


def test_import_hands_a_file_of_another_platform_to_a_running_server(tmp_path, field):
    folder = tmp_path / "providers"
    folder.mkdir()
    with Terapi(tmp_path / "terapi", providers=folder) as terapi:
        done = run("import", field, environment={"TERAPI_PROVIDERS": str(folder)})

        assert done.returncode == 0, done.stderr
        assert "981 providers are in" in done.stdout
        api = terapi.api()
        count = len(api.ok("GET", "/providers")["data"])

        eventually(lambda: len(api.ok("GET", "/providers")["data"]) >= 981, what="the imported providers")
        assert len(api.ok("GET", "/providers")["data"]) >= count
        alias = api.ok("GET", "/providers/alias-1")["data"]
        assert alias["display_name"] == "Alias 1"
        assert alias["token_url"] == api.ok("GET", "/providers/provider-7")["data"]["token_url"]

        again = run("import", field, "--to", folder)
        assert again.returncode == 1 and "--replace" in again.stderr
        assert run("import", field, "--to", folder, "--replace").returncode == 0


def test_import_takes_single_providers_with_what_their_alias_brings(tmp_path, field):
    folder = tmp_path / "providers"

    done = run("import", field, "--to", folder, "--only", "alias-1, provider-3")

    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in folder.iterdir()) == ["alias-1.yaml", "provider-3.yaml"]
    assert check(folder)[1]["providers"] == 2
    assert "alias:" not in (folder / "alias-1.yaml").read_text()
    unknown = run("import", field, "--to", folder, "--only", "nothing")
    assert unknown.returncode == 1 and '"nothing"' in unknown.stderr


def test_nothing_is_imported_from_a_file_with_a_mistake(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("a:\n  alias: b\n")

    done = run("import", file, "--to", tmp_path / "providers")

    assert done.returncode == 1
    assert "names no provider" in done.stdout
    assert not (tmp_path / "providers").exists()


def test_the_example_of_the_document_is_in_order(tmp_path):
    text = DOCUMENT.read_text()
    examples = re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in examples] == ["acme.yaml", "many.yaml"]

    for name, example in examples:
        (tmp_path / name).write_text(example)
    status, report = check(tmp_path)

    assert status == 0 and report["errors"] == []
    assert report["providers"] == 3
    with Terapi(tmp_path / "terapi") as terapi:
        environment = {"TERAPI_HOST": terapi.base, "TERAPI_API_KEY": terapi.key()}
        commands = re.findall(r"^terapi (providers .*?)(?: +#.*)?$", text, re.MULTILINE)
        assert {command.split()[1] for command in commands} == {"check", "import", "list", "show"}
        for command in commands:
            done = run(*command.split()[1:], folder=tmp_path, environment=environment)
            assert done.returncode == 0, command + done.stdout + done.stderr


def test_the_catalogue_shows_everything_and_can_be_searched(tmp_path):
    with Terapi(tmp_path / "terapi") as terapi:
        api = terapi.api()
        everything = api.ok("GET", "/providers")["data"]

        assert len(everything) >= 60
        for provider in everything:
            assert {"name", "display_name", "auth_mode", "categories", "docs"} <= provider.keys()
        zendesk = api.ok("GET", "/providers/zendesk")["data"]
        assert zendesk["logo"]["letters"] == "Ze"
        assert zendesk["connection_config"]["subdomain"]["description"]
        assert zendesk["proxy"]["verification"]["endpoints"] == ["/api/v2/users/me.json"]
        assert "scopes" in zendesk["unverified"]
        names = {provider["name"] for provider in api.ok("GET", "/providers?search=zendesk")["data"]}
        assert names == {"zendesk"}
        health = {provider["name"] for provider in api.ok("GET", "/providers?search=health")["data"]}
        assert {"oura", "whoop", "withings", "google-health"} <= health
