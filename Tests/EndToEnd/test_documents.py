"""The examples of docs/syncs.md, docs/endpoints.md, docs/mcp.md and docs/webhooks.md, as they stand there."""

import asyncio
import json
import os
import subprocess

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

import definitions
import documents
from desk import Desk
from person import wait_for_runs
from server import BINARY, Terapi, eventually

HEADERS = {"Provider-Config-Key": "desk", "Connection-Id": "alice"}


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def terapi(tmp_path, desk, definitions_folder, sink):
    """A server with the sync and the action of the documents. Not started yet."""
    definitions.basic_provider(definitions_folder / "providers", "desk", desk.base)
    written = documents.write_files("syncs.md", ["yaml"], definitions_folder)
    written += documents.write_files("endpoints.md", ["js"], definitions_folder)
    assert written == ["integrations/desk/syncs/tickets.yaml", "integrations/desk/actions/close-ticket.js"]
    terapi = Terapi(
        tmp_path / "terapi",
        integrations=definitions_folder / "integrations",
        providers=definitions_folder / "providers",
    )
    yield terapi
    if terapi.program and terapi.program.process.poll() is None:
        terapi.stop()


def connect(terapi, sink):
    api = terapi.api()
    sink.signing_key = api.signing_key()
    api.create_integration("desk", "desk")
    api.import_connection(
        "desk", {"type": "BASIC", "username": "a", "password": "b"}, connection_id="alice",
        webhook_url_override=sink.url,
    )
    return api


def operations(api, kind):
    """The states of the operations of a kind. The log is written behind what it tells of."""
    return [found["state"] for found in api.ok("GET", "/logs/operations", params={"type": kind})["data"]]


def history_of(api):
    return api.sync_status("desk", "alice", "tickets")["backfill"]


def test_reads_the_history_in_windows_over_a_kill_and_tells_its_end_once(terapi, desk, sink):
    desk.gate.clear()
    desk.is_held = lambda query: query.get("page") == "1" and len({asked.get("to") for asked in desk.asked}) == 6
    terapi.start()
    api = connect(terapi, sink)
    # The page before is on the disk.
    eventually(lambda: (api.sync_status("desk", "alice", "tickets")["checkpoint"] or {}).get("_page") == 1
               and desk.is_held(desk.asked[-1]))
    half = history_of(api)
    assert half["windows"] == 13 and half["windows_done"] == 5
    assert 0 < half["percent"] < 100 and half["finished_at"] is None
    first = len(desk.asked)

    terapi.kill()
    desk.is_held = lambda query: False
    desk.gate.set()
    terapi.start()
    sink.wait_for(type="backfill.finished")
    wait_for_runs(api, "desk", "alice", "tickets")

    # On in the same window and at the same page.
    place, again = desk.asked[first - 1], desk.asked[first]
    assert again == place
    told = sink.events(type="backfill.finished")
    assert len(told) == 1 and told[0]["syncName"] == "tickets" and told[0]["connectionId"] == "alice"
    history = history_of(api)
    assert history["percent"] == 100 and history["windows_done"] == 13
    assert history["started_at"] == half["started_at"] and history["until"] == half["until"]
    ids = {int(record["id"]) for record in api.records("desk", "alice", "ticket")}
    assert ids == set(range(36, 400)) or ids == set(range(35, 400))

    # What is new is read without an end.
    desk.tickets.append({**desk.tickets[-1], "id": 400, "title": "New"})
    before = len(desk.asked)
    api.trigger("desk", "alice", ["tickets"])
    eventually(lambda: any(record["id"] == "400" for record in api.records("desk", "alice", "ticket")))
    assert all("to" not in query for query in desk.asked[before:])
    assert eventually(lambda: operations(api, "sync:backfill")) == ["success"]


def test_the_examples_about_syncs(terapi, desk, sink, tmp_path):
    terapi.start()
    api = connect(terapi, sink)
    sink.wait_for(type="backfill.finished")
    wait_for_runs(api, "desk", "alice", "tickets")

    outputs = documents.run_bash("syncs.md", terapi, tmp_path)

    frequency, set_frequency, watched, commands, status, history, variants, made = outputs
    assert json.loads(frequency) == {"frequency": "30 7 * * MON America/New_York"}
    assert set_frequency == "tickets runs: 30 7 * * MON America/New_York\n"
    answers = [json.loads(text) for text in split_json(watched)]
    assert [one["status"] for one in answers[2]["syncs"]] in (["PAUSED"], ["RUNNING"])
    assert [answers[index] for index in (0, 1, 3)] == [{"success": True}] * 3
    states = [line.split()[2] for line in commands.splitlines() if line.startswith("alice")]
    assert states[:2] == ["success", "paused"] and "30 7 * * MON America/New_York" in commands.splitlines()[-1]
    assert [line.split()[:7] for line in history.splitlines()[1:]] == [["alice", "tickets", "100", "%", "13", "of", "13"]]
    assert made.startswith("tickets::eu is made.\n") and made.endswith("tickets::eu is deleted.\n")
    assert "alice       tickets::eu  success" in made and " added    {" in made
    shown = json.loads(status)["syncs"][0]
    assert shown["frequency"] == "30 7 * * MON America/New_York"
    assert set(shown["backfill"]) == set(json.loads(documents.blocks("syncs.md", "json")[0]))
    # Half past seven in New York, winter or summer.
    assert shown["nextScheduledSyncAt"][11:16] in ("11:30", "12:30")
    assert '"variant":"eu"' in variants and '{"success":true}' in variants
    left = api.ok("GET", "/sync/status", params={"provider_config_key": "desk", "connection_id": "alice", "syncs": "*"})
    assert [sync["variant"] for sync in left["syncs"]] == ["base"]


def test_a_variant_has_its_own_schedule_and_records(terapi, desk, sink):
    terapi.start()
    api = connect(terapi, sink)
    wait_for_runs(api, "desk", "alice", "tickets")
    body = {"provider_config_key": "desk", "connection_id": "alice"}

    api.ok("POST", "/sync/tickets/variant/eu", json=body)
    wait_for_runs(api, "desk", "alice", "tickets::eu")
    api.ok("POST", "/sync/pause", json={**body, "syncs": ["tickets::eu"]})

    assert api.sync_status("desk", "alice", "tickets::eu")["status"] == "PAUSED"
    assert api.sync_status("desk", "alice", "tickets")["status"] == "SUCCESS"
    base = api.records("desk", "alice", "ticket")
    assert len(api.records("desk", "alice", "ticket", variant="eu")) == len(base) > 300
    assert {event["syncVariant"] for event in sink.wait_for(2, type="sync")} == {"base", "eu"}
    again = api.call("POST", "/sync/tickets/variant/eu", json=body)
    assert again.status_code == 400 and again.json()["error"]["code"] == "sync_variant_already_exists"
    api.ok("DELETE", "/sync/tickets/variant/eu", json=body)
    assert api.records("desk", "alice", "ticket", variant="eu") == []
    assert len(api.records("desk", "alice", "ticket")) == len(base)


def test_the_examples_about_endpoints(terapi, desk, sink, tmp_path):
    terapi.start()
    api = connect(terapi, sink)
    wait_for_runs(api, "desk", "alice", "tickets")

    output, command = documents.run_bash("endpoints.md", terapi, tmp_path)

    records, closed, document = (json.loads(text) for text in split_json(output))
    assert len(records["records"]) == 2 and records["next_cursor"]
    assert closed == {"closed": "7", "because": "It works again."}
    assert set(document["paths"]) == {"/crm/tickets", "/tickets/{id}/close"}
    assert json.loads(command) == document == json.loads((tmp_path / "api.json").read_text())
    page = api.ok("GET", "/v1/crm/tickets", params={"cursor": records["next_cursor"], "limit": 3}, headers=HEADERS)
    assert len(page["records"]) == 3


def split_json(text):
    """Documents that were printed one behind the other."""
    decoder = json.JSONDecoder()
    while text.strip():
        _, end = decoder.raw_decode(text.strip())
        yield text.strip()[:end]
        text = text.strip()[end:]


def test_the_description_follows_the_rules_of_openapi(terapi, desk, sink, definitions_folder):
    folder = definitions_folder / "integrations/desk"
    # Models, inputs and outputs as zod prints them.
    definitions.write(folder, "actions/find.js", """
        const { createAction } = require('terapi');
        const schema = (json) => ({ toJSONSchema: () => ({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...json }) });
        module.exports = createAction({
            description: 'Finds',
            endpoint: { method: 'GET', path: '/people/{id}', group: 'People' },
            input: schema({
                type: 'object', required: ['id'], additionalProperties: false,
                properties: { id: { type: 'integer' }, deep: { type: 'boolean' } },
            }),
            output: schema({
                type: 'object', required: ['id'], properties: { id: { type: 'integer' }, boss: { $ref: '#/$defs/Person' } },
                $defs: { Person: { type: 'object', properties: { boss: { $ref: '#/$defs/Person' } } } },
            }),
            exec: async (terapi, input) => ({ id: input.id, deep: input.deep ?? null }),
        });
        """)
    definitions.write(folder, "syncs/people.js", """
        const { createSync } = require('terapi');
        const model = (json) => ({ toJSONSchema: () => json });
        module.exports = createSync({
            description: 'People and teams',
            frequency: 'every hour',
            endpoints: ['GET /people', { method: 'GET', path: '/teams', group: 'People' }],
            models: {
                Person: model({ type: 'object', properties: { id: { type: 'string' }, team: { $ref: '#/$defs/T' } },
                                required: ['id'], $defs: { T: { type: ['string', 'null'] } } }),
                Team: model({ type: 'object', properties: { id: { type: 'string' }, parent: { $ref: '#' } }, required: ['id'] }),
            },
            exec: async (terapi) => {
                await terapi.batchSave([{ id: 'p' }], 'Person');
                await terapi.batchSave([{ id: 't' }], 'Team');
            },
        });
        """)
    terapi.start()
    api = connect(terapi, sink)

    document = api.ok("GET", "/v1/openapi.json")

    validate(document, cls=OpenAPIV31SpecValidator)
    assert set(document["paths"]) == {"/crm/tickets", "/tickets/{id}/close", "/people", "/people/{id}", "/teams"}
    schemas = document["components"]["schemas"]
    assert schemas["Person"]["properties"]["team"] == {"$ref": "#/components/schemas/Person.T"}
    assert schemas["Team"]["properties"]["parent"] == {"$ref": "#/components/schemas/Team"}
    # What it describes is there, and nothing else is.
    wait_for_runs(api, "desk", "alice", "people")
    assert [record["id"] for record in api.ok("GET", "/v1/people", headers=HEADERS)["records"]] == ["p"]
    assert [record["id"] for record in api.ok("GET", "/v1/teams", headers=HEADERS)["records"]] == ["t"]
    assert api.ok("GET", "/v1/people/7?deep=true", headers=HEADERS) == {"id": 7, "deep": True}
    wrong = api.call("GET", "/v1/people/seven", headers=HEADERS)
    assert wrong.status_code == 400 and wrong.json()["error"]["code"] == "invalid_action_input"
    assert api.call("GET", "/v1/nothing", headers=HEADERS).status_code == 404
    # A description that breaks the rules is seen: the check can fail.
    document["paths"]["/people"]["get"]["responses"]["200"].pop("description")
    with pytest.raises(Exception):
        validate(document, cls=OpenAPIV31SpecValidator)


def test_two_scripts_at_one_address_are_a_mistake(definitions_folder):
    documents.write_files("endpoints.md", ["js"], definitions_folder)
    definitions.write(definitions_folder / "integrations/desk", "actions/close-again.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({
            description: 'The same', endpoint: 'POST /tickets/{number}/close', exec: async () => ({}),
        });
        """)

    done = subprocess.run(
        [BINARY, "compile", "--integrations", definitions_folder / "integrations"], capture_output=True, text=True, timeout=60
    )

    assert done.returncode != 0
    assert '"close-again" of this integration is offered at POST /tickets/{id}/close too' in done.stdout + done.stderr


def test_a_language_model_calls_actions(terapi, desk, sink, definitions_folder, monkeypatch):
    definitions.write(definitions_folder / "integrations/desk", "actions/count.js", """
        const { createAction } = require('terapi');
        const schema = (json) => ({ toJSONSchema: () => json });
        module.exports = createAction({
            description: 'Counts',
            input: schema({ type: 'object', required: ['to'], properties: { to: { type: 'integer' } } }),
            output: schema({ type: 'object', required: ['sum'], additionalProperties: false, properties: { sum: { type: 'integer' } } }),
            exec: async (terapi, { to }) => ({ sum: (to * (to + 1)) / 2, more: 'is let pass' }),
        });
        """)
    terapi.start()
    api = connect(terapi, sink)
    monkeypatch.setenv("KEY", terapi.key())
    monkeypatch.setenv("TERAPI", terapi.base)
    (example,) = documents.blocks("mcp.md", "python")
    names = {}
    exec(compile(example, "docs/mcp.md", "exec"), names)

    tools, answer = asyncio.run(names["close_ticket"]())

    assert [tool.name for tool in tools] == ["close-ticket", "count"]
    assert not answer.is_error
    assert json.loads(answer.content[0].text) == {"closed": 7, "because": "It works again."}

    async def more():
        transport = names["streamable_http_client"](
            terapi.base + "/mcp", http_client=names["httpx2"].AsyncClient(headers=names["HEADERS"])
        )
        async with names["Client"](transport) as client:
            counted = await client.call_tool("count", {"to": 4})
            wrong = await client.call_tool("count", {"to": "four"})
            return counted, wrong, client.protocol_version

    counted, wrong, version = asyncio.run(more())
    # The client has held it to the schema that the tool shows.
    assert counted.structured_content == {"sum": 10, "more": "is let pass"}
    assert wrong.is_error and "invalid_action_input" in wrong.content[0].text
    assert version == "2025-11-25"
    eventually(lambda: len(operations(api, "action:run")) >= 2)


def test_the_examples_about_webhooks(terapi, desk, sink, tmp_path):
    terapi.start()
    api = connect(terapi, sink)
    sink.wait_for(type="backfill.finished")
    wait_for_runs(api, "desk", "alice", "tickets")
    eventually(lambda: all(d["state"] == "delivered" for e in api.webhook_events() for d in e["deliveries"]))
    event = sink.deliveries[0]["id"]
    before = len(sink.deliveries)
    os.symlink(terapi.data, tmp_path / "terapi-data")

    commands, curls = documents.run_bash("webhooks.md", terapi, tmp_path, EVENT=event)

    count = len(api.webhook_events())
    assert event in commands
    lines = commands.splitlines()
    # One event; none that has not arrived; none of an hour long ago.
    assert lines[-3:] == ["1 events, 1 deliveries", "0 events, 0 deliveries", "0 events, 0 deliveries"]
    assert [json.loads(text) for text in split_json(curls)] == [
        {"events": 1, "deliveries": 1}, {"events": 0, "deliveries": 0},
    ]
    eventually(lambda: len(sink.deliveries) >= before + 1)
    # The receiver can tell that it has seen it.
    assert {delivery["id"] for delivery in sink.deliveries} == {found["id"] for found in api.webhook_events()}
    assert len(api.webhook_events()) == count


def test_an_endpoint_that_was_down_gets_everything_when_it_is_back(terapi, desk, sink):
    terapi.start()
    api = connect(terapi, sink)
    sink.wait_for(type="backfill.finished")
    wait_for_runs(api, "desk", "alice", "tickets")
    begin = len(sink.deliveries)
    sink.fail_next(1_000_000, 503)
    body = {"provider_config_key": "desk", "connection_id": "alice"}
    for number in range(12):
        api.ok("POST", f"/sync/tickets/variant/v{number}", json=body)
    def waiting():
        deliveries = [d for e in api.webhook_events() for d in e["deliveries"] if d["state"] == "pending"]
        return deliveries if any(d["held_until"] for d in deliveries) and len(deliveries) >= 24 else None

    held = eventually(waiting, 60)
    # Some have not been tried at all: they wait, and nothing of them is spent.
    assert any(not d["attempts"] for d in held) and all(len(d["attempts"]) < 10 for d in held)
    sink.recover()

    outcome = api.ok("POST", "/webhook-events/replay", json={"from": "2026-01-01T00:00:00Z"})

    assert outcome["deliveries"] >= 24
    eventually(lambda: all(d["state"] == "delivered" for e in api.webhook_events() for d in e["deliveries"]), 60)
    assert len({delivery["id"] for delivery in sink.deliveries[begin:]}) >= 24
