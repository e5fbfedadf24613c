"""Starts the program under test as a person would, and speaks its HTTP contract."""

import atexit
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import requests

BINARY = os.environ.get("TERAPI_BINARY") or str(pathlib.Path(__file__).parents[2] / ".build/debug/terapi")

# Long forms (make test-full) are the same tests with larger numbers.
IS_FULL = os.environ.get("TERAPI_TEST_FULL") == "1"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(check, seconds=30, what="the condition"):
    """Asks again and again until the answer is true, and returns it. For what happens in another process only."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Program:
    """A process of ours with its output in a file."""

    def __init__(self, arguments, log, environment=None, folder=None):
        self.log = pathlib.Path(log)
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [BINARY, *map(str, arguments)],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                cwd=folder,
            )

    def wait_for(self, url, seconds=30):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.tail()}")
            with contextlib.suppress(requests.RequestException):
                return requests.get(url, timeout=5).status_code < 500

        eventually(answers, seconds, url)

    def kill(self):
        """As if the machine lost its power: no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        """Asks it to stop and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {seconds} s: {self.tail()}")

    def tail(self, size=4000):
        return self.log.read_text(errors="replace")[-size:]


class Terapi:
    """`terapi serve` on a folder of its own; may be killed and started again on the same folder."""

    def __init__(self, folder, integrations=None, providers=None, environment=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Not below the folder of the test: the path of a socket in it must stay short.
        place = tempfile.mkdtemp(prefix="terapi-", dir="/tmp")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        self.data = pathlib.Path(place) / "data"
        self.log = self.folder / "serve.log"
        self.port = free_port()
        self.base = f"http://localhost:{self.port}"
        self.integrations = integrations
        self.providers = providers
        self.environment = {
            "TERAPI_OUTBOUND_ALLOW": "127.0.0.0/8,::1/128",
            **(environment or {}),
        }
        self.program = None

    def arguments(self):
        arguments = ["serve", "--data", self.data, "--port", self.port]
        if self.integrations:
            arguments += ["--integrations", self.integrations]
        if self.providers:
            arguments += ["--providers", self.providers]
        return arguments

    def start(self):
        self.program = Program(self.arguments(), self.log, self.environment, folder=self.folder)
        self.program.wait_for(self.base + "/ready")
        return self

    def key(self, environment="dev"):
        text = (self.data / "api-keys.txt").read_text()
        match = re.search(rf"^{environment} (\S+)$", text, re.MULTILINE)
        assert match, "api-keys.txt names no key for " + environment
        return match.group(1)

    def api(self, environment="dev"):
        return API(self.base, self.key(environment))

    def kill(self):
        self.program.kill()

    def stop(self):
        return self.program.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        if self.program and self.program.process.poll() is None:
            self.stop()
        if error[0]:
            print(f"--- {self.log}\n{self.program.tail() if self.program else ''}")


class API:
    """The HTTP contract with one key. Methods fail unless the answer is a success."""

    def __init__(self, base, key):
        self.base = base
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer " + key

    def call(self, method, path, **options):
        return self.session.request(method, self.base + path, timeout=60, **options)

    def ok(self, method, path, **options):
        response = self.call(method, path, **options)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:2000]}"
        return response.json() if response.content else None

    def create_integration(self, key, provider, credentials=None, **more):
        body = {"unique_key": key, "provider": provider, **more}
        if credentials:
            body["credentials"] = credentials
        return self.ok("POST", "/integrations", json=body)["data"]

    def import_connection(self, integration, credentials, connection_id=None, **more):
        body = {"provider_config_key": integration, "credentials": credentials, **more}
        if connection_id:
            body["connection_id"] = connection_id
        return self.ok("POST", "/connections", json=body)

    def connection(self, connection_id, integration, **query):
        return self.ok("GET", f"/connections/{connection_id}", params={"provider_config_key": integration, **query})

    def trigger(self, integration, connection_id, syncs, **options):
        body = {"provider_config_key": integration, "connection_id": connection_id, "syncs": syncs}
        if options:
            body["opts"] = options
        return self.ok("POST", "/sync/trigger", json=body)

    def sync_status(self, integration, connection_id, sync):
        query = {"provider_config_key": integration, "connection_id": connection_id, "syncs": sync}
        return self.ok("GET", "/sync/status", params=query)["syncs"][0]

    def records_page(self, integration, connection_id, model, **query):
        headers = {"Provider-Config-Key": integration, "Connection-Id": connection_id}
        return self.ok("GET", "/records", params={"model": model, **query}, headers=headers)

    def records(self, integration, connection_id, model, cursor=None, limit=1000, **query):
        """Every record behind the cursor, page after page, as the documents say: the last record's cursor goes on."""
        found = []
        while True:
            place = {"cursor": cursor} if cursor else {}
            page = self.records_page(integration, connection_id, model, limit=limit, **place, **query)
            found += page["records"]
            if page["next_cursor"] is None:
                return found
            cursor = page["next_cursor"]
            assert page["records"] == [] or cursor == page["records"][-1]["_terapi_metadata"]["cursor"]

    def webhook_events(self, limit=1000):
        return self.ok("GET", "/webhook-events", params={"limit": limit})["data"]

    def signing_key(self):
        return self.ok("GET", "/environment/webhook-signing-key")["data"]["webhook_signing_key"]


def cursor_of(records):
    return records[-1]["_terapi_metadata"]["cursor"]
