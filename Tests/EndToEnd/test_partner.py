"""A partner's platform by `terapi partner init`: from a few answers to records, history and pushed events."""

import datetime
import json
import os
import pathlib
import pty
import re
import subprocess
import textwrap
import time

import pytest
import requests

import documents
from partner_platform import DAY, Ring, night
from person import connect_address, connect_session, connections_of, wait_for_runs
from server import BINARY, Terapi, eventually
from test_author import Project

SLEEP = "integrations/ring/syncs/sleep.yaml"
WRITTEN = {
    "providers/ring.yaml", SLEEP, "integrations/ring/syncs/daily.yaml", "integrations/ring/on-events/user-id.js",
    "integrations/ring/tests/sleep.test.json", "integrations/ring/tests/daily.test.json",
    "integrations/ring/tests/user-id.test.json",
}
EXAMPLE = night(datetime.datetime(2026, 1, 10, 23))


@pytest.fixture
def ring():
    ring = Ring()
    yield ring
    ring.close()


@pytest.fixture
def project(tmp_path):
    """An empty folder with the partner's examples."""
    project = Project(tmp_path / "hub", tmp_path / "cache")
    project.folder.mkdir()
    examples = {
        "sleep": {"next": "more", "nights": [EXAMPLE]},
        "daily": {"days": [{"date": "2026-01-10", "steps": 9321, "distance_km": 6.5, "target_calories": 2500}]},
        "event": {"kind": "sleep.updated", "event_id": "e-1", "user": {"id": 1}, "data": EXAMPLE},
    }
    for name, example in examples.items():
        project.write(f"examples/{name}.json", json.dumps(example))
    return project


def flags(base):
    return [
        "partner", "init", "--name", "ring", "--base-url", base, "--authorization-url", base + "/oauth/authorize",
        "--token-url", base + "/oauth/token", "--scope", "sleep", "--scope", "daily", "--user-id-endpoint", "/v1/me",
        "--user-id-path", "data.id", "--backfill-days", 90, "--window-days", 30,
        "--type", "sleep=/v1/sleep", "--example", "sleep=examples/sleep.json",
        "--type", "daily=/v1/users/{user}/days", "--example", "daily=examples/daily.json",
        "--event-example", "sleep=examples/event.json", "--event-name", "daily=daily.updated", "--event-user", "user.id",
        "--event-type", "kind", "--event-id", "event_id", "--signature", "hmac-sha256:X-Ring-Signature",
        "--signature-prefix", "sha256=", "--answers", "more.yaml",
    ]


# What is said of one kind of data alone has no flags.
MORE = """
    data_types:
      sleep:
        user: query:user
        range: { start: query:from, end: query:to, format: date }
        paging: { type: cursor, cursor_path: next, cursor_name: cursor }
      daily:
        user: path
        range: { start: query:since, end: query:until, format: seconds }
"""


def init(project, base, *more, status=0):
    project.write("more.yaml", textwrap.dedent(MORE))
    return project.run(*flags(base), *more, status=status)


def test_from_answers_to_records_history_and_pushed_events(project, ring, sink, tmp_path):
    made = json.loads(init(project, ring.base, "--json"))

    assert set(made["files"]) == WRITTEN and all((project.folder / path).exists() for path in WRITTEN)
    guesses = {(guess["sync"], guess["field"]): guess for guess in made["guesses"]}
    bed = guesses["sleep", "in_bed_seconds"]
    assert bed["from"] == "dur" and bed["because"].startswith("seconds") and "# guess: from \"dur\" (example 28800), seconds" in project.read(SLEEP)
    # Twelve of what? Better nothing than something wrong.
    assert [left["field"] for left in made["left_out"]] == ["latency_seconds"] and made["missing"] == []
    assert {"sync": "daily", "from": "target_calories"} in made["unmapped"] and made["read_at_events"] == ["daily"]
    assert "1 providers, 0 errors, 0 warnings." in project.run("providers", "check", "providers")
    assert "2 syncs, 0 actions, 1 on-event: in order." in project.run("compile")
    assert "3 in order." in project.run("test")

    terapi = Terapi(tmp_path / "terapi", integrations=project.folder / "integrations", providers=project.folder / "providers")
    with terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.ok("PATCH", "/environment", json={"webhook": {"primary_url": sink.url}})
        api.create_integration(
            "ring", "ring", credentials={"type": "OAUTH2", "client_id": "client-1", "client_secret": "secret-1"},
            integration_config={"webhook_secret": ring.secret},
        )
        session = connect_session(api, "user123", allowed_integrations=["ring"])
        page = requests.get(connect_address(api, "ring", session["token"]), timeout=30)
        assert page.status_code == 200 and ring.refusals == [], (page.text[:500], ring.refusals)
        (connection,) = connections_of(api, "ring", "user123")
        id = connection["connection_id"]

        # The history comes in parts, the oldest first, each day once, and its end is told once for each sync.
        finished = sink.wait_for(2, type="backfill.finished")
        assert {event["syncName"] for event in finished} == {"sleep", "daily"}
        wait_for_runs(api, "ring", id, "sleep")
        wait_for_runs(api, "ring", id, "daily")
        assert ring.refusals == []
        assert api.connection(id, "ring")["metadata"]["user_id"] == "4711"
        for asked, begin, end in [(ring.asked["sleep"], "from", "to"), (ring.asked["daily"], "since", "until")]:
            parts = list(dict.fromkeys((query[begin], query[end]) for query in asked))
            assert len(parts) == 3 and parts == sorted(parts)
            assert [part[1] for part in parts[:-1]] == [part[0] for part in parts[1:]]
        assert any("cursor" in query for query in ring.asked["sleep"])
        nights = {record["id"]: record for record in api.records("ring", id, "sleep")}
        days = {record["local_date"]: record for record in api.records("ring", id, "daily")}
        assert set(nights) == {one["id"] for one in ring.nights} and set(days) == {one["date"] for one in ring.days}
        for one in ring.nights[:3]:
            record = {name: value for name, value in nights[one["id"]].items() if name != "_terapi_metadata"}
            assert record == {
                "id": one["id"], "start_at": one["start"], "end_at": one["end"], "in_bed_seconds": 28800,
                "deep_seconds": 5400, "avg_hr_bpm": 52,
            }
        first = ring.days[0]
        assert {name: value for name, value in days[first["date"]].items() if name != "_terapi_metadata"} == {
            "id": first["date"], "local_date": first["date"], "steps": first["steps"], "distance_meters": 6500,
        }

        # An event with the night in it is a record at once.
        url = api.ok("GET", "/integrations/ring?include=webhook")["data"]["webhook_url"]
        fresh = night(datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0), minutes_deep=77)
        assert ring.push(url, "e-0", secret="another", kind="sleep.updated", data=fresh).status_code == 401
        began = time.monotonic()
        assert ring.push(url, "e-1", kind="sleep.updated", data=fresh).status_code == 200
        (told,) = sink.wait_for(type="sync", syncType="WEBHOOK")
        assert time.monotonic() - began < 2 and told["syncName"] == "sleep"
        found = {record["id"]: record for record in api.records("ring", id, "sleep")}
        assert found[fresh["id"]]["deep_seconds"] == 77 * 60 and len(found) == len(nights) + (fresh["id"] not in nights)
        # Who pushes is not polled each hour.
        due = api.sync_status("ring", id, "sleep")["nextScheduledSyncAt"]
        assert due > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 5 * 3600)), due

        # An event without a record lets the sync read at once; a range has its end then too.
        asked = len(ring.asked["daily"])
        ring.days[0]["steps"] = 12345
        assert ring.push(url, "e-2", kind="daily.updated", day=first["date"]).status_code == 200
        eventually(lambda: any(record["steps"] == 12345 for record in api.records("ring", id, "daily")), 10, "the day")
        assert all({"since", "until"} <= set(query) for query in ring.asked["daily"][asked:])
        assert ring.refusals == []


def test_what_is_there_is_never_changed(project, ring):
    project.write(SLEEP, "mine")

    refused = init(project, ring.base, status=1)

    assert "Nothing was written" in refused and SLEEP in refused and "exists already" in refused
    assert project.read(SLEEP) == "mine" and not (project.folder / "providers").exists()
    (project.folder / SLEEP).unlink()
    assert "Made in ." in init(project, ring.base)
    again = json.loads(init(project, ring.base, "--json", status=1))
    assert "exists already" in again["error"]["message"]


def test_answers_that_cannot_be_are_named_with_what_to_do(project, ring):
    def issues(*more):
        return {issue["at"]: issue["message"] for issue in json.loads(init(project, ring.base, "--json", *more, status=1))["error"]["issues"]}

    project.write("examples/broken.json", "{")
    assert "cannot be a name" in issues("--name", "Ring!")["name"]
    assert "is not JSON" in issues("--example", "sleep=examples/broken.json")["data_types.sleep.example"]
    assert "cannot be read" in issues("--example", "sleep=nowhere.json")["data_types.sleep.example"]
    assert "no address" in issues("--base-url", "ring")["base_url"]
    assert "nothing at \"account\"" in issues("--event-user", "account")["push.user"]
    assert "Name the standard model" in issues("--type", "mood=/v1/mood", "--example", "mood=examples/daily.json")["data_types.mood.model"]
    assert "no member of this name" in issues("--map", "sleep.depth=item.deep")["data_types.sleep.map.depth"]
    wrong = init(project, ring.base, "--map", "sleep.latency_seconds=item.latency +", status=1)
    assert "map.latency_seconds" in wrong
    assert "--type is written as" in init(project, ring.base, "--type", "sleep", status=1)
    assert not (project.folder / "providers").exists() and not (project.folder / "integrations").exists()


def test_a_guess_that_the_model_would_not_take_is_not_made(project, ring):
    nights = [EXAMPLE, {**EXAMPLE, "id": "n-2", "heart": {"rate_avg": "high"}}]
    project.write("examples/sleep.json", json.dumps({"next": None, "nights": nights}))

    made = json.loads(init(project, ring.base, "--json"))

    fields = {guess["field"] for guess in made["guesses"] if guess["sync"] == "sleep"}
    assert "avg_hr_bpm" not in fields and "deep_seconds" in fields
    assert {"sync": "sleep", "from": "heart.rate_avg"} in made["unmapped"]
    assert "3 in order." in project.run("test")


TEMPLATES = pathlib.Path(__file__).parents[2] / "Sources/TerapiTemplates/Files"


def moment(record):
    time = record.get("start_at") or record.get("measured_at")
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) if time else record.get("local_date")


def test_no_number_differs_from_what_mappings_written_by_hand_make_of_real_answers(project):
    """The templates that ship were written from the vendors' documents, with their units."""
    compared = 0
    for path in sorted(TEMPLATES.glob("*.test.json")):
        test = json.loads(path.read_text())
        provider, _, name = path.name.split(".")[:3]
        (model, expected), = test["result"].get("saved", {}).items() or [(None, [])]
        if model not in ("activity", "body", "daily", "sleep"):
            continue
        answers = [one["response"]["body"] for one in test["exchanges"] if "body" in one["response"]]
        for place, answer in enumerate(answers):
            key = f"{provider}-{name}-{place}"
            project.write("answer.json", json.dumps(answer))
            done = subprocess.run(
                [BINARY, "partner", "init", "--name", key, "--base-url", "https://a.example", "--api-key", "bearer", "--json",
                 "--type", "x=/x", "--model", f"x={model}", "--example", "x=answer.json"],
                cwd=project.folder, capture_output=True, text=True, timeout=60,
            )
            if done.returncode != 0:
                # Nothing to tell records apart, or no list: it says so instead of guessing.
                assert json.loads(done.stdout)["error"]["issues"], done.stdout + done.stderr
                continue
            saved = json.loads(project.read(f"integrations/{key}/tests/x.test.json"))["result"]["saved"][model]
            for record in saved:
                # What the template leaves out has none.
                twin = next((one for one in expected if moment(one) == moment(record)), {})
                numbers = {field: value for field, value in record.items() if isinstance(value, (int, float))}
                known = {field: twin[field] for field in numbers if field in twin}
                assert {field: numbers[field] for field in known} == pytest.approx(known), key
                compared += len(known)
    assert compared >= 38


def test_asks_at_a_terminal_for_what_is_missing(project):
    answers = [
        "ring", "y", "https://ring.example/authorize", "https://ring.example/token", "", "https://api.ring.example", "user.id", "",
        "query:from", "query:to", "iso", "sleep", "/v1/sleep", "examples/sleep.json", "", "y", "user.id", "kind", "token",
        "X-Ring-Token", "examples/event.json",
    ]
    person, terminal = pty.openpty()
    os.write(person, ("\n".join(answers) + "\n").encode())

    said = project.run("partner", "init", stdin=terminal)

    os.close(person)
    os.close(terminal)
    assert "Name of the integration" in said and "REQUIRED" not in said
    assert 'verify: { token: "header:x-ring-token" }' in project.read("providers/ring.yaml")
    assert 'token_response_metadata: ["user.id"]' in project.read("providers/ring.yaml")
    assert "1 providers, 0 errors, 0 warnings." in project.run("providers", "check", "providers/ring.yaml")
    assert "2 in order." in project.run("test")


def test_the_example_of_the_document(tmp_path):
    for language, mark in [("yaml", "#"), ("json", "//")]:
        for block in documents.blocks("partners.md", language):
            first, _, rest = block.partition("\n")
            if found := re.fullmatch(rf"{mark} (\S+)", first):
                (tmp_path / found.group(1)).write_text(rest if language == "json" else block)
    project = Project(tmp_path, tmp_path / "cache")
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "terapi").symlink_to(BINARY)
    environment = {**project.environment, "PATH": f"{commands}:{os.environ['PATH']}"}
    (script,) = documents.blocks("partners.md", "bash")

    done = subprocess.run(["bash", "-ec", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 providers, 0 errors, 0 warnings." in done.stdout and "3 in order." in done.stdout
    mapping = next(block for block in documents.blocks("partners.md", "yaml") if block.startswith("map:"))
    written = pathlib.Path(tmp_path / "shop" / SLEEP).read_text()
    assert mapping in written, written
