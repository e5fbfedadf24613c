"""Four writers and a reader on one connection and model."""

import os
import threading
import time

import pytest

import conftest
import definitions
from person import connect_sandbox
from server import IS_FULL, eventually

SECONDS = int(os.environ.get("TERAPI_SECONDS", 60 if IS_FULL else 8))
WRITERS = ["north", "east", "south", "west"]


def writer_sync(folder, name):
    """Every writer reads the same tickets and saves them under names of its own, into the one model."""
    definitions.write(folder, f"sandbox/syncs/{name}.yaml", f"""
        description: Tickets as {name} sees them
        model: ticket
        frequency: every hour
        auto_start: false
        request:
            endpoint: /api/tickets
            params: {{ per_page: 100, updated_since: "${{checkpoint.since}}" }}
            paginate: {{ type: link, rel: next, response_path: tickets }}
        checkpoint: {{ since: max(item.updated_at), order: ascending }}
        map:
            id: '"{name}-" + item.id'
            title: item.subject
        """)


@pytest.mark.sandbox(tickets=500)
def test_the_reader_misses_nothing(terapi_on_sandbox, sandbox, definitions_folder):
    for name in WRITERS:
        writer_sync(definitions_folder / "integrations", name)
    with terapi_on_sandbox as terapi:
        api = terapi.api()
        api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
        connection_id = connect_sandbox(api, "sandbox")
        ends = time.monotonic() + SECONDS
        problems = []
        latest, order = {}, []
        all_written = threading.Event()

        def write(name):
            own = terapi.api()
            while time.monotonic() < ends:
                own.trigger("sandbox", connection_id, [name])
                sandbox.change(update=150)
                time.sleep(0.05)

        def read():
            own, cursor = terapi.api(), None
            while True:
                is_last = all_written.is_set()
                for record in own.records("sandbox", connection_id, "ticket", cursor=cursor, limit=37):
                    cursor = record["_terapi_metadata"]["cursor"]
                    order.append(cursor)
                    latest[record["id"]] = record
                if is_last:
                    return

        def guarded(work, *arguments):
            try:
                work(*arguments)
            except Exception as error:
                problems.append(error)

        writers = [threading.Thread(target=guarded, args=(write, name)) for name in WRITERS]
        reader = threading.Thread(target=guarded, args=(read,))
        for thread in [reader, *writers]:
            thread.start()
        for thread in writers:
            thread.join()
        for name in WRITERS:
            eventually(lambda: api.sync_status("sandbox", connection_id, name)["status"] != "RUNNING", 60, name)
        all_written.set()
        reader.join()
        assert problems == []

        fresh = api.records("sandbox", connection_id, "ticket")
        assert {record["id"]: record for record in fresh} == latest
        assert len(order) == len(set(order)), "a place came twice"
        assert len(fresh) >= 4 * 500
