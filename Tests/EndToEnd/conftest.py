import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "Counterparts"))

import definitions
from counterparts import Counterpart
from server import BINARY, Program, Terapi, free_port
from sink import WebhookSink


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: `make test` builds it first", returncode=2)


@pytest.fixture
def sink(tmp_path):
    sink = WebhookSink(tmp_path / "webhooks.jsonl")
    yield sink
    sink.close()


class Sandbox:
    """`terapi sandbox` and the way to move it."""

    def __init__(self, folder, tickets=1000, token_lifetime=60):
        import requests

        self.session = requests.Session()
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        arguments = ["sandbox", "--port", self.port, "--tickets", tickets, "--token-lifetime", token_lifetime]
        self.program = Program(arguments, pathlib.Path(folder) / "sandbox.log")
        self.program.wait_for(self.base + "/sandbox/stats")

    def post(self, path, **body):
        response = self.session.post(self.base + "/sandbox/" + path, json=body, timeout=30)
        assert response.ok, response.text
        return response.json()

    def delete(self, path):
        assert self.session.delete(self.base + "/sandbox/" + path, timeout=30).ok

    def change(self, **counts):
        return self.post("change", **counts)

    def misbehave(self, kind, **options):
        self.post("faults", kind=kind, **options)

    def stats(self):
        return self.session.get(self.base + "/sandbox/stats", timeout=30).json()

    credentials = {"type": "OAUTH2", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}


@pytest.fixture
def sandbox(tmp_path, request):
    """1,000 tickets, or what `@pytest.mark.sandbox(tickets=…, token_lifetime=…)` says."""
    marker = request.node.get_closest_marker("sandbox")
    sandbox = Sandbox(tmp_path, **(marker.kwargs if marker else {}))
    yield sandbox
    sandbox.program.stop()


@pytest.fixture
def definitions_folder(tmp_path):
    folder = tmp_path / "definitions"
    (folder / "providers").mkdir(parents=True)
    (folder / "integrations").mkdir()
    return folder


@pytest.fixture
def terapi_on_sandbox(tmp_path, sandbox, definitions_folder):
    """A server that knows the sandbox as integration `sandbox`, with the sync `tickets`. Not started yet."""
    definitions.sandbox_provider(definitions_folder / "providers", sandbox.base)
    definitions.sandbox_sync(definitions_folder / "integrations")
    terapi = Terapi(
        tmp_path / "terapi",
        integrations=definitions_folder / "integrations",
        providers=definitions_folder / "providers",
    )
    yield terapi
    if terapi.program and terapi.program.process.poll() is None:
        terapi.stop()


@pytest.fixture
def oauth_dot(tmp_path):
    """Starts django-oauth-toolkit; call it with the environment of Tests/Counterparts/oauth_dot.py."""
    yield from _starter("oauth_dot.py", tmp_path)


@pytest.fixture
def kinto(tmp_path):
    """Starts Kinto; call it with the environment of Tests/Counterparts/kinto_api.py."""
    yield from _starter("kinto_api.py", tmp_path)


@pytest.fixture
def localstripe(tmp_path):
    """Starts localstripe; call it with the environment of Tests/Counterparts/localstripe_api.py."""
    yield from _starter("localstripe_api.py", tmp_path)


def _starter(script, folder):
    started = []

    def start(port=None, **environment):
        counterpart = Counterpart(script, port or free_port(), folder / "services", **environment)
        started.append(counterpart)
        return counterpart.facts

    yield start
    for counterpart in started:
        counterpart.stop()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            # Debian's own browser where there is one, or else the one that Playwright brought.
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            # Chromium refuses its sandbox to root, and containers have no other user.
            args=["--no-sandbox"],
        )
        yield browser
        browser.close()
