"""Runs every example of docs/authentication.md against a provider that checks what it is shown."""

import json
import os
import pathlib
import re
import subprocess

import pytest
import requests

from auth_provider import AuthProvider
from server import BINARY, Terapi

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/authentication.md"


def examples():
    """The sections that have a provider file: its name, the file, what the integration needs, what a person runs."""
    for section in re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        blocks = dict(re.findall(r"^```(yaml|json|bash)\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        if "yaml" in blocks:
            name = re.match(r"# (\S+)\.yaml", blocks["yaml"]).group(1)
            yield pytest.param(name, blocks, id=section.split("\n")[0])


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def provider():
    provider = AuthProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def terapi(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("auth")
    (folder / "providers").mkdir()
    for name, blocks in (example.values for example in EXAMPLES):
        text = blocks["yaml"].replace("https://acme.example", provider.base)
        (folder / "providers" / f"{name}.yaml").write_text(text)
    (folder / "key.pem").write_text(provider.private_pem)
    with Terapi(folder, providers=folder / "providers") as terapi:
        provider.terapi = terapi.base
        yield terapi


def set_up(terapi, provider, name, blocks):
    text = blocks.get("json", "{}").replace("https://acme.example", provider.base)
    more = json.loads(text.replace("$(cat key.pem)", provider.private_pem.replace("\n", "\\n")))
    more = {"credentials": more} if "type" in more else more
    return terapi.api().create_integration(name, name, **more)


def session_for(terapi, name):
    return terapi.api().ok(
        "POST",
        "/connect/sessions",
        json={
            "end_user": {"id": "u-1"},
            "allowed_integrations": [name],
            "integrations_config_defaults": {name: {"connection_config": {"external_id": "customer-7"}}},
        },
    )["data"]


def connect(terapi, provider, command, name):
    """Runs an example, and where it says `open …` does what a browser does. Returns what came of it."""
    session = session_for(terapi, name)["token"]
    environment = {**os.environ, "TERAPI": terapi.base, "SESSION": session, "KEY": terapi.key()}
    command = command.replace("https://acme.example", provider.base)
    done = subprocess.run(
        ["bash", "-c", command], cwd=terapi.folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    if not done.stdout.startswith("open "):
        return requests.models.complexjson.loads(done.stdout)
    page = requests.Session().get(done.stdout.removeprefix("open ").strip(), timeout=60)
    assert page.status_code == 200, page.text + "".join(provider.refusals)
    return {"providerConfigKey": name}


@pytest.mark.parametrize("name, blocks", EXAMPLES)
def test_example_connects_and_stays_connected(terapi, provider, name, blocks):
    set_up(terapi, provider, name, blocks)
    provider.refusals.clear()

    answer = connect(terapi, provider, blocks["bash"], name)

    assert answer.get("providerConfigKey") == name, (answer, provider.refusals)
    listed = terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]
    assert len(listed) == 1 and provider.refusals == []
    # The credentials were good for a request of their own, and are so again once they are renewed.
    before = len(provider.seen)
    shown = terapi.api().connection(listed[0]["connection_id"], name, force_refresh="true")["credentials"]
    mode = re.search(r"^auth_mode: (\S+)", blocks["yaml"], re.MULTILINE)
    mode = mode.group(1) if mode else "AWS_SIGV4"
    assert shown.get("type", "NONE") == {"MCP_OAUTH2_GENERIC": "OAUTH2"}.get(mode, mode)
    assert "refresh_token" not in str(shown)
    assert provider.refusals == []
    asks = mode not in ("OAUTH1", "JWT", "SIGNATURE", "NONE")
    assert (len(provider.seen) > before) == asks


# Every mode with a form, and what to change in its example so that the provider refuses it.
FORMS = pytest.mark.parametrize(
    "name, change",
    [
        ("acme-key", ("key-1", "key-2")), ("acme-basic", ("pass-1", "pass-2")), ("acme-cc", ("secret-1", "secret-2")),
        ("acme-steps", ("pass-1", "pass-2")), ("acme-jwt", ("issuer-1", "issuer-2")), ("acme-wsse", ("pass-1", "pass-2")),
        ("acme-tba", ("token-secret-1", "token-secret-2")), ("acme-bill", ("dev-1", "dev-2")),
        ("acme-aws", ("role/terapi", "role/other")),
    ],
)


def example_of(terapi, provider, name):
    """An example's blocks; its integration is there afterwards."""
    blocks = next(example.values[1] for example in EXAMPLES if example.values[0] == name)
    integrations = [found["unique_key"] for found in terapi.api().ok("GET", "/integrations")["data"]]
    if name not in integrations:
        set_up(terapi, provider, name, blocks)
    return blocks


@FORMS
def test_the_same_with_one_wrong_character_is_refused(terapi, provider, name, change):
    """The control: the provider of these tests does refuse, and then nothing is stored."""
    blocks = example_of(terapi, provider, name)
    before = terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]
    provider.refusals.clear()

    answer = connect(terapi, provider, blocks["bash"].replace(*change), name)

    assert answer["error"]["code"] == "connection_test_failed", answer
    assert provider.refusals != []
    after = terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]
    assert len(after) == len(before)


@pytest.mark.parametrize("name", ["acme-cc", "acme-steps", "acme-jwt", "acme-wsse", "acme-bill", "acme-aws"])
def test_a_field_that_nobody_asked_for_is_named(terapi, provider, name):
    blocks = example_of(terapi, provider, name)
    before = len(provider.seen)

    answer = connect(terapi, provider, blocks["bash"].replace("'{", "'{\"surprise\": 1, ", 1), name)

    assert answer["error"]["code"] == "invalid_body", answer
    assert [issue["path"] for issue in answer["error"]["errors"]] == [["surprise"]]
    assert len(provider.seen) == before


@FORMS
def test_a_person_fills_in_the_form(terapi, provider, browser, name, change):
    """What the examples send, entered into the connect page: wrong first, and then mended in the same form."""
    command = example_of(terapi, provider, name)["bash"]
    right = dict(re.findall(r"params\[(\w+)\]=([^&\"]+)", command))
    right |= dict(re.findall(r'"(\w+)": "([^"\']+)"', command))
    if name == "acme-jwt":
        right["privateKey"] = provider.private_pem
    wrong = {field: value.replace(*change) for field, value in right.items()}
    assert wrong != right
    page = browser.new_page()
    page.goto(session_for(terapi, name)["connect_link"])
    before = terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]

    def enter(values):
        for field, value in values.items():
            page.fill(f"#field-{field}", value)
        page.click("[type=submit]")

    enter(wrong)
    page.locator("[role=alert]").wait_for()
    kept = {field: page.input_value(f"#field-{field}") for field in wrong}
    assert {field: value.strip() for field, value in kept.items()} == {f: v.strip() for f, v in wrong.items()}
    assert len(terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]) == len(before)
    provider.refusals.clear()
    enter(right)
    page.get_by_text("is connected").wait_for()

    assert provider.refusals == []
    assert len(terapi.api().ok("GET", "/connections", params={"integrationId": name})["connections"]) == len(before) + 1
    page.close()


def test_importing_works_as_the_document_says(terapi, provider):
    text = DOCUMENT.read_text().split("## Importing connections")[1]
    command = re.search(r"```bash\n(.*?)```", text, re.DOTALL).group(1)
    example_of(terapi, provider, "acme-tba")

    answer = connect(terapi, provider, command, "acme-tba")

    assert answer["connection_id"] == "imported" and answer["credentials"]["token_id"] == "token-1"


@pytest.mark.parametrize("name, blocks", [example for example in EXAMPLES if "--json" in example.values[1]["bash"]])
def test_a_command_takes_what_the_example_shows(terapi, provider, name, blocks):
    api = terapi.api()
    if name not in [one["unique_key"] for one in api.ok("GET", "/integrations")["data"]]:
        set_up(terapi, provider, name, blocks)
    show = "curl() { printf %s \"${@: -1}\"; }\n" + blocks["bash"].replace("https://acme.example", provider.base)
    shown = subprocess.run(["bash", "-c", show], cwd=terapi.folder, capture_output=True, text=True, check=True).stdout
    mode = re.search(r"^auth_mode: (\S+)", blocks["yaml"], re.MULTILINE)
    given = {"type": mode.group(1) if mode else "AWS_SIGV4", **json.loads(shown)}
    config = [f"--config={field}={value}" for field, value in re.findall(r'params\[(\w+)\]=([^"&]+)', blocks["bash"])]
    if given["type"] == "AWS_SIGV4":
        config.append("--config=external_id=customer-7")
    provider.refusals.clear()

    def run(text):
        command = [BINARY, "connections", "import", "--integration", name, "--connection", f"{name}-typed", *config]
        return subprocess.run(
            [*command, "--end-user", "u-2", "--metadata", '{"by": "hand"}'], input=text, capture_output=True, text=True,
            timeout=60, env={**os.environ, "TERAPI_HOST": terapi.base, "TERAPI_API_KEY": terapi.key()},
        )

    done = run(json.dumps(given))

    assert done.stdout == f"{name}-typed is connected by {name}.\n", (done.stderr, provider.refusals)
    made = api.connection(f"{name}-typed", name, force_refresh="true")
    assert made["credentials"]["type"] == given["type"] and made["metadata"] == {"by": "hand"}
    assert made["end_user"]["id"] == "u-2" and provider.refusals == []
    # A field too few: said, and not what the others hold.
    api.ok("DELETE", f"/connections/{name}-typed", params={"provider_config_key": name})
    given.pop(next(field for field in given if field != "type"))
    refused = run(json.dumps(given))
    assert refused.returncode != 0 and refused.stderr.startswith("Error: ")
    assert not any(str(value) in refused.stderr for field, value in given.items() if field != "type")


def test_nothing_secret_is_in_the_log(terapi):
    """Runs last of this file, over all that the others have left behind."""
    text = terapi.log.read_text(errors="replace")
    for secret in ["key-1", "pass-1", "secret-1", "token-1", "session==", "PRIVATE KEY", "dev-1"]:
        assert secret not in text
