"""An end user connects an account in a browser popup, at an OAuth server that none of us wrote."""

import http.server
import json
import threading

import oauth_browser
import pytest
import requests

import definitions
from person import connect_address, connect_session, connections_of
from server import Terapi

# What an application's own page does: opens the popup in the click, and learns the result both ways.
APPLICATION_PAGE = """
<!doctype html><title>Application</title>
<button id="connect">Connect</button>
<script>
  const settings = SETTINGS;
  const messages = [];
  const attempts = [];
  addEventListener("message", event => messages.push({ origin: event.origin, data: event.data }));
  document.getElementById("connect").onclick = () => {
    window.popup = window.open(settings.address, "connect", "width=500,height=600");
    const poll = setInterval(async () => {
      const answer = await fetch(settings.attempt, { headers: { Authorization: "Bearer " + settings.token } });
      if (!answer.ok) return;
      const attempt = await answer.json();
      attempts.push(attempt);
      if (attempt.state !== "pending") clearInterval(poll);
    }, 100);
  };
</script>
"""

ATTEMPT = "a" * 64


@pytest.fixture
def application():
    """A web server of its own origin that serves the application's page."""
    page = {"html": ""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = page["html"].encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}", page
    server.shutdown()


@pytest.fixture
def terapi(tmp_path, oauth_dot, definitions_folder):
    terapi = Terapi(tmp_path / "terapi", providers=definitions_folder / "providers")
    facts = oauth_dot(REDIRECTS=f"{terapi.base}/oauth/callback/dot")
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
        yield terapi


def sign_in(page):
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", "alice-pass-1")
    page.click("[type=submit]")
    page.wait_for_url("**/o/authorize/**")


def open_application(browser, application, terapi, session):
    origin, page_source = application
    address = connect_address(
        terapi.api(), "dot", session["token"], attempt_id=ATTEMPT, opener_origin=origin
    )
    settings = {
        "address": address,
        "attempt": f"{terapi.base}/connect/attempts/{ATTEMPT}",
        "token": session["token"],
    }
    page_source["html"] = APPLICATION_PAGE.replace("SETTINGS", json.dumps(settings).replace("</", "<\\/"))
    page = browser.new_context().new_page()
    page.goto(origin)
    return page


def test_a_person_connects_in_a_popup(terapi, application, browser):
    api = terapi.api()
    origin, _ = application
    session = connect_session(api, allowed_integrations=["dot"], allowed_origins=[origin])
    page = open_application(browser, application, terapi, session)

    with page.expect_popup() as opened:
        page.click("#connect")
    popup = opened.value
    sign_in(popup)
    with popup.expect_event("close", timeout=15_000):
        popup.click("input[name=allow]")

    page.wait_for_function("messages.length > 0 && attempts.some(a => a.state === 'success')")
    message = page.evaluate("messages[0]")
    attempt = page.evaluate("attempts.at(-1)")
    (connection,) = connections_of(api, "dot", "user123")
    assert message["origin"] == terapi.base
    assert attempt["connectionId"] == connection["connection_id"]
    assert attempt["providerConfigKey"] == "dot"
    # The page learns who, never with what.
    assert "token" not in json.dumps(message["data"])

    full = api.connection(connection["connection_id"], "dot")
    assert full["credentials"]["type"] == "OAUTH2"
    assert full["credentials"]["access_token"]


def test_a_person_denies(terapi, application, browser):
    api = terapi.api()
    origin, _ = application
    session = connect_session(api, allowed_integrations=["dot"], allowed_origins=[origin])
    page = open_application(browser, application, terapi, session)

    with page.expect_popup() as opened:
        page.click("#connect")
    popup = opened.value
    sign_in(popup)
    popup.click("input[type=submit]:not([name=allow])")

    page.wait_for_function("attempts.some(a => a.state === 'error')")
    assert connections_of(api, "dot", "user123") == []


def test_the_connect_link_leads_through(terapi, browser):
    """Terapi's own page, for applications that only pass a link on."""
    api = terapi.api()
    session = connect_session(api, allowed_integrations=["dot"])
    page = browser.new_context().new_page()
    page.goto(session["connect_link"])

    with page.expect_popup() as opened:
        page.get_by_role("button", name="Connect").click()
    popup = opened.value
    sign_in(popup)
    popup.click("input[name=allow]")

    page.get_by_text("is connected").wait_for()
    assert len(connections_of(api, "dot", "user123")) == 1


def test_a_full_page_redirect_comes_back(terapi, application, browser):
    """Without a popup: the browser goes to the provider and ends at the application again."""
    api = terapi.api()
    origin, page_source = application
    page_source["html"] = "<!doctype html><title>Back</title>"
    session = connect_session(api, allowed_integrations=["dot"], allowed_origins=[origin])
    page = browser.new_context().new_page()

    page.goto(connect_address(api, "dot", session["token"], return_url=f"{origin}/settings"))
    sign_in(page)
    page.click("input[name=allow]")
    page.wait_for_url(f"{origin}/settings**")

    assert len(connections_of(api, "dot", "user123")) == 1


def test_an_origin_that_is_not_registered_learns_nothing(terapi, application, browser):
    api = terapi.api()
    session = connect_session(api, allowed_integrations=["dot"], allowed_origins=["https://app.example.com"])
    page = open_application(browser, application, terapi, session)

    with page.expect_popup() as opened:
        page.click("#connect")
    opened.value.wait_for_load_state()

    assert "/o/authorize" not in opened.value.url and "/admin/login" not in opened.value.url
    assert page.evaluate("messages") == []
    assert connections_of(api, "dot", "user123") == []


def test_a_callback_in_another_browser_is_refused(terapi, application, browser):
    """Somebody sends a victim the address of a finished authorization: the state belongs to the first browser."""
    api = terapi.api()
    session = connect_session(api, allowed_integrations=["dot"])
    begun = requests.get(connect_address(api, "dot", session["token"]), allow_redirects=False, timeout=30)
    callback = oauth_browser.run(
        begun.headers["Location"], f"{terapi.base}/oauth/callback", "alice", "alice-pass-1"
    )

    answer = requests.get(callback, timeout=30)

    assert answer.status_code >= 400
    assert connections_of(api, "dot", "user123") == []
    # The state is used up: the right browser cannot go on with it either.
    again = requests.get(callback, cookies=begun.cookies, timeout=30)
    assert again.status_code >= 400
    assert connections_of(api, "dot", "user123") == []
