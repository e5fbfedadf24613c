"""Starting, stopping and refusing to start."""

import os
import stat
import subprocess

import pytest

from server import BINARY, Terapi, free_port


@pytest.fixture
def terapi(tmp_path):
    with Terapi(tmp_path / "terapi") as terapi:
        yield terapi


def test_the_first_start_makes_two_environments_and_says_their_keys_once(terapi):
    keys = terapi.data / "api-keys.txt"

    assert terapi.key("dev") != terapi.key("prod")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert terapi.api("dev").ok("GET", "/integrations") == {"data": []}
    before = keys.read_text()
    assert terapi.stop() == 0
    terapi.start()
    assert keys.read_text() == before


def test_the_data_folder_is_for_its_owner_only(terapi):
    assert stat.S_IMODE(terapi.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((terapi.data / "encryption-key").stat().st_mode) == 0o600
    assert stat.S_IMODE((terapi.data / "terapi.sock").stat().st_mode) & 0o077 == 0


def test_no_key_is_in_the_log(terapi):
    """The terminal shows the keys once; what goes to the log does not."""
    log = [line for line in terapi.log.read_text().splitlines() if line.startswith(("{", "20"))]
    assert terapi.key("dev") not in "\n".join(log)


def test_answers_health_and_readiness_without_a_key(terapi):
    import requests

    assert requests.get(terapi.base + "/health", timeout=10).ok
    assert requests.get(terapi.base + "/ready", timeout=10).ok


def test_a_second_process_on_the_same_folder_is_refused(terapi):
    second = subprocess.run(
        [BINARY, "serve", "--data", str(terapi.data), "--port", str(free_port())],
        capture_output=True, text=True, timeout=30,
    )

    assert second.returncode != 0
    assert str(terapi.data) in second.stderr + second.stdout
    assert terapi.api().ok("GET", "/integrations") == {"data": []}


def test_stops_when_asked(terapi):
    assert terapi.stop() == 0


@pytest.mark.parametrize("arguments, environment, named", [
    (["--port", "70000"], {}, ["port", "70000"]),
    (["--port", "http"], {}, ["port", "http"]),
    ([], {"TERAPI_PORT": "-1"}, ["port", "-1"]),
    ([], {"TERAPI_OUTBOUND_ALLOW": "10.0.0.0/33"}, ["10.0.0.0/33"]),
    (["--integrations", "/nowhere/at/all"], {}, ["/nowhere/at/all"]),
])
def test_a_wrong_setting_stops_the_start_with_its_name_and_value(tmp_path, arguments, environment, named):
    done = subprocess.run(
        [BINARY, "serve", "--data", str(tmp_path / "data"), *arguments],
        capture_output=True, text=True, timeout=30, env={**os.environ, **environment},
    )

    assert done.returncode != 0
    text = (done.stderr + done.stdout).lower()
    assert all(word in text for word in named), text


def test_a_mistake_in_a_sync_names_file_line_and_column(tmp_path):
    folder = tmp_path / "integrations"
    file = folder / "sandbox/syncs/tickets.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("description: x\nmodel: ticket\nfrequency: every 5 minutes\nreqest:\n  endpoint: /x\nmap:\n  id: item.id\n")

    done = subprocess.run(
        [BINARY, "serve", "--data", str(tmp_path / "data"), "--integrations", str(folder), "--port", str(free_port())],
        capture_output=True, text=True, timeout=30,
    )

    text = done.stderr + done.stdout
    assert done.returncode != 0
    assert "tickets.yaml:4:1" in text and "reqest" in text, text
