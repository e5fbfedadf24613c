"""Every endpoint: what is wrong is refused with the documented error, and nothing changes."""

import json

import pytest
import requests

import conftest
from person import connect_sandbox, wait_for_runs
from server import Terapi

HEADERS = {"Provider-Config-Key": "sandbox", "Connection-Id": "CONNECTION"}
NOWHERE = {"provider_config_key": "sandbox", "connection_id": "nobody", "syncs": ["tickets"]}

# method, path, options of the request, status, error code. CONNECTION stands for the connection's id.
TABLE = [
    # Records
    ("GET", "/records?model=ticket", {}, 400, "invalid_headers"),
    ("GET", "/records?model=ticket", {"headers": {"Connection-Id": "CONNECTION"}}, 400, "invalid_headers"),
    ("GET", "/records", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=9ticket", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&colour=red", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&limit=0", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&limit=10001", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&limit=ten", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&filter=changed", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&modified_after=yesterday", {"headers": HEADERS}, 400, "invalid_query_params"),
    ("GET", "/records?model=ticket&cursor=bm9uc2Vuc2U", {"headers": HEADERS}, 400, "invalid_cursor"),
    ("GET", "/records?model=ticket&cursor=" + "x" * 1001, {"headers": HEADERS}, 400, None),
    ("GET", "/records?model=ticket", {"headers": {**HEADERS, "Connection-Id": "nobody"}}, 400, "unknown_connection"),
    # Connections
    ("GET", "/connections/nobody?provider_config_key=sandbox", {}, 404, None),
    ("GET", "/connections/CONNECTION", {}, 400, "invalid_query_params"),
    ("GET", "/connections/CONNECTION?provider_config_key=other", {}, 400, "unknown_provider_config"),
    ("GET", "/connections?limit=0", {}, 400, "invalid_query_params"),
    ("GET", "/connections?limit=2001", {}, 400, "invalid_query_params"),
    ("POST", "/connections", {"data": "{", "headers": {"Content-Type": "application/json"}}, 400, "invalid_body"),
    ("POST", "/connections", {"data": "a=b"}, 415, "unsupported_media_type"),
    ("POST", "/connections", {"json": []}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {}}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {"provider_config_key": "sandbox"}}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {"provider_config_key": "sandbox", "credentials": {
        "type": "API_KEY", "apiKey": "k"}}}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {"provider_config_key": "sandbox", "credentials": {
        "type": "OAUTH2", "access_token": 7}}}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {"provider_config_key": "sandbox", "colour": "red", "credentials": {
        "type": "OAUTH2", "access_token": "a"}}}, 400, "invalid_body"),
    ("POST", "/connections", {"json": {"provider_config_key": "nothing", "credentials": {
        "type": "OAUTH2", "access_token": "a"}}}, 404, None),
    ("PATCH", "/connections/CONNECTION?provider_config_key=sandbox", {"json": {"tags": {"9": "x"}}}, 400,
     "invalid_body"),
    ("DELETE", "/connections/nobody?provider_config_key=sandbox", {}, 404, None),
    ("POST", "/connections/metadata", {"json": {"connection_id": ["CONNECTION", "nobody"],
     "provider_config_key": "sandbox", "metadata": {"a": 1}}}, 404, "unknown_connection"),
    # Connect sessions
    ("POST", "/connect/sessions", {"json": {}}, 400, "invalid_body"),
    ("POST", "/connect/sessions", {"json": {"end_user": {"id": "u"}, "allowed_integrations": ["nothing"]}}, 400,
     "invalid_body"),
    ("POST", "/connect/sessions", {"json": {"end_user": {"id": "u", "shoe": 43}}}, 400, "invalid_body"),
    ("POST", "/connect/sessions/reconnect", {"json": {"connection_id": "nobody", "integration_id": "sandbox"}}, None,
     None),
    ("GET", "/connect/attempts/" + "0" * 64, {}, 401, None),
    # Integrations and providers
    ("GET", "/providers/nothing", {}, 404, None),
    ("GET", "/integrations/nothing", {}, 404, None),
    ("POST", "/integrations", {"json": {"unique_key": "x", "provider": "nothing"}}, None, None),
    ("POST", "/integrations", {"json": {"unique_key": "a/b", "provider": "sandbox-local"}}, 400, "invalid_body"),
    ("POST", "/integrations", {"json": {"unique_key": "x", "provider": "sandbox-local", "colour": 1}}, 400,
     "invalid_body"),
    ("POST", "/integrations", {"json": {"unique_key": "sandbox", "provider": "sandbox-local"}}, None, None),
    ("PATCH", "/integrations/sandbox", {"json": {"unique_key": "renamed"}}, None, None),
    ("DELETE", "/integrations/nothing", {}, 404, None),
    # Syncs
    ("POST", "/sync/trigger", {"json": {"syncs": ["tickets"]}}, 400, None),
    ("POST", "/sync/trigger", {"json": {"provider_config_key": "nothing", "syncs": ["tickets"]}}, None, None),
    ("POST", "/sync/trigger", {"json": NOWHERE}, None, "unknown_connection"),
    ("POST", "/sync/trigger", {"json": {**NOWHERE, "connection_id": "CONNECTION", "syncs": ["nothing"]}}, None, None),
    ("POST", "/sync/trigger", {"json": {**NOWHERE, "syncs": "tickets"}}, 400, "invalid_body"),
    ("POST", "/sync/start", {"json": NOWHERE}, None, "unknown_connection"),
    ("POST", "/sync/pause", {"json": NOWHERE}, None, "unknown_connection"),
    ("GET", "/sync/status?provider_config_key=sandbox", {}, 400, "invalid_query_params"),
    ("PUT", "/sync/update-connection-frequency", {"json": {"provider_config_key": "sandbox",
     "connection_id": "CONNECTION", "sync_name": "tickets", "frequency": "every 5 seconds"}}, 400, "invalid_body"),
    ("PUT", "/sync/update-connection-frequency", {"json": {"provider_config_key": "sandbox",
     "connection_id": "CONNECTION", "sync_name": "tickets", "frequency": "often"}}, 400, "invalid_body"),
    # The environment
    ("PATCH", "/environment", {"json": {"webhook": {"primary_url": 7}}}, 400, "invalid_body"),
    ("PATCH", "/environment", {"json": {"webhook": {"primary_url": "ftp://x"}}}, 400, "invalid_body"),
    ("PATCH", "/environment", {"json": {"default_origins": ["app.example.com/x"]}}, 400, "invalid_body"),
    ("PATCH", "/environment", {"json": {"colour": "red"}}, 400, "invalid_body"),
    ("POST", "/environment/webhook-signing-key/rotate", {"json": {"colour": "red"}}, 400, "invalid_body"),
    ("GET", "/webhook-events?colour=red", {}, 400, "invalid_query_params"),
    ("GET", "/webhook-events/nothing", {}, 404, None),
    ("GET", "/logs/operations?colour=red", {}, 400, "invalid_query_params"),
    ("GET", "/nothing/here", {}, 404, None),
    ("DELETE", "/records", {"headers": HEADERS}, 405, "method_not_allowed"),
]

# Every endpoint that takes a body, for what must be refused before the body is understood.
WITH_BODY = sorted({(method, path) for method, path, _, _, _ in TABLE if method in ("POST", "PATCH", "PUT")})

# Here every field is optional, so that an empty body is a request for nothing.
MAY_BE_EMPTY = [
    "/environment", "/environment/webhook-signing-key/rotate", "/integrations/sandbox",
    "/connections/CONNECTION?provider_config_key=sandbox",
]

EVERY_ENDPOINT = sorted({
    (method, path.split("?")[0]) for method, path, _, _, _ in TABLE
    if "nothing/" not in path and (method, path) != ("DELETE", "/records")
})


class World:
    """One server with one connection, and a picture of everything that must not change."""

    def __init__(self, terapi, connection_id):
        self.terapi = terapi
        self.api = terapi.api()
        self.connection_id = connection_id

    def fill(self, value):
        return json.loads(json.dumps(value).replace("CONNECTION", self.connection_id))

    def picture(self):
        headers = {"Provider-Config-Key": "sandbox", "Connection-Id": self.connection_id}
        connection = self.api.connection(self.connection_id, "sandbox")
        connection.pop("last_fetched_at", None)
        return [
            connection,
            self.api.ok("GET", "/connections"),
            self.api.ok("GET", "/integrations"),
            self.api.ok("GET", "/records", params={"model": "ticket", "limit": 1000}, headers=headers),
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    import definitions

    folder = tmp_path_factory.mktemp("bad-input")
    sandbox = conftest.Sandbox(folder, tickets=120, token_lifetime=3600)
    definitions.sandbox_provider(folder / "providers", sandbox.base)
    definitions.sandbox_sync(folder / "integrations")
    with Terapi(folder / "terapi", integrations=folder / "integrations", providers=folder / "providers") as terapi:
        api = terapi.api()
        api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
        connection_id = connect_sandbox(api, "sandbox")
        wait_for_runs(api, "sandbox", connection_id, "tickets")
        yield World(terapi, connection_id)
    sandbox.program.stop()


def refused(response, status=None, code=None):
    assert 400 <= response.status_code < 500, f"{response.status_code} {response.text[:500]}"
    if status:
        assert response.status_code == status, response.text[:500]
    error = response.json()["error"]
    assert isinstance(error["code"], str)
    if code:
        assert error["code"] == code, response.text[:500]
    assert "Error Domain" not in response.text and ".swift" not in response.text
    return error


@pytest.mark.parametrize("method, path, options, status, code", TABLE, ids=lambda value: str(value)[:40])
def test_refuses_and_changes_nothing(world, method, path, options, status, code):
    before = world.picture()

    path = path.replace("CONNECTION", world.connection_id)
    error = refused(world.api.call(method, path, **world.fill(options)), status, code)

    if error["code"].startswith("invalid_") and error.get("errors"):
        assert all(issue["message"] for issue in error["errors"])
    assert world.picture() == before


@pytest.mark.parametrize("key, code", [
    (None, "missing_auth_header"),
    ("", "malformed_auth_header"),
    ("Basic eDp5", "malformed_auth_header"),
    ("Bearer ", None),
    ("Bearer nonsense", None),
    ("Bearer 00000000-0000-4000-8000-000000000000", None),
    ("Bearer terapi_connect_session_" + "0" * 64, None),
])
@pytest.mark.parametrize("method, path", EVERY_ENDPOINT)
def test_every_endpoint_asks_who_it_is(world, method, path, key, code):
    headers = {} if key is None else {"Authorization": key}
    response = requests.request(method, world.terapi.base + path, headers=headers, timeout=30)

    refused(response, 401, None if path.startswith("/connect/attempts/") else code)


@pytest.mark.parametrize("method, path", WITH_BODY)
@pytest.mark.parametrize("body", ["", "{", "[1]", "null", "\x00", '{"a":1}{', "[" * 200_000, '{"x":' * 5000])
def test_a_body_that_is_no_json_object(world, method, path, body):
    if body == "" and path in MAY_BE_EMPTY:
        pytest.skip("every field is optional")
    path = path.replace("CONNECTION", world.connection_id)
    refused(world.api.call(method, path, data=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize("method, path", WITH_BODY)
def test_a_body_of_11_megabytes(world, method, path):
    path = path.replace("CONNECTION", world.connection_id)
    body = b'{"x":"' + b"x" * (11 * 1024 * 1024) + b'"}'
    try:
        refused(world.api.call(method, path, data=body), 413, "payload_too_large")
    except requests.ConnectionError:
        # The answer came before the body was read, and the connection was closed: that is a refusal too.
        pass
    assert world.api.call("GET", "/integrations").ok


def test_another_environments_connection_is_like_an_unknown_one(world):
    other = world.terapi.api("prod")
    other.call("POST", "/integrations", json={
        "unique_key": "sandbox", "provider": "sandbox-local", "credentials": conftest.Sandbox.credentials,
    })
    foreign, unknown = world.connection_id, "00000000-0000-4000-8000-000000000000"

    def answers(connection_id):
        headers = {"Provider-Config-Key": "sandbox", "Connection-Id": connection_id}
        query = {"provider_config_key": "sandbox"}
        body = {"provider_config_key": "sandbox", "connection_id": connection_id, "syncs": ["tickets"]}
        session = {"connection_id": connection_id, "integration_id": "sandbox"}
        metadata = {"provider_config_key": "sandbox", "connection_id": connection_id, "metadata": {"a": 1}}
        calls = [
            other.call("GET", f"/connections/{connection_id}", params=query),
            other.call("PATCH", f"/connections/{connection_id}", params=query, json={"tags": {"a": "b"}}),
            other.call("DELETE", f"/connections/{connection_id}", params=query),
            other.call("GET", "/records", params={"model": "ticket"}, headers=headers),
            other.call("POST", "/sync/trigger", json=body),
            other.call("POST", "/sync/pause", json=body),
            other.call("GET", "/sync/status", params={**query, "connection_id": connection_id, "syncs": "*"}),
            other.call("POST", "/connect/sessions/reconnect", json=session),
            other.call("POST", "/connections/metadata", json=metadata),
        ]
        return [(call.status_code, call.text.replace(connection_id, "ID")) for call in calls]

    before = world.picture()
    assert answers(foreign) == answers(unknown)
    assert all(status >= 400 for status, _ in answers(foreign))
    assert world.picture() == before


def test_no_answer_holds_a_secret_that_was_not_asked_for(world):
    for path in ("/connections", "/integrations", "/integrations/sandbox", "/providers/sandbox-local"):
        text = world.api.call("GET", path).text
        assert "sandbox-secret" not in text
        assert "access_" not in text and "refresh_" not in text.replace("refresh_params", "").replace("refresh_token", "")
