"""Initial, incremental and delete runs against a REST store that none of us wrote."""

import base64

import pytest
import requests

import definitions
from person import wait_for_runs
from server import Terapi, cursor_of, eventually

ADMIN = {"Authorization": "Basic " + base64.b64encode(b"admin:admin-pass-1").decode()}


@pytest.fixture
def synced(tmp_path, kinto, sink, definitions_folder):
    """A server with one connection to Kinto, after its first run."""
    facts = kinto()
    definitions.basic_provider(definitions_folder / "providers", "kinto", facts["base"])
    definitions.kinto_sync(definitions_folder / "integrations")
    terapi = Terapi(
        tmp_path / "terapi",
        integrations=definitions_folder / "integrations",
        providers=definitions_folder / "providers",
    )
    with terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.create_integration("kinto", "kinto")
        api.import_connection(
            "kinto",
            {"type": "BASIC", "username": "admin", "password": "admin-pass-1"},
            connection_id="store",
            webhook_url_override=sink.url,
        )
        sink.wait_for(type="sync")
        wait_for_runs(api, "kinto", "store", "contacts")
        yield api, facts["records"]


def run_again(api, sink, count):
    api.trigger("kinto", "store", ["contacts"])
    return sink.wait_for(count, type="sync", success=True)[-1]


def test_reads_all_then_only_what_changed(synced, sink):
    api, store = synced

    (first,) = sink.events(type="sync")
    records = api.records("kinto", "store", "contact")
    assert first["syncType"] == "INITIAL"
    assert first["responseResults"] == {"added": 250, "updated": 0, "deleted": 0}
    assert {record["id"] for record in records} == {f"c{number:05d}" for number in range(250)}
    assert len(records) == 250

    # Three updates, one deletion, two additions at the store itself.
    for number in (3, 4, 5):
        change = {"data": {"name": f"Changed {number}"}}
        assert requests.patch(f"{store}/c{number:05d}", json=change, headers=ADMIN, timeout=30).ok
    assert requests.delete(f"{store}/c00007", headers=ADMIN, timeout=30).ok
    for number in (900, 901):
        new = {"data": {"name": f"New {number}", "email": "n@example.test", "rank": number}}
        assert requests.put(f"{store}/c{number:05d}", json=new, headers=ADMIN, timeout=30).ok

    second = run_again(api, sink, 2)
    changes = api.records("kinto", "store", "contact", cursor=cursor_of(records))

    assert second["syncType"] == "INCREMENTAL"
    assert second["responseResults"] == {"added": 2, "updated": 3, "deleted": 1}
    actions = {change["id"]: change["_terapi_metadata"]["last_action"] for change in changes}
    assert actions == {
        "c00003": "UPDATED", "c00004": "UPDATED", "c00005": "UPDATED",
        "c00007": "DELETED", "c00900": "ADDED", "c00901": "ADDED",
    }


def test_a_deleted_record_keeps_its_last_payload(synced, sink):
    api, store = synced
    place = cursor_of(api.records("kinto", "store", "contact"))

    assert requests.delete(f"{store}/c00007", headers=ADMIN, timeout=30).ok
    run_again(api, sink, 2)
    (gone,) = api.records("kinto", "store", "contact", cursor=place)

    assert gone["id"] == "c00007"
    assert gone["name"] == "Contact 7"
    assert gone["_terapi_metadata"]["deleted_at"] is not None


def test_nothing_new_sends_no_webhook(synced, sink):
    api, store = synced

    for _ in range(2):
        before = api.sync_status("kinto", "store", "contacts")["finishedAt"]
        api.trigger("kinto", "store", ["contacts"])
        # While it runs, there is no end.
        eventually(lambda: api.sync_status("kinto", "store", "contacts").get("finishedAt") not in (None, before))
    assert requests.delete(f"{store}/c00001", headers=ADMIN, timeout=30).ok
    run_again(api, sink, 2)

    assert len(sink.events(type="sync")) == 2
