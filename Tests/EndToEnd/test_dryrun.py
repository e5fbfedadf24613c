"""`terapi dryrun` and `terapi compile` as a person calls them, against recorded answers of a provider."""

import collections
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest
from dryrun_scripts import CASES, Case, Turns, action, call
from server import BINARY, Terapi, eventually

PACKAGES = pathlib.Path(__file__).parents[1] / "Fixtures/packages"
SUFFIXES = {"sync": "syncs", "action": "actions", "on-event": "on-events"}


class Provider:
    """Answers from a table and remembers what it was asked."""

    def __init__(self):
        self.answers = {}
        self.seen = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                target = f"{self.command} {self.path}"
                provider.seen.append((target, {name.lower(): value for name, value in self.headers.items()}, body))
                status, headers, content = provider.answer(target)
                self.send_response(status)
                for name, value in {"content-length": len(content), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}/recorded"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, target):
        target = target.replace(" /recorded", " ", 1)
        name = next((name for name in (target, target.split("?")[0]) if name in self.answers), None)
        if name is None:
            return 418, {}, f"nothing was recorded for {target}".encode()
        found = self.answers[name]
        if isinstance(found, Turns):
            found = found.pop(0)
        status, headers, body = found if isinstance(found, tuple) else (200, {}, found)
        return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider():
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


class Workplace:
    """A folder of integrations and the command line over it."""

    def __init__(self, folder, cache):
        self.folder = folder
        self.integrations = folder / "integrations"
        self.integrations.mkdir()
        self.environment = {
            **os.environ, "NODE_PATH": str(PACKAGES), "XDG_CACHE_HOME": str(cache), "LC_ALL": "C.UTF-8",
        }

    def write(self, path, text):
        file = self.integrations / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def run(self, *arguments):
        return subprocess.run(
            [BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=self.environment
        )

    def dryrun(self, case, base, *more):
        suffix = "js" if case.source.startswith("module.exports") else "ts"
        self.write(f"demo/{SUFFIXES[case.kind]}/script.{suffix}", case.source)
        for path, text in case.beside.items():
            self.write(path, text)
        arguments = ["dryrun", "--integrations-dir", self.integrations, "--integration", "demo", "--kind", case.kind]
        arguments += ["--script", "script", "--base-url", base, *case.arguments, *more]
        for name, value in case.files.items():
            file = self.folder / f"{name}.json"
            file.write_text(json.dumps(value))
            arguments += ["--" + name.replace("_", "-"), file]
        return self.run(*arguments)


@pytest.fixture
def workplace(tmp_path, cache):
    return Workplace(tmp_path, cache)


def document(result):
    lines = result.stdout.splitlines()
    assert len(lines) == 1, result.stdout + result.stderr
    return json.loads(lines[0])


MEMBERS = ["output", "saved", "updated", "deleted", "tracked", "checkpoint", "metadata", "logs", "error"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_script_runs_as_it_is(case, provider, workplace):
    provider.answers = dict(case.answers)

    result = workplace.dryrun(case, provider.base, "--json")

    found = document(result)
    assert list(found) == MEMBERS
    for name, value in case.expect.items():
        if name == "error" and value is not None:
            assert {key: found["error"].get(key) for key in value} == value
        else:
            assert found[name] == value, found["error"]
    if "error" not in case.expect and case.expect.get("output", 1) is None:
        assert found["error"] is not None
    assert result.returncode == (0 if found["error"] is None else 1)
    if case.sent is not None:
        expected = [one if isinstance(one, tuple) else (one,) for one in case.sent]
        assert [target for target, _, _ in provider.seen] == [one[0].replace(" ", " /recorded", 1) for one in expected]
        for (_, headers, body), one in zip(provider.seen, expected):
            if len(one) > 1:
                assert {name: headers.get(name) for name in one[1]} == one[1]
            if len(one) > 2:
                assert (body if isinstance(one[2], bytes) else json.loads(body)) == one[2]


def test_there_are_enough_scripts():
    assert len(CASES) >= 60
    assert [name for name, count in collections.Counter(map(str, CASES)).items() if count > 1] == []


@pytest.mark.parametrize("cache_folder", [None, "/proc/nowhere"])
def test_an_error_has_its_place_in_typescript(cache_folder, provider, workplace):
    workplace.environment["XDG_CACHE_HOME"] = cache_folder or workplace.environment["XDG_CACHE_HOME"]
    case = action("fails", "const n: number = 1;\n        if (n) throw new TypeError('here');")
    line = case.source[: case.source.index("throw new")].count("\n") + 1

    found = document(workplace.dryrun(case, provider.base, "--json"))

    assert found["error"]["type"] == "TypeError"
    assert re.fullmatch(rf"script\.ts:{line}:\d+", found["error"]["location"])


def test_a_failed_request_is_named_in_the_report(provider, workplace):
    provider.answers = {"GET /gone": (404, {}, {"a": 1})}

    result = workplace.dryrun(action("gone", call("get({ endpoint: '/gone' })")), provider.base)

    assert result.returncode == 1
    assert re.search(r"404  \d+ ms  GET /gone", result.stdout)
    assert re.search(r"failed: demo/script failed: GET /gone: Request failed with status code 404", result.stdout)


def test_the_report_shows_what_would_be_saved(provider, workplace):
    case = next(case for case in CASES if case.name == "update and delete")

    result = workplace.dryrun(case, provider.base)

    assert result.returncode == 0
    assert "Item: 1 updated" in result.stdout and "Item: 1 deleted" in result.stdout
    assert "nothing was written" in result.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import soap from 'soap';\nexport default soap;", r"script\.ts:1:18: the module \"soap\" is not installed"),
        ("const x = ;", r"script\.ts:1:11: Unexpected"),
        ("import fs from 'fs';\nexport default fs;", r"script\.ts:1:16: the module \"fs\" belongs to Node"),
        ("export default 1;", "exports nothing to run"),
        ("import { createSync } from 'nango';\nexport default createSync({ exec: async () => {} });", "declared as sync"),
    ],
)
def test_a_script_that_cannot_be_read_fails_with_its_reason(source, message, provider, workplace):
    result = workplace.dryrun(Case("broken", "action", source), provider.base, "--json")

    assert result.returncode == 1
    assert re.search(message, document(result)["error"]["message"])


def test_a_missing_script_and_a_missing_esbuild_are_said_in_the_document(provider, workplace):
    arguments = ["--integrations-dir", workplace.integrations, "--integration", "demo", "--base-url", provider.base]
    missing = workplace.run("dryrun", *arguments, "--kind", "sync", "--script", "none", "--json")
    assert missing.returncode == 1
    assert 'no sync "none"' in document(missing)["error"]["message"]

    workplace.environment["TERAPI_ESBUILD"] = "/nowhere"
    bare = workplace.dryrun(action("never bundled", "return 'never bundled';"), provider.base, "--json")
    assert bare.returncode == 1
    assert "apt-get install esbuild" in document(bare)["error"]["message"]


def test_packages_come_from_node_modules_too(provider, workplace):
    shutil.copytree(PACKAGES, workplace.folder / "node_modules")
    del workplace.environment["NODE_PATH"]
    case = next(case for case in CASES if case.name == "a package in CommonJS")

    assert document(workplace.dryrun(case, provider.base, "--json"))["output"] == {"a": 2, "b": 1}


def test_an_unchanged_script_needs_no_bundling(provider, workplace):
    case = next(case for case in CASES if case.name == "get")
    provider.answers = dict(case.answers)
    first = document(workplace.dryrun(case, provider.base, "--json"))

    workplace.environment["TERAPI_ESBUILD"] = "/nowhere"
    assert document(workplace.dryrun(case, provider.base, "--json")) == first
    case = Case("changed", "action", case.source + "\n// changed\n")
    assert document(workplace.dryrun(case, provider.base, "--json"))["error"] is not None


def test_nothing_is_written_beside_the_scripts(provider, workplace):
    case = CASES[0]
    provider.answers = dict(case.answers)
    workplace.dryrun(case, provider.base, "--json")

    files = [str(path.relative_to(workplace.integrations)) for path in workplace.integrations.rglob("*") if path.is_file()]
    assert files == ["demo/syncs/script.ts"]


def test_compile_prepares_a_folder_for_a_server_without_esbuild(workplace, tmp_path):
    script = """import {{ createSync }} from 'nango';
import {{ Item }} from '../models.js';
export default createSync({{ description: '', version: '1.0.0', frequency: '{frequency}', models: {{ Item }}, exec: async () => {{}} }});
"""
    workplace.write("demo/models.ts", "import { z } from 'zod';\nexport const Item = z.object({ id: z.string() });\n")
    file = workplace.write("demo/syncs/items.ts", script.format(frequency="often"))

    wrong = workplace.run("compile", "--integrations", workplace.integrations)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith(f'{file}:3:64: "often" is not a frequency.')

    file.write_text(script.format(frequency="every hour"))
    right = workplace.run("compile", "--integrations", workplace.integrations)
    assert (right.returncode, right.stdout) == (0, "1 sync, 0 actions, 0 on-events: in order.\n")

    environment = {"TERAPI_ESBUILD": "/nowhere", "NODE_PATH": ""}
    with Terapi(tmp_path / "terapi", integrations=workplace.integrations, environment=environment) as terapi:
        # A mistake is told, and what was there before stays.
        file.write_text(script.format(frequency="every day"))
        eventually(lambda: "those of before stay" in terapi.log.read_text(), what="the mistake")


def test_a_server_takes_a_changed_script(workplace, tmp_path):
    source = "module.exports = require('nango').createSync({ frequency: 'every hour', models: { Item: null }, exec: async () => {} });"
    file = workplace.write("demo/syncs/items.js", source)
    with Terapi(tmp_path / "terapi", integrations=workplace.integrations) as terapi:
        file.write_text(source.replace("Item", "Thing"))
        eventually(lambda: "loaded again" in terapi.log.read_text(), what="the change")
