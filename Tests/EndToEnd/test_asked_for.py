"""The examples of the documents that Terapi was asked for by, run as they stand with their values filled in."""

import json
import pathlib
import subprocess

import pytest

import conftest
from person import connect_sandbox, wait_for_runs

SEEDS = pathlib.Path(__file__).parents[1] / "Fixtures/Seeds"


@pytest.fixture
def synced(terapi_on_sandbox, sandbox, sink):
    with terapi_on_sandbox as terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
        connection_id = connect_sandbox(api, "sandbox", webhook_url_override=sink.url)
        sink.wait_for(type="sync", success=True)
        wait_for_runs(api, "sandbox", connection_id, "tickets")
        yield terapi, api, connection_id


def run_as_written(name, terapi, **values):
    """Fills values into the gaps of the example and runs it with bash; the host is the one thing that is replaced."""
    text = (SEEDS / name).read_text().replace("https://api.terapi.dev", terapi.base)
    for gap, value in values.items():
        assert text.count(gap_text := GAPS[gap]) == 1, f"{name} has no gap for {gap}"
        text = text.replace(gap_text, gap_text[:-1] + value + "'")
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


GAPS = {
    "key": "Bearer '",
    "integration": "Provider-Config-Key: '",
    "connection": "Connection-Id: '",
    "model": "model='",
    "modified_after": "modified_after='",
    "cursor": "cursor='",
}


def test_fetch_the_latest_data_after_a_webhook(synced, sink):
    terapi, _, connection_id = synced
    (webhook,) = sink.events(type="sync")

    answer = run_as_written(
        "records-modified-after.sh",
        terapi,
        key=terapi.key(),
        integration=webhook["providerConfigKey"],
        connection=webhook["connectionId"],
        model=webhook["model"],
        modified_after=webhook["modifiedAfter"],
    )

    assert len(answer["records"]) == 100
    assert answer["next_cursor"]
    metadata = answer["records"][0]["_terapi_metadata"]
    assert {"first_seen_at", "last_modified_at", "last_action", "deleted_at", "cursor"} <= set(metadata)


def test_synchronize_by_cursor(synced, sink, sandbox):
    """The five steps of "the overall logic for cursor-based synchronization"."""
    terapi, api, connection_id = synced
    stored, cursor = {}, None
    values = dict(key=terapi.key(), integration="sandbox", connection=connection_id, model="ticket")

    def collect():
        nonlocal cursor
        while True:
            answer = run_as_written("records-cursor.sh", terapi, cursor=cursor, **values)
            for record in answer["records"]:
                stored[record["id"]] = record
                cursor = record["_terapi_metadata"]["cursor"]
            if answer["next_cursor"] is None:
                return

    first = run_as_written(
        "records-modified-after.sh", terapi, modified_after="2020-01-01T00:00:00Z", **values
    )["records"]
    stored.update({record["id"]: record for record in first})
    cursor = first[-1]["_terapi_metadata"]["cursor"]
    collect()
    assert len(stored) == 1000

    changes = sandbox.change(create=3, update=4, delete=2)
    api.trigger("sandbox", connection_id, ["tickets"])
    sink.wait_for(2, type="sync", success=True)
    collect()

    def ids(action):
        return {id for id, r in stored.items() if r["_terapi_metadata"]["last_action"] == action}

    assert ids("UPDATED") == {str(id) for id in changes["updated"]}
    assert ids("DELETED") == {str(id) for id in changes["deleted"]}
    assert {str(id) for id in changes["created"]} <= ids("ADDED")
    assert len(stored) == 1003


def test_the_webhook_has_the_fields_that_an_application_relies_on(synced, sink):
    _, _, connection_id = synced
    example = json.loads((SEEDS / "webhook-payload.json").read_text())
    (webhook,) = sink.events(type="sync")

    def shape(value):
        return {key: shape(member) for key, member in value.items()} if isinstance(value, dict) else type(value)

    assert shape({key: webhook[key] for key in example}) == shape(example)
    assert webhook["connectionId"] == connection_id
    assert webhook["responseResults"] == {"added": 1000, "updated": 0, "deleted": 0}
