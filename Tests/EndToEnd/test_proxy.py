"""Customers' own requests through a connection: every form of body both ways, without keeping it, within the guard."""

import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest
import requests

import definitions
from relay_provider import PIECE, RelayProvider
from server import BINARY, IS_FULL, Terapi, eventually

HEADERS = {"Provider-Config-Key": "desk", "Connection-Id": "alice"}
SECRET = "key/with+signs=and-more"
LARGE = 1_000_000_000 if IS_FULL else 150_000_000
ALLOWED_MEMORY = 64_000_000


@pytest.fixture
def provider():
    provider = RelayProvider()
    yield provider
    provider.close()


def start(tmp_path, definitions_folder, provider, **environment):
    definitions.write(definitions_folder / "providers", "desk.yaml", f"""
        display_name: Desk
        categories: [ticketing]
        docs: https://desk.example/docs
        auth_mode: API_KEY
        proxy:
            base_url: {provider.base}
            headers:
                x-api-key: ${{apiKey}}
            query:
                key: ${{apiKey}}
        """)
    definitions.write(definitions_folder / "providers", "merging.yaml", f"""
        display_name: Merging
        categories: [ticketing]
        docs: https://desk.example/docs
        auth_mode: API_KEY
        proxy:
            base_url: {provider.base}
            body:
                auth_key: ${{apiKey}}
        """)
    definitions.write(definitions_folder / "providers", "unaddressed.yaml", """
        display_name: Unaddressed
        categories: [ticketing]
        docs: https://desk.example/docs
        auth_mode: NONE
        """)
    definitions.write(definitions_folder / "providers", "oauth.yaml", f"""
        display_name: OAuth
        categories: [ticketing]
        docs: https://desk.example/docs
        auth_mode: OAUTH2
        authorization_url: {provider.base}/authorize
        token_url: {provider.base}/token
        rotation: static
        proxy:
            base_url: {provider.base}
        """)
    terapi = Terapi(
        tmp_path / "terapi",
        providers=definitions_folder / "providers",
        environment={"TERAPI_OUTBOUND_ALLOW": "127.0.0.1/32", **environment},
    )
    terapi.start()
    api = terapi.api()
    api.create_integration("desk", "desk")
    api.import_connection("desk", {"type": "API_KEY", "apiKey": SECRET}, "alice")
    return terapi


@pytest.fixture
def terapi(tmp_path, definitions_folder, provider):
    terapi = start(tmp_path, definitions_folder, provider)
    yield terapi
    assert terapi.program.process.poll() is None, terapi.program.tail()
    terapi.stop()


@pytest.fixture
def api(terapi):
    return terapi.api()


def send(api, method, path, headers={}, **options):
    return api.call(method, "/proxy" + path, headers={**HEADERS, **headers}, **options)


def code_of(answer):
    return answer.json()["error"]["code"]


def oauth_connection(api, **credentials):
    api.create_integration("oauth", "oauth", {"type": "OAUTH2", "client_id": "c", "client_secret": "client-secret-1"})
    api.import_connection("oauth", {"type": "OAUTH2", "access_token": "stale", "refresh_token": "r1", **credentials}, "bob")
    return {"Provider-Config-Key": "oauth", "Connection-Id": "bob"}


# --- What passes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("body", [None, b'{"a": 1}', bytes(range(256)), b"a=1&b=%20"])
def test_method_query_and_body_pass_as_they_are(api, provider, method, body):
    type = {"Content-Type": "application/x-thing"} if body else {}

    answer = send(api, method, "/echo/a%2Fb?q=%20x+y&q=2&flag&page[size]=5", type, data=body)

    assert answer.status_code == 200 and answer.headers["X-Seen"] == method
    assert provider.last["method"] == method
    path, query = provider.last["path"].split("?")
    assert path == "/echo/a%2Fb"
    assert query.startswith("q=%20x+y&q=2&flag&page%5Bsize%5D=5") and query.endswith("key=key%2Fwith%2Bsigns%3Dand-more")
    assert provider.last["body"] == (body or b"")
    assert provider.last["headers"].get("content-type") == type.get("Content-Type")


def test_an_answer_to_head_keeps_its_length(api, provider):
    for path in ["/echo", "/stall"]:
        provider.gate.set()
        answer = send(api, "HEAD", path)
        assert answer.status_code == 200 and answer.content == b""
    # The same connection is still in step.
    assert int(send(api, "HEAD", "/echo").headers["Content-Length"]) > 0
    assert send(api, "GET", "/echo").json()["method"] == "GET"


def test_files_of_a_form_pass(api, provider):
    files = {"shot": ("shot.png", b"\x89PNG" + bytes(300_000), "image/png"), "note": (None, "hello")}

    send(api, "POST", "/echo", files=files)

    assert provider.last["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert provider.last["bytes"] > 300_000
    assert b'filename="shot.png"' in provider.last["body"] and b"\x89PNG" in provider.last["body"]


def test_a_body_of_unknown_length_passes(api, provider):
    pieces = [b"one", b"two" * 100_000, b"three"]

    send(api, "PUT", "/echo", data=iter(pieces))

    assert provider.last["headers"]["transfer-encoding"] == "chunked"
    assert provider.last["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_caller_who_waits_to_be_told_is_told_that_the_body_is_wanted(terapi, provider):
    def ask(path, more=""):
        connection = socket.create_connection(("127.0.0.1", terapi.port), timeout=10)
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {terapi.key()}\r\n"
            f"Content-Length: 5\r\nExpect: 100-continue\r\n{more}\r\n".encode())
        return connection

    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    with ask("/proxy/echo", headers) as connection:
        reader = connection.makefile("rb")
        assert reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        while reader.readline() != b"\r\n":
            pass
        connection.sendall(b"hello")
        assert reader.readline().startswith(b"HTTP/1.1 200")
    assert provider.last["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert "expect" not in provider.last["headers"]
    # Who is refused is not asked to send anything first.
    with ask("/proxy/echo") as connection:
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400")


def test_only_marked_headers_are_sent_on(api, provider):
    send(api, "GET", "/echo", {
        "Terapi-Proxy-X-Thing": "yes", "Terapi-Proxy-Accept": "text/csv", "X-Other": "no", "Cookie": "c=1",
        "Terapi-Proxy-Host": "evil.example", "Terapi-Proxy-Content-Length": "7", "Nango-Proxy-X-Old": "no",
    })

    seen = provider.last["headers"]
    assert seen["x-thing"] == "yes" and seen["accept"] == "text/csv" and seen["x-api-key"] == SECRET
    assert not {"x-other", "cookie", "authorization", "x-old", "content-length", "accept-encoding"} & set(seen)
    assert seen["host"] == f"127.0.0.1:{provider.port}"


def test_the_answers_headers_pass_but_those_of_its_connection(api):
    headers = send(api, "GET", "/headers").headers

    assert headers["X-Request-Id"] == "theirs" and headers["ETag"] == '"v1"' and headers["Set-Cookie"] == "a=b"
    assert headers["X-RateLimit-Remaining"] == "7"
    assert "Keep-Alive" not in headers and "X-Only-Here" not in headers
    assert send(api, "GET", "/empty").status_code == 204


def test_a_compressed_answer_passes_as_it_is_or_is_unpacked_on_the_way(api):
    with send(api, "GET", "/gzip", stream=True) as packed:
        raw = packed.raw.read(decode_content=False)
    assert packed.headers["Content-Encoding"] == "gzip" and raw[:2] == b"\x1f\x8b"

    with send(api, "GET", "/gzip", {"Decompress": "true"}, stream=True) as unpacked:
        raw = unpacked.raw.read(decode_content=False)
    assert "Content-Encoding" not in unpacked.headers and raw == b'{"zipped": true}' * 1000


def test_a_providers_own_fields_join_the_body(api, provider):
    api.create_integration("merging", "merging")
    api.import_connection("merging", {"type": "API_KEY", "apiKey": SECRET}, "m")
    headers = {"Provider-Config-Key": "merging", "Connection-Id": "m"}

    send(api, "POST", "/echo", headers, json={"a": 1})
    assert json.loads(provider.last["body"]) == {"auth_key": SECRET, "a": 1}
    send(api, "POST", "/echo", headers, data={"a": "1"})
    assert provider.last["body"] == b"a=1&auth_key=key%2Fwith%2Bsigns%3Dand-more"
    send(api, "POST", "/echo", headers, data=b"\x00raw")
    assert provider.last["body"] == b"\x00raw"


# --- Streams ---------------------------------------------------------------------------------------------------------


def test_what_has_come_passes_while_the_rest_is_still_to_come(api, provider):
    with send(api, "GET", "/stall", stream=True) as answer:
        assert answer.raw.read1() == b"first"
        assert not provider.gate.is_set()
        provider.gate.set()
        assert answer.raw.read() == b"second"


def test_both_directions_flow_at_once(terapi):
    """A provider that answers each piece before it reads the next: whoever waited for the end would wait for ever."""
    size = 32_000_000
    received = []
    with socket.create_connection(("127.0.0.1", terapi.port)) as connection:
        connection.sendall(head(terapi, "POST", "/duplex", f"Content-Length: {size}"))

        def write():
            for start in range(0, size, len(PIECE)):
                connection.sendall(PIECE[: size - start])

        writer = threading.Thread(target=write)
        writer.start()
        response = http.client.HTTPResponse(connection)
        response.begin()
        received.append(response.read())
        writer.join(60)

    assert len(received[0]) == size


def head(terapi, method, path, *lines):
    named = [f"{name}: {value}" for name, value in HEADERS.items()]
    return "\r\n".join(
        [f"{method} /proxy{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {terapi.key()}", *named, *lines, "", ""]
    ).encode()


def resident(terapi):
    fields = pathlib.Path(f"/proc/{terapi.program.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


class MemoryPeak:
    """The most that the server had beyond what it had before."""

    def __init__(self, terapi):
        self.terapi, self.before, self.most, self.done = terapi, resident(terapi), 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(0.02):
            self.most = max(self.most, resident(self.terapi) - self.before)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def test_a_large_answer_costs_little_memory(terapi, api):
    assert send(api, "GET", "/echo").ok
    with MemoryPeak(terapi) as peak, send(api, "GET", f"/big?bytes={LARGE}", stream=True) as answer:
        count = sum(len(piece) for piece in answer.iter_content(1 << 20))

    assert count == LARGE
    assert peak.most <= ALLOWED_MEMORY, f"{peak.most / 1e6:.0f} MB more"


def test_a_large_body_costs_little_memory(terapi, api, provider):
    assert send(api, "GET", "/echo").ok
    pieces = (PIECE[: min(len(PIECE), LARGE - start)] for start in range(0, LARGE, len(PIECE)))
    with MemoryPeak(terapi) as peak:
        answer = send(api, "POST", "/echo", {"Content-Length": str(LARGE)}, data=Sized(pieces, LARGE))

    assert answer.json()["bytes"] == LARGE
    assert "transfer-encoding" not in provider.last["headers"]
    assert peak.most <= ALLOWED_MEMORY, f"{peak.most / 1e6:.0f} MB more"


class Sized:
    """An iterable of known length, so that it is sent with a Content-Length."""

    def __init__(self, pieces, length):
        self.pieces, self.length = pieces, length

    def __iter__(self):
        return iter(self.pieces)

    def __len__(self):
        return self.length


def settled(read):
    """The value once it has not changed for a second."""
    value, since = read(), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.05)
        if read() != value:
            value, since = read(), time.monotonic()
    return value


def test_a_caller_that_does_not_read_holds_the_provider_back(terapi, provider):
    with MemoryPeak(terapi) as peak, socket.create_connection(("127.0.0.1", terapi.port)) as connection:
        connection.sendall(head(terapi, "GET", "/endless"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        # What the two sockets on the way hold, and no more.
        assert settled(lambda: provider.moved) < 40_000_000
        stopped_at = provider.moved
        while len(connection.recv(1 << 20)) and provider.moved <= stopped_at + 40_000_000:
            pass
    assert peak.most <= ALLOWED_MEMORY
    assert provider.left.wait(30), "the provider goes on sending to nobody"


def test_a_provider_that_does_not_read_holds_the_caller_back(terapi, provider):
    with MemoryPeak(terapi) as peak, socket.create_connection(("127.0.0.1", terapi.port)) as connection:
        sent = 0
        connection.sendall(head(terapi, "POST", "/held", "Content-Length: 200000000"))
        connection.setblocking(False)
        held_since = time.monotonic()
        while time.monotonic() - held_since < 1:
            try:
                sent += connection.send(PIECE[: 200_000_000 - sent])
                held_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
            assert sent < 60_000_000, "nobody holds the caller back"
        provider.gate.set()
        connection.setblocking(True)
        while sent < 200_000_000:
            sent += connection.send(PIECE[: 200_000_000 - sent])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert json.loads(answer.read()) == {"bytes": 200_000_000}
    assert peak.most <= ALLOWED_MEMORY


def test_a_caller_that_goes_away_ends_the_request_to_the_provider(terapi, api, provider):
    answer = send(api, "GET", "/stall", stream=True)
    assert answer.raw.read1() == b"first"
    answer.close()
    assert provider.left.wait(30)
    assert eventually(lambda: [o for o in operations(api) if o["state"] == "cancelled"])

    # And while there is no answer at all.
    provider.left.clear()
    with socket.create_connection(("127.0.0.1", terapi.port)) as connection:
        connection.sendall(head(terapi, "POST", "/held", "Content-Length: 5000000") + PIECE)
        eventually(lambda: provider.moved > 0)
    provider.gate.set()
    assert provider.left.wait(30)


def test_an_answer_that_breaks_off_breaks_off_for_the_caller_too(terapi, api):
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        send(api, "GET", "/break").content
    (message,) = messages(api, eventually(lambda: [o for o in operations(api) if o["state"] == "failed"])[0])
    assert "broke off" in message["message"] and message["meta"]["response"]["body_bytes"] == 9


@pytest.mark.parametrize("path", ["/early", "/early-in-chunks"])
def test_an_early_answer_reaches_a_caller_who_still_sends(terapi, path):
    with socket.create_connection(("127.0.0.1", terapi.port)) as connection:
        connection.sendall(head(terapi, "POST", path, "Content-Length: 50000000") + PIECE)
        response = http.client.HTTPResponse(connection)
        connection.settimeout(30)
        connection.sendall(PIECE)
        response.begin()
        assert response.status == 413 and json.loads(response.read()) == {"why": "too large"}


# --- Again -----------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_again_unless_the_caller_says_so(api, provider):
    provider.failures = [(503, {}), (503, {})]

    answer = send(api, "GET", "/flaky")

    assert answer.status_code == 503 and len(provider.requests) == 1


@pytest.mark.parametrize("status,headers", [
    (503, {}), (500, {}), (429, {}), (418, {"Retry-On": "418,499"}),
])
def test_a_failure_is_tried_again_with_the_same_body(api, provider, status, headers):
    provider.failures = [(status, {"Retry-After": "0"})] * 2

    answer = send(api, "POST", "/flaky", {"Retries": "2", **headers}, data=b"x" * 900_000)

    assert answer.status_code == 200
    assert [r["bytes"] for r in provider.requests] == [900_000] * 3


def test_the_last_failure_is_the_answer(api, provider):
    provider.failures = [(503, {"Retry-After": "0", "X-Try": str(number)}) for number in range(5)]

    answer = send(api, "GET", "/flaky", {"Retries": "2"})

    assert answer.status_code == 503 and answer.headers["X-Try"] == "2" and len(provider.requests) == 3


def test_a_wait_that_the_provider_asks_for_is_kept(api, provider):
    provider.failures = [(503, {"Retry-After": "2"})]
    begun = time.monotonic()

    assert send(api, "GET", "/flaky", {"Retries": "1"}).ok
    assert time.monotonic() - begun >= 2


def test_a_body_that_is_not_kept_is_sent_once(api, provider):
    provider.failures = [(503, {"Retry-After": "0"})] * 2

    large = send(api, "POST", "/flaky", {"Retries": "2"}, data=b"x" * 1_000_001)
    unknown = send(api, "POST", "/flaky", {"Retries": "2"}, data=iter([b"x"]))

    assert [large.status_code, unknown.status_code] == [503, 503] and len(provider.requests) == 2


def test_a_refused_token_is_renewed_once(api, provider):
    headers = oauth_connection(api, expires_at="2099-01-01T00:00:00.000Z")

    answer = send(api, "POST", "/private", headers, data=b"once more")

    assert answer.status_code == 200 and provider.refreshes == 1
    assert provider.last["headers"]["authorization"] == "Bearer fresh" and provider.last["body"] == b"once more"

    provider.accepted = {"nothing"}
    assert send(api, "GET", "/private", headers).status_code == 401
    assert provider.refreshes == 2


def test_a_connection_that_waits_for_its_refresh_is_a_failed_dependency(api, provider):
    provider.refuses_refresh = True
    headers = oauth_connection(api, expires_at="2020-01-01T00:00:00.000Z")

    first, second = [send(api, "GET", "/private", headers) for _ in range(2)]

    assert code_of(first) == "refresh_token_external_error"
    assert second.status_code == 424 and code_of(second) == "connection_refresh_backoff"
    assert int(second.headers["Retry-After"]) > 0
    assert not [r for r in provider.requests if r["path"] == "/private"]


# --- Where it may go -------------------------------------------------------------------------------------------------


def test_redirects_are_followed_within_the_guard(api, provider):
    stranger = RelayProvider()
    try:
        assert send(api, "GET", "/redirect?to=/echo").json()["path"].startswith("/echo")

        # Another origin gets no credentials, unless the caller says so.
        assert send(api, "GET", f"/redirect?to={stranger.base}/echo").ok
        assert "x-api-key" not in stranger.last["headers"]
        assert send(api, "GET", f"/redirect?to={stranger.base}/echo", {"Forward-Headers-On-Redirect": "true"}).ok
        assert stranger.last["headers"]["x-api-key"] == SECRET

        # What has passed through cannot be sent to the next place.
        large = send(api, "POST", "/redirect?status=307&to=/echo", data=b"x" * 1_000_001, allow_redirects=False)
        assert large.status_code == 307
        small = send(api, "POST", "/redirect?status=307&to=/echo", data=b"x", allow_redirects=False)
        assert small.status_code == 200 and provider.last["body"] == b"x"
    finally:
        stranger.close()


@pytest.mark.parametrize("place", ["http://127.0.0.2:{port}/", "http://169.254.169.254/", "http://[::1]:{port}/", "file:///etc/passwd"])
def test_no_way_leads_to_a_forbidden_address(api, provider, place):
    place = place.format(port=provider.port)

    redirected = send(api, "GET", f"/redirect?to={place}")
    overridden = send(api, "GET", "/echo", {"Base-Url-Override": place})
    absolute = send(api, "GET", "/" + place)

    assert redirected.status_code == 400 and code_of(redirected) == "proxy_redirect_to_denied_host"
    assert overridden.status_code == 400 and code_of(overridden) == "base_url_override_not_allowed"
    if place.startswith("http"):
        assert absolute.status_code == 400 and code_of(absolute) == "outbound_refused"
    else:
        # Without a scheme that can be called it is a path like any other.
        assert absolute.json()["path"].startswith("/file:///etc/passwd")


@pytest.mark.parametrize("placeholder", ["${now--9223372036854775808:days:X}", "${clientSecret}", "${refresh_token}"])
def test_no_address_stops_the_server_or_names_what_is_the_developers(terapi, api, provider, placeholder):
    headers = oauth_connection(api)
    stranger = RelayProvider()
    try:
        for path, more in [("/echo?x=" + placeholder, {}), ("/echo", {"Base-Url-Override": f"{stranger.base}/{placeholder}"})]:
            head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **more}.items())
            with socket.create_connection(("127.0.0.1", terapi.port), timeout=10) as connection:
                connection.sendall(
                    f"GET /proxy{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {terapi.key()}\r\n"
                    f"{head}\r\n".encode())
                assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400")
        assert not stranger.requests and not provider.requests
    finally:
        stranger.close()


def test_another_base_url_is_the_callers_own_decision(api, provider):
    stranger = RelayProvider()
    try:
        assert send(api, "GET", "/echo", {"Base-Url-Override": stranger.base + "/deep/"}).ok
        assert stranger.last["path"].startswith("/deep/echo?") and stranger.last["headers"]["x-api-key"] == SECRET
        assert not provider.requests
    finally:
        stranger.close()


# --- What is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers,status,code,paths", [
    ({"Provider-Config-Key": None, "Connection-Id": None}, 400, "invalid_headers",
     [["provider-config-key"], ["connection-id"]]),
    ({"Retries": "11", "Retry-On": "5xx", "Decompress": "yes", "Forward-Headers-On-Redirect": "1"}, 400,
     "invalid_headers", [["retries"], ["retry-on"], ["decompress"], ["forward-headers-on-redirect"]]),
    ({"Connection-Id": "nobody"}, 400, "unknown_connection", None),
    ({"Provider-Config-Key": "nothing"}, 404, "unknown_provider_config", None),
    ({"Base-Url-Override": "not a url"}, 400, "base_url_override_not_allowed", None),
])
def test_own_errors_say_what_to_do(api, provider, headers, status, code, paths):
    answer = send(api, "GET", "/echo", headers)

    assert answer.status_code == status and code_of(answer) == code
    if paths:
        assert [issue["path"] for issue in answer.json()["error"]["errors"]] == paths
    assert not provider.requests


def test_a_provider_without_an_address_needs_one(api, provider, definitions_folder):
    api.create_integration("none", "unaddressed")
    api.import_connection("none", {"type": "NONE"}, "n")
    headers = {"Provider-Config-Key": "none", "Connection-Id": "n"}

    assert code_of(send(api, "GET", "/echo", headers)) == "missing_api_url"
    assert send(api, "GET", "/echo", {**headers, "Base-Url-Override": provider.base}).ok


def test_a_browsers_question_is_answered_here(terapi, provider):
    answer = requests.options(
        terapi.base + "/proxy/echo",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}, timeout=30,
    )

    assert answer.status_code == 204 and "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert not provider.requests


def test_callers_who_move_over_keep_their_headers(tmp_path, definitions_folder, provider):
    terapi = start(tmp_path, definitions_folder, provider, TERAPI_COMPAT="nango")
    try:
        assert send(terapi.api(), "GET", "/echo", {"Nango-Proxy-X-Old": "yes"}).ok
        assert provider.last["headers"]["x-old"] == "yes"
    finally:
        terapi.stop()


# --- Logs ------------------------------------------------------------------------------------------------------------


def operations(api):
    return api.ok("GET", "/logs/operations", params={"type": "proxy:call"})["data"]


def messages(api, operation):
    return api.ok("GET", f"/logs/operations/{operation['id']}/messages")["data"]


def test_a_call_is_in_the_logs_and_no_secret_is(api, provider):
    secret_answer = send(api, "POST", "/echo/" + "x?page=2&access_token=their-own-token", {
        "Terapi-Proxy-Authorization": "Bearer callers-token", "Terapi-Proxy-X-Thing": "shown",
    }, data=b"body-of-the-request")
    assert secret_answer.ok
    provider.failures = [(503, {"Retry-After": "0"})]
    send(api, "GET", "/flaky", {"Retries": "1"})
    # What a provider gives back is no reason to show it.
    send(api, "GET", f"/redirect?status=308&to=/echo?key={SECRET}")

    found = eventually(lambda: len(ops := operations(api)) == 3 and all(o["state"] != "running" for o in ops) and ops)
    assert [o["state"] for o in found] == ["success"] * 3
    first = found[-1]
    assert first["type"] == "proxy:call" and first["message"] == "POST /echo/x"
    assert first["integration_id"] == "desk" and first["connection_id"] == "alice"
    (message,) = messages(api, first)
    request, response = message["meta"]["request"], message["meta"]["response"]
    assert request["method"] == "POST" and request["url"] == f"{provider.base}/echo/x?page=2&access_token=***"
    assert request["headers"]["x-thing"] == "shown" and request["headers"]["authorization"] == "***"
    assert response["status"] == 200 and response["headers"]["x-seen"] == "POST" and response["body_bytes"] > 0
    retried = messages(api, found[-2])
    assert "status 503; attempt 1" in retried[0]["message"]
    everything = json.dumps([[o, messages(api, o)] for o in found])
    for secret in [SECRET, "key%2Fwith", "their-own-token", "callers-token", "body-of-the-request"]:
        assert secret not in everything


# --- The command and the document ------------------------------------------------------------------------------------


def test_the_command_sends_a_request(terapi, provider, tmp_path):
    def run(*arguments, stdin=None):
        return subprocess.run(
            [BINARY, "proxy", *arguments, "--integration", "desk", "--connection", "alice", "--host", terapi.base],
            input=stdin, capture_output=True, env={**os.environ, "TERAPI_API_KEY": terapi.key()}, timeout=60,
        )

    done = run("GET", "/tickets")
    assert done.returncode == 0 and json.loads(done.stdout) == [{"id": 1, "title": "It is broken"}]

    large = os.urandom(3_000_000)
    done = run("PUT", "/echo", "--data", "@-", "--header", "Content-Type: image/png", stdin=large)
    assert json.loads(done.stdout)["sha256"] == hashlib.sha256(large).hexdigest()
    assert provider.last["headers"]["content-type"] == "image/png"

    done = run("GET", "/tickets/9")
    assert done.returncode != 0 and b"404" in done.stderr and b"no such ticket" in done.stdout


def examples():
    """The commands of docs/proxy.md, each with what the document says that it prints."""
    text = (pathlib.Path(__file__).parents[2] / "docs/proxy.md").read_text()
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    found = []
    for (language, block), (following, answer) in zip(blocks, [*blocks[1:], ("", "")]):
        if language == "bash":
            found.append((block, answer if following == "json" else None))
    return found


def test_the_document_says_what_happens(terapi, provider, tmp_path):
    (tmp_path / "shot.png").write_bytes(b"\x89PNG" + bytes(1000))
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "terapi").symlink_to(pathlib.Path(BINARY).resolve())
    environment = {
        **os.environ, "TERAPI": terapi.base, "KEY": terapi.key(), "TERAPI_HOST": terapi.base,
        "TERAPI_API_KEY": terapi.key(), "PATH": f"{bin}:{os.environ['PATH']}", "OVERRIDE": provider.base,
    }
    commands = examples()
    assert len(commands) >= 5

    for command, expected in commands:
        command = command.replace("https://uploads.desk.example", provider.base)
        done = subprocess.run(["bash", "-euc", command], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, command + done.stderr
        if expected:
            assert json.loads(done.stdout) == json.loads(expected), command
