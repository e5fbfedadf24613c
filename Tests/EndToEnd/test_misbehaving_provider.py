"""A provider in trouble: the run fails or tries again with a message that names the request and the reason; nothing that
was saved is lost, and nothing is deleted."""

import json

import pytest

import conftest
import definitions
from person import connect_sandbox, wait_for_runs
from server import Terapi, eventually


@pytest.fixture
def synced(tmp_path, sandbox, definitions_folder, sink):
    """A full read that finds deletions, after its first run: the one that could delete by mistake."""
    definitions.sandbox_provider(definitions_folder / "providers", sandbox.base)
    definitions.sandbox_full_sync(definitions_folder / "integrations")
    terapi = Terapi(
        tmp_path / "terapi",
        integrations=definitions_folder / "integrations",
        providers=definitions_folder / "providers",
    )
    with terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
        connection_id = connect_sandbox(api, "sandbox", webhook_url_override=sink.url)
        sink.wait_for(type="sync", success=True)
        wait_for_runs(api, "sandbox", connection_id, "all-tickets")
        yield terapi, api, connection_id


def run(api, connection_id):
    """Triggers a run and waits until it has ended, however."""
    before = api.sync_status("sandbox", connection_id, "all-tickets").get("finishedAt")
    api.trigger("sandbox", connection_id, ["all-tickets"])

    def ended():
        status = api.sync_status("sandbox", connection_id, "all-tickets")
        return status if status["status"] != "RUNNING" and status.get("finishedAt") != before else None

    return eventually(ended, 90, "the run's end")


@pytest.mark.sandbox(tickets=500, token_lifetime=3600)
@pytest.mark.parametrize("kind, reason", [
    ("html", "HTML"),
    ("invalid_json", "JSON"),
    ("cut", ""),
    ("repeated_cursor", ""),
    ("endless_page", ""),
    ("missing_id", "id"),
    ("server_error", "500"),
])
def test_fails_with_the_request_and_the_reason(synced, sandbox, sink, kind, reason):
    terapi, api, connection_id = synced
    before = api.records("sandbox", connection_id, "ticket")
    sandbox.change(update=3)
    # Often enough that no retry gets through; the third page, so that the read has begun well.
    sandbox.misbehave(kind, times=1000, after=2)

    status = run(api, connection_id)

    assert status["latestExecutionStatus"] == "ERROR"
    (webhook,) = sink.wait_for(type="sync", success=False)[:1]
    description = webhook["error"]["description"]
    assert "/api/tickets" in description and reason in description, description
    after = {record["id"]: record for record in api.records("sandbox", connection_id, "ticket")}
    assert set(after) == {record["id"] for record in before}
    assert not [r for r in after.values() if r["_terapi_metadata"]["last_action"] == "DELETED"]

    # And when the provider is well again, so is the sync.
    sandbox.delete("faults")
    assert run(api, connection_id)["latestExecutionStatus"] == "SUCCESS"


@pytest.mark.sandbox(tickets=500, token_lifetime=3600)
def test_an_empty_list_does_not_delete_everything(synced, sandbox):
    _, api, connection_id = synced
    sandbox.misbehave("empty_list", times=1000)

    run(api, connection_id)

    records = api.records("sandbox", connection_id, "ticket")
    assert len(records) == 500
    assert not [r for r in records if r["_terapi_metadata"]["last_action"] == "DELETED"]


@pytest.mark.sandbox(tickets=500, token_lifetime=3600)
@pytest.mark.parametrize("fault", [
    {"kind": "rate_limit", "retry_after": 1},
    {"kind": "rate_limit"},
    {"kind": "server_error"},
    {"kind": "cut"},
    {"kind": "unauthorized"},
    {"kind": "token_server_error"},
], ids=json.dumps)
def test_a_passing_trouble_is_overcome(synced, sandbox, sink, fault):
    _, api, connection_id = synced
    changes = sandbox.change(create=2, update=3)
    if fault["kind"].startswith("token"):
        sandbox.post("expire-tokens")
        sandbox.misbehave(**fault, times=1)
    else:
        sandbox.misbehave(**fault, times=1, after=2)

    run(api, connection_id)
    wait_for_runs(api, "sandbox", connection_id, "all-tickets")

    assert len(api.records("sandbox", connection_id, "ticket")) == 500 + len(changes["created"])
    assert sandbox.stats()["seen"]["reuse"] == 0


@pytest.mark.sandbox(tickets=500, token_lifetime=3600)
def test_real_deletions_are_found(synced, sandbox, sink):
    """The control: without trouble, what is gone at the provider is deleted here."""
    _, api, connection_id = synced
    gone = sandbox.change(delete=5)["deleted"]

    run(api, connection_id)

    records = api.records("sandbox", connection_id, "ticket", filter="deleted")
    assert {record["id"] for record in records} == {str(id) for id in gone}
