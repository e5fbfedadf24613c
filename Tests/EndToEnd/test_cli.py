"""The commands that ask a server by API key: those of docs/connections.md, docs/records.md, docs/actions.md and docs/cli.md as
they stand there, and what goes wrong."""

import asyncio
import json
import os
import pathlib
import re
import subprocess

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

import definitions
import documents
from desk import Desk
from person import wait_for_runs
from server import BINARY, Terapi, eventually

DESK = ["--integration", "desk", "--connection", "alice"]


@pytest.fixture(scope="module")
def desk():
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory, desk):
    """A server with the sync and the actions of the documents; with a provider whose end users agree in a browser."""
    folder = tmp_path_factory.mktemp("cli")
    definitions.basic_provider(folder / "providers", "desk", desk.base)
    definitions.sandbox_provider(folder / "providers", "http://127.0.0.1:9")
    (folder / "providers/sandbox-local.yaml").rename(folder / "providers/shop.yaml")
    documents.write_files("syncs.md", ["yaml"], folder)
    documents.write_files("endpoints.md", ["js"], folder)
    definitions.write(folder, "integrations/desk/actions/refuse.js", """
        const { createAction } = require('terapi');
        module.exports = createAction({
            description: 'Refuses',
            exec: async (terapi) => { throw new terapi.ActionError({ reason: 'It is Sunday.' }); },
        });
        """)
    definitions.write(folder, "integrations/desk/syncs/gloomy.js", """
        const { createSync } = require('terapi');
        module.exports = createSync({
            description: 'Fails', frequency: 'every day', autoStart: false,
            models: { Mood: { toJSONSchema: () => ({ type: 'object', properties: { id: { type: 'string' } } }) } },
            exec: async () => { throw new Error('Not today.'); },
        });
        """)
    with Terapi(folder / "terapi", integrations=folder / "integrations", providers=folder / "providers") as terapi:
        yield terapi


@pytest.fixture
def terapi(running):
    """The server, empty again after the test."""
    yield running
    api = running.api()
    for one in api.ok("GET", "/integrations")["data"]:
        api.ok("DELETE", f"/integrations/{one['unique_key']}")


@pytest.fixture
def imported(terapi):
    """The server with the connection of the documents."""
    api = terapi.api()
    api.create_integration("desk", "desk")
    api.import_connection("desk", {"type": "BASIC", "username": "alice", "password": "secret-of-alice"}, "alice")
    return terapi


@pytest.fixture
def connected(imported):
    """The same, with its history read."""
    wait_for_runs(imported.api(), "desk", "alice", "tickets")
    return imported


def run(terapi, *arguments, stdin="", key=None, status=0, **environment):
    """A command as somebody else on the machine would see it run. Returns what it prints, or says when it fails."""
    assert not any("secret-of" in str(argument) for argument in arguments)
    done = subprocess.run(
        [BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60,
        env={**os.environ, "TERAPI_HOST": terapi.base, "TERAPI_API_KEY": key or terapi.key(), **environment},
    )
    assert (done.returncode == 0) == (status == 0), f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if status == 0 else done.stderr


def answers(text):
    """JSON documents that were printed one behind the other."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


# --- The documents ----------------------------------------------------------------------------------------------------


def test_the_document_on_connections_says_what_happens(terapi, tmp_path):
    outputs = documents.run_bash("connections.md", terapi, tmp_path)

    curls, commands, shop, session, link, by_curl, by_command = outputs
    created, changed, shown, listed, deleted = answers(curls)
    assert changed["data"]["forward_webhooks"] is False and shown["data"]["webhook_url"].startswith(terapi.base)
    assert [one["unique_key"] for one in listed["data"]] == ["desk"] and deleted == {"success": True}
    # The commands do the same.
    assert commands.startswith("desk is set up, with the provider desk.\ndesk is changed.\n")
    assert f"webhook_url: {shown['data']['webhook_url'].rsplit('/', 1)[0]}/desk\n" in commands
    assert re.search(r"^desk +desk +Help desk +no +20\S+Z$", commands, re.MULTILINE)
    assert commands.endswith("desk is deleted.\n")
    assert re.search(r"^shop +shop +", shop, re.MULTILINE)
    assert "from-the-provider" not in shop and "another" not in shop
    credentials = terapi.api().ok("GET", "/integrations/shop", params={"include": "credentials"})["data"]["credentials"]
    assert (credentials["client_id"], credentials["client_secret"]) == ("4567", "another")
    assert credentials["type"] == "OAUTH2" and credentials["scopes"] == "read,write"

    links = [json.loads(session)["data"]["connect_link"], link.strip()]
    pages = [terapi.api().session.get(address, headers={"Authorization": ""}, timeout=30) for address in links]
    assert links[0] != links[1] and all(page.ok and "shop" in page.text for page in pages)

    made = answers(by_curl)[1]
    assert made["connection_id"] == "bob" and made["credentials"]["password"] == "secret-of-bob"
    assert "alice is connected by desk.\nbob is connected by desk.\n" in by_command
    assert re.search(r"^alice +desk +desk +user123 +ok +20\S+Z$", by_command, re.MULTILINE)
    assert '"password":"***"' in by_command and 'metadata: {"team":"blue"}' in by_command
    assert "secret-of" not in by_command and by_command.endswith("bob is deleted.\n")
    left = terapi.api().connection("alice", "desk")
    assert left["metadata"] == {"team": "blue", "region": "eu"} and left["tags"] == {"plan": "gold"}
    assert left["credentials"]["password"] == "secret-of-alice" and left["end_user"]["id"] == "user123"


def test_the_document_on_records_says_what_happens(connected, tmp_path):
    page, table, lines = documents.run_bash("records.md", connected, tmp_path)

    page = json.loads(page)
    shown = table.splitlines()
    assert [line.split()[1] for line in shown[:2]] == ["added", "added"]
    assert [json.loads(line.split(maxsplit=2)[2])["id"] for line in shown[:2]] == [one["id"] for one in page["records"]]
    assert shown[2:] == [f"The next ones: --cursor {page['next_cursor']}"]
    first = [json.loads(line) for line in (tmp_path / "first.jsonl").read_text().splitlines()]
    following = [json.loads(line) for line in lines.splitlines()]
    assert first == page["records"] and len(following) == 3
    everything = connected.api().records("desk", "alice", "ticket")
    assert first + following == everything[:5]


def test_the_document_on_actions_says_what_happens(imported, tmp_path):
    curl, command, queued, asynchronous = documents.run_bash("actions.md", imported, tmp_path)

    assert json.loads(curl) == {"closed": 7, "because": "It works again."}
    listed, output = command.split("{", 1)
    assert re.search(r"^close-ticket +on +Closes a ticket$", listed, re.MULTILINE)
    assert json.loads("{" + output) == {"closed": 7, "because": None}
    assert json.loads(queued)["statusUrl"].startswith("/action/")
    assert [one["closed"] for one in answers(asynchronous)] == [7, 8]


def test_the_document_names_every_command(terapi, tmp_path):
    (listed,) = documents.run_bash("cli.md", terapi, tmp_path)
    assert "terapi integrations create" in listed
    text = (documents.DOCS / "cli.md").read_text()

    def subcommands(*command):
        shown = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, timeout=60).stdout
        part = shown.partition("SUBCOMMANDS:\n")[2]
        return re.findall(r"^  ([a-z-]+)(?= |$)", part, re.MULTILINE)

    commands = subcommands()
    assert len(commands) >= 25 and "serve" in commands
    missing = [name for name in commands if f"`terapi {name}" not in text]
    assert missing == []
    for group in ["integrations", "connections", "syncs", "actions"]:
        row = next(line for line in text.splitlines() if line.startswith(f"| `terapi {group} "))
        assert [name for name in subcommands(group) if f"{name}`" not in row] == []


# --- Syncs ------------------------------------------------------------------------------------------------------------


def test_a_sync_is_run_paused_and_begun_anew(connected, desk):
    before = run(connected, "syncs", "list", "--integration", "desk")
    assert re.search(r"^alice +tickets +success +20\S+Z +\d+ added +20\S+Z .* 100 %$", before, re.MULTILINE)
    desk.tickets.append({**desk.tickets[-1], "id": 400 + len(desk.tickets), "title": "New"})

    ran = run(connected, "syncs", "run", "tickets", *DESK, "--wait")
    assert re.search(r"^alice +tickets +success +\S+ +1 added ", ran, re.MULTILINE)

    paused = json.loads(run(connected, "syncs", "pause", "tickets", *DESK, "--json"))
    assert [one["status"] for one in paused["syncs"]] == ["PAUSED"]
    assert re.search(r"^alice +tickets +paused +\S+ +1 added +- ", run(connected, "syncs", "list", *DESK), re.MULTILINE)
    run(connected, "syncs", "start", "--all", *DESK)
    assert connected.api().sync_status("desk", "alice", "tickets")["status"] != "PAUSED"

    asked = len(desk.asked)
    again = run(connected, "syncs", "reset", "tickets", *DESK, "--empty-cache", "--yes", "--wait")
    assert re.search(r"^alice +tickets +success +\S+ +\d{3} added ", again, re.MULTILINE)
    assert len(desk.asked) > asked + 13
    history = run(connected, "syncs", "backfill", *DESK, "--wait")
    assert re.search(r"^alice +tickets +100 % +13 of 13 ", history, re.MULTILINE)


def test_a_run_that_fails_is_a_failure_of_the_command(connected):
    run(connected, "syncs", "run", "tickets", *DESK, "--wait")
    said = run(connected, "syncs", "run", "gloomy", *DESK, "--wait", status=1)
    assert "Not every run was a success. terapi logs tells why." in said


def test_a_frequency_and_a_variant_are_set(connected):
    api = connected.api()
    assert "30s" in run(connected, "syncs", "frequency", "tickets", "30s", *DESK)
    assert api.sync_status("desk", "alice", "tickets")["frequency"] == "30s"
    run(connected, "syncs", "frequency", "tickets", *DESK)
    assert api.sync_status("desk", "alice", "tickets")["frequency"] == "0 6 * * 1-5 Europe/Berlin"
    assert "frequency" in run(connected, "syncs", "frequency", "tickets", "now and then", *DESK, status=1)

    assert run(connected, "syncs", "variant", "create", "tickets", "eu", *DESK) == "tickets::eu is made.\n"
    run(connected, "syncs", "run", "tickets", "--variant", "eu", *DESK, "--wait")
    count = len(api.records("desk", "alice", "ticket", variant="eu"))
    assert run(connected, "records", "ticket", "--variant", "eu", *DESK, "--json").count("\n") == count > 300
    assert "Nothing was deleted" in run(connected, "syncs", "variant", "delete", "tickets", "eu", *DESK, status=1)
    assert len(api.records("desk", "alice", "ticket", variant="eu")) == count
    run(connected, "syncs", "variant", "delete", "tickets", "eu", *DESK, "--yes")
    assert api.records("desk", "alice", "ticket", variant="eu") == []


# --- Records and tools ------------------------------------------------------------------------------------------------


def test_records_go_on_with_what_comes(connected, desk):
    last = connected.api().records("desk", "alice", "ticket")[-1]["_terapi_metadata"]["cursor"]
    follower = subprocess.Popen(
        [BINARY, "records", "ticket", *DESK, "--cursor", last, "--follow", "--json"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TERAPI_HOST": connected.base, "TERAPI_API_KEY": connected.key()},
    )
    try:
        for title in ["First", "Second"]:
            number = 400 + len(desk.tickets)
            desk.tickets.append({**desk.tickets[-1], "id": number, "title": title})
            run(connected, "syncs", "run", "tickets", *DESK, "--wait")
            # Each once, and as soon as it is there.
            record = json.loads(follower.stdout.readline())
            assert (record["id"], record["title"]) == (str(number), title)
    finally:
        follower.kill()
        follower.wait()


def test_the_description_is_that_of_the_server(imported):
    document = json.loads(run(imported, "openapi"))
    assert document == imported.api().ok("GET", "/v1/openapi.json")
    assert set(document["paths"]) == {"/crm/tickets", "/tickets/{id}/close"}
    assert "terapi integrations list" in run(imported, "openapi", "--integration", "none", status=1)


def test_a_language_model_calls_actions_by_a_command(imported):
    (settings,) = [json.loads(block)["mcpServers"]["desk"] for block in documents.blocks("mcp.md", "json")]
    assert settings["command"] == "terapi" and set(settings["env"]) == {"TERAPI_HOST", "TERAPI_API_KEY"}

    def server(key):
        environment = {**os.environ, "TERAPI_HOST": imported.base, "TERAPI_API_KEY": key}
        return StdioServerParameters(command=BINARY, args=settings["args"], env=environment)

    async def call():
        async with Client(stdio_client(server(imported.key()))) as client:
            tools = await client.list_tools()
            several = [client.call_tool("close-ticket", {"id": number}) for number in range(5)]
            closed = await asyncio.gather(*several)
            refused = await client.call_tool("refuse", {})
            return [tool.name for tool in tools.tools], closed, refused, client.protocol_version

    names, closed, refused, version = asyncio.run(call())

    assert names == ["close-ticket", "refuse"] and version == "2025-11-25"
    assert [json.loads(answer.content[0].text)["closed"] for answer in closed] == [0, 1, 2, 3, 4]
    assert refused.is_error and "It is Sunday." in refused.content[0].text

    async def with_wrong_key():
        async with Client(stdio_client(server("0" * 8))) as client:
            await client.list_tools()

    with pytest.raises(Exception) as failure:
        asyncio.run(asyncio.wait_for(with_wrong_key(), 30))
    assert "TERAPI_API_KEY" in str(failure.value) or "API key" in str(failure.getrepr())


def test_the_bridge_answers_each_line_by_a_line(imported):
    lines = [
        '{"jsonrpc": "2.0", "id": 1, "method": "ping"}',
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        "this is not JSON",
        '{"jsonrpc": "2.0", "id": "two", "method": "nothing"}',
    ]

    printed = run(imported, "mcp", *DESK, stdin="\n".join(lines))

    found = {answer["id"]: answer for answer in map(json.loads, printed.splitlines())}
    assert len(printed.splitlines()) == 3
    assert found[1]["result"] == {} and found["two"]["error"]["code"] == -32601 and found[None]["error"]["code"] == -32700


# --- What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["integrations", "create", "nobody"], "catalogue has no provider"),
        (["integrations", "update", "desk"], "Say what to change"),
        (["integrations", "delete", "desk"], "Give --yes to delete unasked"),
        (["integrations", "delete", "none", "--yes"], "no integration with this key"),
        (["connections", "show", "none", "--integration", "desk"], "no connection with this id"),
        (["connections", "import", "nowhere.json", "--integration", "desk"], "nowhere.json cannot be read"),
        (["connections", "update", "alice", "--integration", "desk"], "Say what to change"),
        (["connections", "link", "--integration", "desk"], "--end-user"),
        (["connections", "link", "--integration", "desk", "--reconnect", "none"], "no connection with this id"),
        (["providers", "show", "none"], "catalogue has no provider"),
        (["connections", "link", "--integration", "none", "--end-user", "u"], "no integration with this key"),
        (["connections", "delete", "alice", "--integration", "desk"], "Give --yes"),
        (["syncs", "run", *DESK], "give --all"),
        (["syncs", "run", "none", *DESK], "Defined are: gloomy, tickets"),
        (["syncs", "list", "--integration", "none"], "terapi integrations list"),
        (["records", "ticket", "--integration", "desk", "--connection", "none"], "terapi connections list"),
        (["records", "ticket", *DESK, "--filter", "stolen"], "filter: Expected"),
        (["actions", "run", "none", *DESK], "none"),
        (["actions", "run", "refuse", *DESK], '{"reason":"It is Sunday."}'),
        (["actions", "run", "close-ticket", *DESK, "--input", "{"], "--input is not JSON"),
        (["actions", "run", "close-ticket", *DESK, "--wait"], "go with --async"),
        (["actions", "result", "6f1d0c3e-0000-4000-8000-000000000000"], "24 hours"),
        (["proxy", "GET", "/", "--integration", "desk"], "--connection"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(imported, arguments, said):
    assert said in run(imported, *arguments, status=1)
    assert imported.api().connection("alice", "desk")["connection_id"] == "alice"


def test_without_a_key_or_a_server_it_says_what_is_missing(terapi):
    assert "terapi keys create makes another" in run(terapi, "syncs", "list", "--integration", "desk", TERAPI_API_KEY="", status=1)
    assert "TERAPI_API_KEY" in run(terapi, "integrations", "list", key="0" * 36, status=1)
    assert "terapi serve" in run(terapi, "integrations", "list", "--host", "http://127.0.0.1:9", status=1)


def test_credentials_are_not_repeated_when_they_are_wrong(terapi):
    terapi.api().create_integration("desk", "desk")
    given = {"username": "alice", "password": ["secret-of-alice"], "pasword": "secret-of-alice"}

    said = run(terapi, "connections", "import", "--integration", "desk", stdin=json.dumps(given), status=1)
    broken = run(terapi, "connections", "import", "--integration", "desk", stdin='{"password": "secret-of-alice"', status=1)

    assert "credentials.password" in said and "credentials.pasword" in said and "secret-of" not in said
    assert "Standard input is not JSON" in broken and "secret-of" not in broken


def test_words_of_end_users_cannot_write_to_the_terminal(terapi):
    api = terapi.api()
    api.create_integration("desk", "desk")
    name = "\u001b[2Jann\nbob\u009b31m"
    api.import_connection(
        "desk", {"type": "BASIC", "username": "a", "password": "b"}, "alice", end_user={"id": name},
        metadata={"name": name},
    )
    wanted = "\ufffd[2Jann\ufffdbob\ufffd31m"

    shown = run(terapi, "connections", "list")

    assert wanted in shown and len(shown.splitlines()) == 2
    assert not set("\u001b\u009b") & set(shown + run(terapi, "connections", "show", "alice", "--integration", "desk"))
    # Programs get it as it is.
    listed = json.loads(run(terapi, "connections", "list", "--json"))
    assert listed["connections"][0]["end_user"]["id"] == name


def test_a_link_connects_the_same_connection_once_more(imported):
    link = run(imported, "connections", "link", "--integration", "desk", "--reconnect", "alice").strip()
    session = imported.api().session
    token = link.rsplit("/", 1)[1]
    current = session.get(imported.base + "/connect/session", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert current.json()["data"]["isReconnecting"] is True


def test_an_integration_is_renamed_and_an_input_comes_from_a_file(imported, tmp_path):
    imported.api().create_integration("second", "desk")
    assert run(imported, "integrations", "update", "second", "--rename", "helpdesk") == "helpdesk is changed.\n"
    # Its connections know the other one by its name.
    assert "it must stay" in run(imported, "integrations", "update", "desk", "--rename", "other", status=1)
    assert "helpdesk" in run(imported, "integrations", "list") and "other" not in run(imported, "integrations", "list")
    (tmp_path / "input.json").write_text('{"id": 9}')
    output = run(imported, "actions", "run", "close-ticket", *DESK, "--input", f"@{tmp_path}/input.json")
    assert json.loads(output)["closed"] == 9


def test_the_catalogue_is_listed(terapi, tmp_path):
    blocks = [block for block in documents.blocks("providers.md", "bash") if "providers list" in block or "curl" in block]
    curls, commands = documents.run_blocks("providers.md", blocks, terapi, tmp_path)
    found, github = answers(curls)
    names = [one["name"] for one in found["data"]]
    table, _, shown = commands.partition("\nname: github\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == names and "strava" in names
    assert f"auth_mode: {github['data']['auth_mode']}\n" in shown
    # What it knows from files of its own.
    assert re.search(r"^desk +desk +BASIC +testing$", run(terapi, "providers", "list", "desk"), re.MULTILINE)


def test_secrets_are_shown_on_request_only(imported):
    for arguments in ([], ["--json"]):
        assert "secret-of" not in run(imported, "connections", "show", "alice", "--integration", "desk", *arguments)
    assert "secret-of-alice" in run(imported, "connections", "show", "alice", "--integration", "desk", "--secrets")
