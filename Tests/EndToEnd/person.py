"""Plays the end user without a browser: follows redirects with cookies and says yes on the consent page of the sandbox."""

import html
import re

import requests

from server import eventually


def connect_session(api, end_user="user123", **more):
    body = {"end_user": {"id": end_user}, **more}
    return api.ok("POST", "/connect/sessions", json=body)["data"]


def connect_address(api, integration, token, **more):
    query = requests.compat.urlencode({"connect_session_token": token, **more})
    return f"{api.base}/oauth/connect/{integration}?{query}"


def allow_on_sandbox(api, integration, end_user="user123", decision="allow", **session_options):
    """A whole authorization. Returns the answer of the callback and the connections of this end user."""
    session = connect_session(api, end_user, allowed_integrations=[integration], **session_options)
    return decide_on_sandbox(api, integration, session, decision), connections_of(api, integration, end_user)


def decide_on_sandbox(api, integration, session, decision="allow"):
    """Goes through the sandbox's consent page. Returns the answer of the callback."""
    browser = requests.Session()
    consent = browser.get(connect_address(api, integration, session["token"]), timeout=30)
    assert consent.status_code == 200 and "Allow access" in consent.text, consent.text[:2000]
    action = re.search(r'<form method="post" action="([^"]+)"', consent.text).group(1)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', consent.text))
    fields = {name: html.unescape(value) for name, value in fields.items()}
    return browser.post(
        requests.compat.urljoin(consent.url, action), data={**fields, "decision": decision}, timeout=30
    )


def connections_of(api, integration, end_user):
    query = {"integrationId": integration, "endUserId": end_user}
    return api.ok("GET", "/connections", params=query)["connections"]


def connect_sandbox(api, integration, end_user="user123", **session_options):
    """A connection to the sandbox; returns its id."""
    callback, connections = allow_on_sandbox(api, integration, end_user, **session_options)
    assert callback.status_code == 200, callback.text[:2000]
    assert len(connections) == 1, connections
    return connections[0]["connection_id"]


def reconnect_sandbox(api, integration, connection_id):
    """The end user says yes once more, for the connection that there is."""
    body = {"integration_id": integration, "connection_id": connection_id}
    session = api.ok("POST", "/connect/sessions/reconnect", json=body)["data"]
    callback = decide_on_sandbox(api, integration, session)
    assert callback.status_code == 200, callback.text[:2000]


def wait_for_runs(api, integration, connection_id, sync, status="SUCCESS", seconds=120):
    """Waits until the sync does not run any more and its last run ended like this."""
    def done():
        state = api.sync_status(integration, connection_id, sync)
        return state if state["status"] == status and state["latestExecutionStatus"] == status else None

    return eventually(done, seconds, f"{sync} {status}")
