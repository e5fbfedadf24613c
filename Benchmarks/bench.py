"""Measures Terapi beside its peers and prints ratios from one run.

usage: bench.py sync [--rounds 3] | read [--records 1000000] | scripts | providers | proxy | hooks | idle | all
(make bench ARGS=…)

S is the scratch folder (default: terapi-bench in the temporary folder); TERAPI_BINARY the program to measure.
Peers and limit run in turn with ours, the order turned round each time; the table shows medians.
"""

import argparse
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import psutil
import requests

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
S = pathlib.Path(os.environ.get("S", pathlib.Path(tempfile.gettempdir()) / "terapi-bench"))
BINARY = os.environ.get("TERAPI_BINARY", str(ROOT / ".build/release/terapi"))
SOURCE = "http://127.0.0.1:8480"
COUNT = 100_000

PROVIDER = f"""
display_name: Bench
categories: [other]
docs: {SOURCE}
auth_mode: NONE
proxy:
  base_url: {SOURCE}
"""

SYNC = """
description: Issues of the source.
model: Issue
frequency: every day
{start}
track_deletes: true
request:
  endpoint: {endpoint}
  params: {{ page: 1, per_page: 100 }}
  paginate: {{ type: link, rel: next }}
{map}
"""


# The source again and again, each time with other ids.
READ_SYNC = """
'use strict';
const { createSync } = require('terapi');
module.exports = createSync({
    description: 'Issues, many times.', frequency: 'every day', models: { Issue: {} },
    exec: async (terapi) => {
        for (const part of %s) {
            const pages = terapi.paginate({
                endpoint: '/cur/list', params: { page: 1, per_page: 100 },
                paginate: { type: 'link', link_rel_in_response_header: 'next' },
            });
            for await (const page of pages) {
                await terapi.batchSave(page.map((item) => ({ ...item, id: `${part}-${item.id}` })), 'Issue');
            }
        }
    },
});
"""

FEW_PAGES = """
'use strict';
const { createSync } = require('terapi');
module.exports = createSync({
    description: 'The first issues.', frequency: 'every day', models: { Issue: {} },
    exec: async (terapi) => {
        for (let page = 1; page <= %d; page++) {
            const { data } = await terapi.get({ endpoint: '/v1/list', params: { page } });
            await terapi.batchSave(data, 'Issue');
        }
    },
});
"""


ACTION = """
'use strict';
const { createAction } = require('terapi');
module.exports = createAction({
    description: 'Adds up.',
    exec: async (terapi, input) => ({ sum: input.numbers.reduce((left, right) => left + right, 0) }),
});
"""

SPIN = """
'use strict';
const { createAction } = require('terapi');
module.exports = createAction({ description: 'Never ends.', exec: async () => { for (;;) {} } });
"""

WAITING = """
'use strict';
const { createSync } = require('terapi');
module.exports = createSync({
    description: 'Waits.', frequency: 'every day', autoStart: false, models: { Issue: {} },
    exec: async (terapi) => {
        const { data } = await terapi.get({ endpoint: '/wait' });
        await terapi.batchSave(data, 'Issue');
    },
});
"""

# What a person writes for the work that the YAML sync does; TypeScript comes to the host as such a text.
WRITTEN = """
'use strict';
const { createSync } = require('terapi');
module.exports = createSync({
    description: 'Issues of the source.', frequency: 'every day', models: { Issue: {} }, trackDeletes: true,
    exec: async (terapi) => {
        await terapi.trackDeletesStart('Issue');
        const pages = terapi.paginate({
            endpoint: '/cur/list', params: { page: 1, per_page: 100 },
            paginate: { type: 'link', link_rel_in_response_header: 'next' },
        });
        for await (const page of pages) await terapi.batchSave(page.map((item) => ({ ...item })), 'Issue');
        await terapi.trackDeletesEnd('Issue');
    },
});
"""


class Terapi:
    """A server of our own with a folder of its own."""

    def __init__(self, syncs={}, scripts={}, actions={}, source=SOURCE, settings=[]):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="terapi-bench-", dir=S))
        (self.folder / "providers").mkdir()
        (self.folder / "integrations/bench/syncs").mkdir(parents=True)
        (self.folder / "integrations/bench/actions").mkdir()
        (self.folder / "providers/bench.yaml").write_text(PROVIDER.replace(SOURCE, source))
        for name, text in syncs.items():
            (self.folder / f"integrations/bench/syncs/{name}.yaml").write_text(text)
        for name, text in scripts.items():
            (self.folder / f"integrations/bench/syncs/{name}.js").write_text(text)
        for name, text in actions.items():
            (self.folder / f"integrations/bench/actions/{name}.js").write_text(text)
        self.settings = settings
        self.data = self.folder / "data"
        self.start()
        keys = dict(line.split() for line in (self.data / "api-keys.txt").read_text().splitlines())
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {keys['dev']}"
        self.key = keys["dev"]

    def start(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--port", str(self.port),
             "--providers", self.folder / "providers", "--integrations", self.folder / "integrations",
             "--outbound-allow", "127.0.0.0/8", "--log-level", "warning", *self.settings],
            stdout=open(self.folder / "log", "ab"), stderr=subprocess.STDOUT)
        while True:
            try:
                if requests.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    break
            except requests.RequestException:
                pass
            if self.process.poll() is not None:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.002)
        self.start_seconds = time.perf_counter() - started

    def call(self, method, path, body=None, **headers):
        answer = self.http.request(method, self.url + path, json=body, headers=headers)
        if answer.status_code >= 300:
            sys.exit(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def wait_for_webhooks(self):
        """Until all that providers have sent is worked on."""
        while self.call("GET", "/provider-webhooks?state=received&limit=1")["data"]:
            time.sleep(0.5)

    def status(self, connection):
        query = f"/sync/status?provider_config_key=bench&syncs=*&connection_id={connection}"
        return self.call("GET", query)["syncs"]

    def wait(self, connection, since):
        """Until every sync of the connection has ended a run that began after `since`; the last status."""
        while True:
            syncs = self.status(connection)
            if all(s["status"] != "RUNNING" and (s.get("finishedAt") or "") > since for s in syncs):
                for sync in syncs:
                    if sync["latestExecutionStatus"] != "SUCCESS":
                        sys.exit(f"run failed: {sync}")
                return syncs
            # Asking costs time of the same two cores; the run's end is taken from the answer and not from now.
            time.sleep(0.25)

    def connect(self, connection, **fields):
        body = {"provider_config_key": "bench", "connection_id": connection, "credentials": {"type": "NONE"}, **fields}
        return self.call("POST", "/connections", body)

    def create_integration(self):
        self.call("POST", "/integrations", {"unique_key": "bench", "provider": "bench"})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder)

    def cpu(self):
        total = 0.0
        for process in self.tree():
            try:
                times = process.cpu_times()
                total += times.user + times.system
                if process.pid == self.process.pid:
                    total += times.children_user + times.children_system
            except psutil.Error:
                pass
        return total

    def tree(self):
        root = psutil.Process(self.process.pid)
        return [root] + root.children(recursive=True)

    def memory(self):
        """Resident MB of the server and its children; read from /proc, because it is asked for during the run."""
        total = 0
        for pid in [self.process.pid, *self.children()]:
            try:
                total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
            except OSError:
                pass
        return total / 1e6

    def children(self):
        found = []
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                found += (task / "children").read_text().split()
            except OSError:
                pass
        return found


class Peak:
    """The largest memory of the processes while it is open, and how much of it script hosts had."""

    def __init__(self, server, interval=0.2):
        self.server, self.mb, self.done, self.interval = server, 0, threading.Event(), interval
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(self.interval):
            self.mb = max(self.mb, self.server.memory())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def serve_variant(version):
    """Lets the source's `cur` be v1 or v2. nginx keeps files open, so it is told."""
    link = S / "src/cur"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    subprocess.run(["nginx", "-c", S / "run/nginx.conf", "-s", "reload"], check=True)
    expected = (S / f"src/{version}/list/1.json").read_bytes()
    while requests.get(f"{SOURCE}/cur/list?page=1", timeout=5).content != expected:
        time.sleep(0.05)
    time.sleep(0.3)


def measured_run(server, connection, begin):
    since = server.status(connection)[0].get("finishedAt") or "" if begin is trigger else ""
    cpu, started = server.cpu(), time.time()
    with Peak(server) as peak:
        begin(server, connection)
        syncs = server.wait(connection, since)
    wall = datetime.datetime.fromisoformat(syncs[0]["finishedAt"]).timestamp() - started
    return {"rec_s": COUNT / wall, "wall": wall, "cpu": server.cpu() - cpu, "mb": peak.mb,
            "result": syncs[0]["latestResult"]}


def connect(server, connection):
    server.connect(connection)


def trigger(server, connection, sync="issues"):
    server.call("POST", "/sync/trigger",
                {"provider_config_key": "bench", "connection_id": connection, "syncs": [sync]})


def ours():
    serve_variant("v1")
    server = Terapi({"issues": SYNC.format(endpoint="/cur/list", start="", map="")})
    try:
        server.create_integration()
        initial = measured_run(server, "one", connect)
        size = database_size(server)
        unchanged = measured_run(server, "one", trigger)
        growth = database_size(server) / size - 1
        serve_variant("v2")
        changed = measured_run(server, "one", trigger)
        truth = json.loads((S / "src/truth.json").read_text())
        wanted = {"added": truth["added"], "updated": truth["changed"], "deleted": truth["deleted"]}
        if changed["result"]["Issue"] != wanted:
            sys.exit(f"changes: {changed['result']} instead of {wanted}")
        serve_variant("v1")
        return {"initial": initial, "unchanged": unchanged, "changed": changed, "growth": growth}
    finally:
        server.remove()


def database_size(server):
    """The database file after a stop, which takes the write-ahead log over. The server is started again."""
    server.stop()
    size = (server.data / "terapi.db").stat().st_size
    server.start()
    return size


def peer(command, repeat=True):
    """Runs a peer on an empty folder, then once more with nothing changed."""
    state = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir=S))
    figures = {}
    try:
        for name in ["initial", "unchanged"]:
            started = time.perf_counter()
            subprocess.run([part.replace("STATE", str(state)) for part in command], check=True, capture_output=True)
            figures[name] = {"rec_s": COUNT / (time.perf_counter() - started)}
        return figures
    finally:
        shutil.rmtree(state)


def sync(rounds):
    limit = S / "limit_sync"
    if not limit.exists():
        subprocess.run(["c++", "-O3", "-march=native", HERE / "Peers/limit_sync.cpp", "-o", limit, "-lsimdjson",
                        "-lsqlite3"], check=True)
    contestants = {
        "terapi": ours,
        "dlt": lambda: peer([sys.executable, str(HERE / "Peers/peer_dlt.py"), "sqlite", "v1", "STATE/dlt", "0",
                             "delete-insert", "pk"]),
        "script": lambda: peer([sys.executable, str(HERE / "Peers/peer_naive.py"), "v1", "STATE/db"]),
        "limit": lambda: peer([str(limit), "v1", "STATE/db"]),
    }
    figures = {name: [] for name in contestants}
    for round_ in range(rounds):
        names = list(contestants)
        for name in names if round_ % 2 == 0 else reversed(names):
            figures[name].append(contestants[name]())
            print(f"round {round_ + 1} {name}: " + ", ".join(
                f"{kind} {f['rec_s']:,.0f}/s" for kind, f in figures[name][-1].items() if isinstance(f, dict)), flush=True)

    def median(name, kind, figure="rec_s"):
        return statistics.median(f[kind][figure] for f in figures[name])

    rows = []
    for kind, wanted in {"initial": {"dlt": 8, "script": 1.3, "limit": 0.40},
                         "unchanged": {"dlt": 10, "script": 1.0, "limit": 0.15}}.items():
        for name, least in wanted.items():
            rows.append((f"{kind}: terapi / {name}", median("terapi", kind) / median(name, kind), f">= {least}"))
        rows.append((f"{kind}: records/s", median("terapi", kind), ""))
    for kind in ["initial", "unchanged", "changed"]:
        rows.append((f"{kind}: CPU s of all processes", median("terapi", kind, "cpu"), "<= 5" if kind == "initial" else ""))
        rows.append((f"{kind}: resident MB of all", median("terapi", kind, "mb"), "<= 250" if kind == "initial" else ""))
    rows.append(("unchanged: growth of the file %", 100 * statistics.median(f["growth"] for f in figures["terapi"]), "< 1"))
    show(rows)


def read(records):
    """Reads pages of 100 of a million records that one connection has, then of a million that a thousand have."""
    rows = []
    one_connection(records, rows)
    many_connections(records, rows)
    show(rows)


def one_connection(records, rows):
    serve_variant("v1")
    server = Terapi(scripts={"issues": READ_SYNC % f"[...Array({records // COUNT}).keys()]"})
    try:
        started = time.perf_counter()
        server.create_integration()
        server.connect("one")
        server.wait("one", "")
        print(f"{records:,} records in one connection: {time.perf_counter() - started:.0f} s", flush=True)
        rate = measured_read(server, cursors(server, "one"), rows, "one connection")

        # One record in twenty changes, so that `filter=updated` has pages to give.
        serve_variant("v2")
        since = server.status("one")[0]["finishedAt"]
        server.call("POST", "/sync/trigger",
                    {"provider_config_key": "bench", "connection_id": "one", "syncs": ["issues"]})
        server.wait("one", since)
        paths = cursors(server, "one", "&filter=updated")
        filtered, _ = load(server.url, server.key, paths)
        rows.append(("filter=updated: pages/s, 32 connections", filtered, f">= {rate / 2:.0f}"))
        # From anywhere in the history, over all that is not wanted.
        paths = [(f"{path}&filter=updated", name) for path, name in cursors(server, "one")]
        filtered, _ = load(server.url, server.key, paths)
        rows.append(("filter=updated from any cursor: pages/s", filtered, f">= {rate / 2:.0f}"))
    finally:
        server.remove()


def many_connections(records, rows, connections=1_000):
    pages = records // connections // 100
    server = Terapi(scripts={"issues": FEW_PAGES % pages})
    try:
        started = time.perf_counter()
        server.create_integration()
        names = [f"connection-{number}" for number in range(connections)]
        for name in names:
            server.connect(name)
        for name in names:
            server.wait(name, "")
        print(f"{records:,} records in {connections:,} connections: {time.perf_counter() - started:.0f} s", flush=True)
        paths = [path for name in names for path in cursors(server, name)]
        # As many pages as of the one connection: the two differ in nothing but the connections.
        measured_read(server, random.Random(1).sample(paths, 1_000), rows, f"{connections:,} connections")
    finally:
        server.remove()


def measured_read(server, paths, rows, name):
    """The rate with 32 connections, beside nginx with the same bytes, and the 99th percentile at half of it."""
    rate, _ = load(server.url, server.key, paths)
    rows.append((f"{name}: pages/s, 32 connections", rate, ">= 3000"))
    path, connection = paths[0]
    (S / "src/page.json").write_bytes(server.http.get(
        server.url + path, headers={"Provider-Config-Key": "bench", "Connection-Id": connection}).content)
    files, _ = load(SOURCE, server.key, [("/files/page.json", connection)])
    rows.append((f"{name}: the same bytes as a file from nginx", files, ""))
    rows.append((f"{name}: ratio to nginx", rate / files, ">= 0.07"))
    paced, p99 = load(server.url, server.key, paths, rate=rate / 2)
    rows.append((f"{name}: p99 ms at {paced:,.0f} pages/s", p99, "<= 15"))
    return rate


def cursors(server, connection, more=""):
    """Paths of pages all over the connection's records, each with the connection."""
    headers = {"Provider-Config-Key": "bench", "Connection-Id": connection}
    paths, cursor = [f"/records?model=Issue&limit=100{more}"], None
    while True:
        path = f"/records?model=Issue&limit=10000{more}" + (f"&cursor={cursor}" if cursor else "")
        page = server.call("GET", path, **headers)
        found = [r["_terapi_metadata"]["cursor"] for r in page["records"]]
        # Nothing from the last hundred on: those pages are short.
        until = None if page["next_cursor"] else -100
        paths += [f"/records?model=Issue&limit=100{more}&cursor={c}" for c in found[:until:250]]
        cursor = page["next_cursor"]
        if not cursor:
            return [(path, connection) for path in random.Random(1).sample(paths, min(1000, len(paths)))]


def scripts():
    rows = []
    actions(rows)
    neighbours(rows)
    written(rows)
    waiting(rows)
    show(rows)


def actions(rows):
    """Calls of an action that makes no request."""
    server = Terapi(actions={"add": ACTION})
    try:
        server.create_integration()
        server.connect("one")
        body = json.dumps({"action_name": "add", "input": {"numbers": [1, 2, 3]}})
        found = server.call("POST", "/action/trigger", json.loads(body),
                            **{"Provider-Config-Key": "bench", "Connection-Id": "one"})
        if found != {"sum": 6}:
            sys.exit(f"action: {found}")
        paths = [("/action/trigger", "one")]
        with Peak(server) as peak:
            rate, _ = load(server.url, server.key, paths, body=body)
            paced, p99 = load(server.url, server.key, paths, rate=rate / 2, body=body)
        rows.append(("actions: calls/s, 32 connections", rate, ">= 2000"))
        rows.append((f"actions: p99 ms at {paced:,.0f} calls/s", p99, "< 20"))
        rows.append(("actions: resident MB of all", peak.mb, ""))
    finally:
        server.remove()


def neighbours(rows, rate=200):
    """Calls of one environment while a script of the other one computes without end, and before that."""
    server = Terapi(actions={"add": ACTION, "spin": SPIN})
    try:
        keys = dict(line.split() for line in (server.data / "api-keys.txt").read_text().splitlines())
        other = requests.Session()
        other.headers.update({"Authorization": f"Bearer {keys['prod']}", **BENCH_CONNECTION})
        for session in (server.http, other):
            for path, body in [("/integrations", {"unique_key": "bench", "provider": "bench"}), ("/connections", {
                "provider_config_key": "bench", "connection_id": "one", "credentials": {"type": "NONE"}})]:
                session.post(server.url + path, json=body).raise_for_status()
        body = json.dumps({"action_name": "add", "input": {"numbers": [1, 2, 3]}})
        is_over, limits = threading.Event(), []

        def spin():
            while not is_over.is_set():
                limits.append(other.post(f"{server.url}/action/trigger", json={"action_name": "spin"}).json())

        def p99():
            return load(server.url, server.key, [("/action/trigger", "one")], rate=rate, body=body, connections=8)[1]

        p99()
        calm = statistics.median(p99() for _ in range(3))
        spinning = threading.Thread(target=spin)
        spinning.start()
        busy = statistics.median(p99() for _ in range(3))
        is_over.set()
        spinning.join()
        if not limits or any("script_limit_exceeded" not in json.dumps(answer) for answer in limits):
            sys.exit(f"the script that never ends was not stopped: {limits}")
        rows.append((f"neighbours: p99 ms at {rate} calls/s", calm, ""))
        rows.append(("neighbours: the same while another host computes", busy, ""))
        rows.append(("neighbours: busy / calm", busy / calm, "<= 1.1"))
    finally:
        server.remove()


def written(rows):
    """A sync that a person wrote, beside the same in YAML."""
    serve_variant("v1")
    rates = {}
    for kind in ["yaml", "script", "script", "yaml"]:
        given = {"syncs": {"issues": SYNC.format(endpoint="/cur/list", start="", map="")}} if kind == "yaml" \
            else {"scripts": {"issues": WRITTEN}}
        server = Terapi(**given)
        try:
            server.create_integration()
            run = measured_run(server, "one", connect)
            rates.setdefault(kind, []).append(run["rec_s"])
            for host in server.tree()[1:]:
                rows.append((f"{kind}: MB of its host after the run", host.memory_info().rss / 1e6, "<= 60"))
        finally:
            server.remove()
    rows.append(("100,000 records: YAML / script", sum(rates["yaml"]) / sum(rates["script"]), "<= 1.3"))


def waiting(rows, syncs=1_000):
    """Syncs that all wait on their first request."""
    port = free_port()
    source = f"http://127.0.0.1:{port}"
    slow = subprocess.Popen([sys.executable, HERE / "Peers/slow.py", str(port)])
    server = Terapi(scripts={"wait": WAITING}, source=source, settings=["--max-sync-runs", "1000"])
    try:
        server.create_integration()
        for number in range(syncs):
            server.connect(f"connection-{number}")
        # All within the time that a request may wait.
        for number in range(syncs):
            trigger(server, f"connection-{number}", "wait")
        while int(requests.get(f"{source}/count", timeout=60).text) < syncs:
            time.sleep(0.2)
        time.sleep(3)
        # Pages of the library that several processes share count once.
        processes = [process.memory_full_info().pss / 1e6 for process in server.tree()]
        rows.append((f"{syncs:,} waiting syncs: resident MB of all", sum(processes), "<= 250"))
        rows.append(("of which the server", processes[0], ""))
        rows.append(("script hosts", len(processes) - 1, ""))
        requests.get(f"{source}/release", timeout=60)
        for number in range(syncs):
            server.wait(f"connection-{number}", "")
    finally:
        server.remove()
        slow.kill()


def wait_for_listener(port, seconds=10):
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                sys.exit(f"nothing listens on port {port}")
            time.sleep(0.01)


def proxy(rounds):
    """Small requests through nginx, bare Node and a connection, then a gigabyte in each direction."""
    source, nginx_port, node_port, sink = (free_port() for _ in range(4))
    (S / "big").mkdir(parents=True, exist_ok=True)
    (S / "run").mkdir(exist_ok=True)
    with open(S / "big/gigabyte", "wb") as file:
        file.truncate(1_000_000_000)
    text = (HERE / "Peers/proxy.conf").read_text()
    body = json.dumps({"id": 1, "title": "It is broken", "text": "x" * 150})
    for name, value in {"RUN": S / "run", "SOURCE": source, "PROXY": nginx_port, "BIG": S / "big", "BODY": body}.items():
        text = text.replace(f"@{name}@", str(value))
    (S / "run/proxy.conf").write_text(text)
    if os.getuid() == 0:
        shutil.chown(S / "run", "www-data")
    subprocess.run(["nginx", "-c", S / "run/proxy.conf"], check=True)
    node = subprocess.Popen(["node", HERE / "Peers/proxy.js", str(node_port), str(source)])
    swallow = subprocess.Popen([sys.executable, HERE / "Peers/swallow.py", str(sink)])
    server = Terapi(source=f"http://127.0.0.1:{source}")
    try:
        for port in (node_port, sink):
            wait_for_listener(port)
        server.create_integration()
        server.connect("one")
        places = {
            "nginx": (f"http://127.0.0.1:{nginx_port}", "/small"), "node": (f"http://127.0.0.1:{node_port}", "/small"),
            "terapi": (server.url, "/proxy/small"),
        }
        answers = {name: server.http.get(url + path, headers=BENCH_CONNECTION).json() for name, (url, path) in places.items()}
        if any(answer != json.loads(body) for answer in answers.values()):
            sys.exit(f"proxies disagree: {answers}")
        figures = {name: {"rate": [], "p50": []} for name in places}
        for round_ in range(rounds):
            for name in list(places) if round_ % 2 == 0 else reversed(places):
                url, path = places[name]
                figures[name]["rate"].append(load(url, server.key, [(path, "one")], seconds=5)[0])
                figures[name]["p50"].append(load(url, server.key, [(path, "one")], seconds=3, connections=1, part=50)[1])
        median = {name: {kind: statistics.median(values) for kind, values in f.items()} for name, f in figures.items()}
        rows = [(f"{name}: requests/s, 32 connections", f["rate"], "") for name, f in median.items()]
        rows += [(f"{name}: p50 ms, 1 connection", f["p50"], "") for name, f in median.items()]
        rows += [
            ("terapi / nginx at 32 connections", median["terapi"]["rate"] / median["nginx"]["rate"], ">= 0.25"),
            ("terapi / node at 32 connections", median["terapi"]["rate"] / median["node"]["rate"], ">= 0.60"),
            ("p50: terapi / nginx", median["terapi"]["p50"] / median["nginx"]["p50"], "<= 3"),
        ]
        rows += gigabyte(server, sink)
        show(rows)
    finally:
        server.remove()
        node.kill()
        swallow.kill()
        subprocess.run(["nginx", "-c", S / "run/proxy.conf", "-s", "stop"], check=True)
        (S / "big/gigabyte").unlink()


BENCH_CONNECTION = {"Provider-Config-Key": "bench", "Connection-Id": "one"}


def gigabyte(server, sink):
    """Seconds and further memory for a gigabyte down and a gigabyte up."""
    common = ["curl", "-fsS", "-o", "/dev/null", "-H", f"Authorization: Bearer {server.key}"]
    for name, value in BENCH_CONNECTION.items():
        common += ["-H", f"{name}: {value}"]
    rows = []
    for name, arguments in {
        "down": [f"{server.url}/proxy/big/gigabyte"],
        "up": ["-T", S / "big/gigabyte", "-H", "Expect:", "-H", f"Base-Url-Override: http://127.0.0.1:{sink}",
               f"{server.url}/proxy/sink"],
    }.items():
        before, started = server.memory(), time.perf_counter()
        with Peak(server, interval=0.02) as peak:
            subprocess.run([*common, *arguments], check=True)
        rows.append((f"1 GB {name}: MB/s", 1000 / (time.perf_counter() - started), ""))
        rows.append((f"1 GB {name}: MB resident more", peak.mb - before, "<= 64"))
    return rows


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def load(url, key, paths, seconds=8, connections=32, rate=None, body=None, part=99):
    """Pages per second and a percentile, the 99th, in milliseconds: as fast as possible, or at about a given rate."""
    script = S / "load.lua"
    script.write_text(
        "local places = {" + ",".join(f"{{{json.dumps(path)}, {json.dumps(name)}}}" for path, name in paths) + "}\n"
        "local i = 0\n"
        "request = function()\n"
        "  i = i % #places + 1\n"
        f'  return wrk.format({json.dumps("POST") if body else "nil"}, places[i][1], '
        f'{{["Authorization"] = "Bearer {key}", ["Content-Type"] = "application/json", '
        f'["Provider-Config-Key"] = "bench", ["Connection-Id"] = places[i][2]}}, {json.dumps(body) if body else "nil"})\n'
        "end\n"
        # Each connection waits before its next request, between nothing and twice the mean, as independent callers do.
        + (f"delay = function() return math.random() * 2 * {connections / rate * 1000} end\n" if rate else "")
        + "done = function(s, l, r) io.write(string.format('RESULT {\"rate\": %f, \"p99\": %f, \"errors\": %d}\\n', "
        f"s.requests / s.duration * 1e6, l:percentile({part}) / 1000, s.errors.status + s.errors.read + s.errors.timeout)) end\n")
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url], check=True,
                            capture_output=True, text=True).stdout
    result = json.loads(next(line for line in output.splitlines() if line.startswith("RESULT "))[7:])
    if result["errors"]:
        sys.exit(f"errors under load: {output}")
    return result["rate"], result["p99"]


HOOK = """
webhook:
  key: user_defined
  verify: { hmac: sha256, msg: [body], sig: { in: header, name: x-signature, prefix: "sha256=", enc: hex } }
  event: body:type
  id: body:id
  route: { value: body:account, match: account }
"""


def hooks():
    """Signed events into a server that keeps them before it answers, beside one commit for each."""
    secret, rows = "the-secret", []
    server = Terapi()
    try:
        (server.folder / "providers/bench.yaml").write_text(PROVIDER + HOOK)
        server.stop()
        server.start()
        server.call("POST", "/integrations", {
            "unique_key": "bench", "provider": "bench", "integration_config": {"webhook_secret": secret}})
        server.connect("one", metadata={"account": "a-1"})
        address = server.call("GET", "/integrations/bench?include=webhook")["data"]["webhook_url"]
        path = address[address.index("/webhook/"):]
        rounds = iter(range(100))
        rate = statistics.median(
            hook_load(server.url, path, secret, next(rounds))[0] for _ in range(3))
        # Both are alone with the machine: what the server took on is worked off before the other one begins.
        server.wait_for_webhooks()
        size = stored_size(server.data / "terapi.db")
        single = statistics.median(single_commits(server.data, size) for _ in range(3))
        p99 = statistics.median(
            hook_load(server.url, path, secret, next(rounds), rate=rate / 2)[1] for _ in range(3))
        rows += [("stored before the answer, 64 connections /s", rate, ">= 4,000"),
                 ("one commit each /s (bare SQLite)", single, ""),
                 ("group commit / one commit each", rate / single, ">= 3"),
                 ("p99 ms at half that rate", p99, "<= 50")]
        server.wait_for_webhooks()
        lost = server.call("GET", "/provider-webhooks?state=unmatched&limit=1")["data"]
        rows.append(("events that were not handed on", len(lost), "0"))
    finally:
        server.remove()
    show(rows)


def hook_load(url, path, secret, round, seconds=8, connections=64, rate=None, count=80_000):
    """Accepted events per second and the 99th percentile in milliseconds. No event comes twice within a round."""
    signed = []
    for number in range(count):
        body = json.dumps({"type": "ticket.changed", "id": f"{round}-{number}", "account": "a-1",
                           "ticket": {"id": number, "title": "x" * 200}})
        signed.append((body, "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()))
    data = S / "hooks.txt"
    data.write_text("".join(f"{body}\n{signature}\n" for body, signature in signed))
    script = S / "hooks.lua"
    script.write_text(
        f"local bodies, signatures = {{}}, {{}}\nlocal file = io.open({json.dumps(str(data))})\n"
        "while true do local b = file:read() if not b then break end bodies[#bodies + 1] = b "
        "signatures[#signatures + 1] = file:read() end\n"
        "local i = 0\n"
        "request = function()\n"
        "  i = i % #bodies + 1\n"
        f'  return wrk.format("POST", {json.dumps(path)}, {{["Content-Type"] = "application/json", '
        '["X-Signature"] = signatures[i]}, bodies[i])\nend\n'
        + (f"delay = function() return math.random() * 2 * {connections / rate * 1000} end\n" if rate else "")
        + "done = function(s, l, r) io.write(string.format('RESULT {\"rate\": %f, \"p99\": %f, \"errors\": %d}\\n', "
        "s.requests / s.duration * 1e6, l:percentile(99) / 1000, s.errors.status + s.errors.read + s.errors.timeout)) end\n")
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url], check=True,
                            capture_output=True, text=True).stdout
    result = json.loads(next(line for line in output.splitlines() if line.startswith("RESULT "))[7:])
    if result["errors"]:
        sys.exit(f"errors under load: {output}")
    return result["rate"], result["p99"]


def stored_size(path):
    """Bytes of what the server keeps of an event, on average; fails when its file is not one as the other side's."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    pragmas = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_size")}
    if pragmas != {"journal_mode": "wal", "page_size": 8192}:
        sys.exit(f"the server's file is another one than single_commits makes: {pragmas}")
    size = database.execute("SELECT avg(length(request)) FROM provider_webhook").fetchone()[0]
    database.close()
    return round(size)


def single_commits(folder, size, seconds=3):
    """Rows of the same size per second into a file beside the server's, each with a commit and a flush of its own."""
    path = folder / "single.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    # As the server's writer, which leaves it to others to fold the log back.
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, document BLOB) WITHOUT ROWID")
    count, end, began = 0, time.perf_counter() + seconds, time.time_ns()
    while time.perf_counter() < end:
        count += 1
        database.execute("INSERT INTO event VALUES (?, ?)", (f"{began}-{count:09}", os.urandom(size)))
    database.close()
    path.unlink()
    return count / seconds


def idle():
    server = Terapi({"issues": SYNC.format(endpoint="/v1/list", start="", map="")})
    try:
        starts = []
        for _ in range(5):
            server.stop()
            server.start()
            starts.append(server.start_seconds)
        time.sleep(2)
        show([("start to ready s", statistics.median(starts), "<= 0.2"),
              ("serve idle, resident MB", server.memory(), "<= 60")])
    finally:
        server.remove()


def providers():
    """What reading 981 providers adds to reading one, the start of the program taken off."""
    sys.path.append(str(ROOT / "Tests/EndToEnd"))
    import provider_files

    S.mkdir(parents=True, exist_ok=True)
    times = {}
    for _ in range(9):
        for count in (10, 981):
            file = S / f"providers-{count}.yaml"
            file.write_text(provider_files.many(count))
            begin = time.monotonic()
            done = subprocess.run([BINARY, "providers", "check", file, "--json"], capture_output=True, check=True)
            times.setdefault(count, []).append(time.monotonic() - begin)
            assert json.loads(done.stdout)["providers"] == count
    few, many = (1000 * statistics.median(times[count]) for count in (10, 981))
    show([("providers check, 10 providers: ms", few, ""), ("providers check, 981 providers: ms", many, ""),
          ("reading 981 providers: ms", many - few, "<= 200")])


def show(rows):
    print()
    for name, value, wanted in rows:
        print(f"  {name:<42} {value:>12,.3f}  {wanted}")
    print(flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sync", "read", "scripts", "providers", "proxy", "hooks", "idle", "all"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.what in ("idle", "all"):
        idle()
    if options.what in ("providers", "all"):
        providers()
    if options.what in ("sync", "all"):
        sync(options.rounds)
    if options.what in ("scripts", "all"):
        scripts()
    if options.what in ("proxy", "all"):
        proxy(options.rounds)
    if options.what in ("hooks", "all"):
        hooks()
    if options.what in ("read", "all"):
        read(options.records)
