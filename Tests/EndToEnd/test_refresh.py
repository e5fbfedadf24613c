"""Access tokens that live seconds, refresh tokens that work once: the connection stays alive."""

import concurrent.futures

import pytest
import requests

import definitions
import oauth_browser
from person import connect_address, connect_session, connections_of
from server import Terapi


@pytest.fixture
def connected(tmp_path, oauth_dot, definitions_folder):
    """A connection to django-oauth-toolkit, whose reuse protection revokes everything when a refresh token comes twice."""
    terapi = Terapi(tmp_path / "terapi", providers=definitions_folder / "providers")
    facts = oauth_dot(REDIRECTS=f"{terapi.base}/oauth/callback/dot", ATOKEN_TTL=5)
    origin = facts["token_url"].split("/o/")[0]
    definitions.oauth_dot_provider(definitions_folder / "providers", facts, origin)
    with terapi:
        api = terapi.api()
        api.create_integration(
            "dot",
            "dot",
            {"type": "OAUTH2", "client_id": "loop-confidential", "client_secret": "loop-confidential-secret",
             "scopes": "openid,read"},
        )
        session = connect_session(api, allowed_integrations=["dot"])
        begun = requests.get(connect_address(api, "dot", session["token"]), allow_redirects=False, timeout=30)
        callback = oauth_browser.run(
            begun.headers["Location"], f"{terapi.base}/oauth/callback", "alice", "alice-pass-1"
        )
        assert requests.get(callback, cookies=begun.cookies, timeout=30).ok
        (connection,) = connections_of(api, "dot", "user123")
        yield terapi, api, connection["connection_id"], origin + "/api/whoami"


def who_am_i(resource, connection):
    token = connection["credentials"]["access_token"]
    return requests.get(resource, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code


def test_fifty_refreshes_in_a_row(connected):
    _, api, connection_id, resource = connected
    tokens = set()

    for _ in range(50):
        connection = api.connection(connection_id, "dot", force_refresh="true")
        tokens.add(connection["credentials"]["access_token"])
        assert who_am_i(resource, connection) == 200

    assert len(tokens) == 50


def test_many_who_ask_at_once_share_one_refresh(connected):
    """Four refreshes at once with one token would kill the connection for good at this provider."""
    _, api, connection_id, resource = connected

    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(lambda _: api.connection(connection_id, "dot", force_refresh="true"), range(20))
            )
        assert who_am_i(resource, answers[0]) == 200

    assert who_am_i(resource, api.connection(connection_id, "dot", force_refresh="true")) == 200


def test_a_restart_keeps_the_newest_refresh_token(connected):
    terapi, api, connection_id, resource = connected

    for _ in range(3):
        api.connection(connection_id, "dot", force_refresh="true")
        terapi.kill()
        terapi.start()

    assert who_am_i(resource, api.connection(connection_id, "dot", force_refresh="true")) == 200
