"""Both ways with an application that none of us wrote: an action and the proxy write to it, it pushes what changed, and the
change is a record and a webhook within two seconds. localstripe waits one second of them before it pushes."""

import json
import subprocess
import time

import pytest
import requests

from definitions import write
from relay import Relay
from server import BINARY, Terapi, eventually

HEADERS = {"Provider-Config-Key": "stripe", "Connection-Id": "acme"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# The provider of the catalogue, at another place: its authorization, its webhooks and the rest stay what they are.
PROVIDER = """
    alias: stripe
    proxy:
      base_url: {base}
"""

ACTION = """
    import { createAction } from 'terapi';

    interface Input {
        name: string;
        email: string;
    }

    interface Customer {
        id: string;
    }

    export default createAction({
        description: 'Makes a customer',
        exec: async (terapi, input: Input): Promise<Customer> => {
            const { data } = await terapi.post<Customer>({
                endpoint: '/v1/customers',
                headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
                data: { name: input.name, email: input.email },
            });
            return { id: data.id };
        },
    });
"""

# Read once a day: what comes sooner has been pushed.
SYNC = """
    description: Customers as contacts
    model: contact
    frequency: every day
    request:
      endpoint: /v1/customers
      params: { limit: 100 }
      response_path: data
    map:
      id: item.id
      name: item.name || item.email
      emails: "[{ value: item.email }]"
      kind: "'customer'"
    webhook:
      events: ["customer.created", "customer.updated", "customer.deleted"]
      apply: event.data.object
      deleted: webhook.type === 'customer.deleted'
      safety_frequency: every day
"""


class World:
    """A server with one connection to localstripe, whose API and whose pushes both pass a relay."""

    def __init__(self, terapi, localstripe, asked, pushes, sink):
        self.terapi, self.api, self.sink, self.localstripe = terapi, terapi.api(), sink, localstripe
        self.asked, self.pushes = asked, pushes
        made = subprocess.run(
            [BINARY, "provider-webhooks", "subscribe", "stripe", "--connection", "acme", "--manual", "--data",
             str(terapi.data)], capture_output=True, text=True, timeout=60, check=True).stdout
        self.address = made.split()[1]
        self.secret = made.split("Secret, shown only now: ")[1].strip()
        assert self.address.startswith(f"{terapi.base}/webhook/"), made
        self.pushes.lead_to(self.address)
        self.register("one", self.secret)

    def register(self, name, secret):
        """Lets localstripe push to the connection's address, once more for each name."""
        place = self.localstripe["base"].removesuffix("/v1") + f"/_config/webhooks/{name}"
        assert requests.post(place, data={"url": self.pushes.base, "secret": secret}, timeout=30).ok

    def act(self, **input):
        """Runs the action; what it made."""
        body = {"action_name": "create-customer", "input": input}
        return self.api.ok("POST", "/action/trigger", json=body, headers=HEADERS)["id"]

    def proxy(self, method, path, **options):
        answer = self.api.call(method, "/proxy" + path, headers={**HEADERS, **options.pop("headers", {})}, **options)
        assert answer.ok, answer.text
        return answer.json()

    def told(self, count):
        return self.sink.wait_for(count, type="sync", syncType="WEBHOOK")

    def records(self, cursor=None):
        return self.api.records("stripe", "acme", "contact", cursor=cursor)

    def kept(self, state=None):
        return self.api.ok("GET", "/provider-webhooks", params={"state": state} if state else {})["data"]


@pytest.fixture
def world(tmp_path, localstripe, sink, definitions_folder):
    pushes = Relay()
    facts = localstripe(CUSTOMERS=3, WEBHOOK=pushes.base)
    # What it pushes of these three is over before anything is measured.
    pushes.wait_for(3)
    relay = Relay(facts["base"].removesuffix("/v1"))
    write(definitions_folder / "providers", "stripe-local.yaml", PROVIDER.format(base=relay.base))
    write(definitions_folder / "integrations", "stripe/actions/create-customer.ts", ACTION)
    write(definitions_folder / "integrations", "stripe/syncs/customers.yaml", SYNC)
    terapi = Terapi(tmp_path / "terapi", integrations=definitions_folder / "integrations",
                    providers=definitions_folder / "providers")
    with terapi:
        api = terapi.api()
        sink.signing_key = api.signing_key()
        api.create_integration("stripe", "stripe-local")
        # What Stripe Connect gives for a code is such a key, of the account that was connected.
        credentials = {"type": "OAUTH2", "access_token": facts["api_key"].split()[0]}
        api.import_connection("stripe", credentials, "acme", webhook_url_override=sink.url)
        sink.wait_for(type="sync", syncType="INITIAL")
        eventually(lambda: api.sync_status("stripe", "acme", "customers")["status"] == "SUCCESS",
                   what="the first reading")
        yield World(terapi, facts, relay, pushes, sink)
    relay.close()
    pushes.close()


def test_what_an_action_and_the_proxy_change_comes_back_within_two_seconds(world, capsys):
    before = world.records()
    place = before[-1]["_terapi_metadata"]["cursor"]
    assert len(before) == 3 and world.asked.calls == [("GET", "/v1/customers?limit=100")]
    figures = []

    def change(do):
        """What changed in the eyes of a reader with a cursor, and the times from the answer on."""
        nonlocal place
        step = len(figures) + 1
        result = do()
        answered = time.monotonic()
        told = world.told(step)[-1]
        (record,) = world.records(place)
        there = time.monotonic()
        came = world.pushes.wait_for(step)[-1]["came"]
        place = record["_terapi_metadata"]["cursor"]
        figures.append((there - answered, there - came))
        assert there - answered < 2, f"{there - answered:.3f} s, {came - answered:.3f} s of them before the push"
        return result, record, told["responseResults"]

    def update(id):
        form = {"name": "Ada Lovelace", "email": "ada@lovelace.example"}
        return world.proxy("POST", f"/v1/customers/{id}", data=form, headers=FORM)

    id, record, counts = change(lambda: world.act(name="Ada", email="ada@example.test"))
    assert counts == {"added": 1, "updated": 0, "deleted": 0}
    assert (record["id"], record["name"], record["emails"]) == (id, "Ada", [{"value": "ada@example.test"}])
    assert record["_terapi_metadata"]["last_action"] == "ADDED"

    answer, record, counts = change(lambda: update(id))
    assert answer["name"] == "Ada Lovelace"
    assert counts == {"added": 0, "updated": 1, "deleted": 0}
    assert (record["id"], record["name"]) == (id, "Ada Lovelace")
    assert record["_terapi_metadata"]["last_action"] == "UPDATED"

    answer, record, counts = change(lambda: world.proxy("DELETE", f"/v1/customers/{id}"))
    assert answer["deleted"] is True
    assert counts == {"added": 0, "updated": 0, "deleted": 1}
    assert record["id"] == id and record["_terapi_metadata"]["deleted_at"] is not None
    assert record["_terapi_metadata"]["last_action"] == "DELETED"

    # localstripe was asked for nothing but what was done: the changes came by themselves.
    one = f"/v1/customers/{id}"
    assert world.asked.calls[1:] == [("POST", "/v1/customers"), ("POST", one), ("DELETE", one)]
    assert [push["status"] for push in world.pushes.passed] == [200] * 3
    assert len(world.sink.wait_for(3, type="forward")) == 3
    assert len(world.api.ok("GET", "/logs/operations", params={"type": "sync:run"})["data"]) == 1
    with capsys.disabled():
        for name, (whole, ours) in zip(("created by the action", "changed by the proxy", "deleted by it"), figures):
            print(f"\n  {name}: {whole:.3f} s from the answer to record and webhook, {ours:.3f} s from the push", end="")


def test_the_command_line_changes_it_too(world):
    def command(*arguments):
        """What it prints, and when it had ended."""
        done = subprocess.run(
            [BINARY, *arguments, "--integration", "stripe", "--connection", "acme"],
            env={"TERAPI_HOST": world.terapi.base, "TERAPI_API_KEY": world.terapi.key()},
            capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), time.monotonic()

    given = json.dumps({"name": "Grace", "email": "grace@example.test"})
    made, answered = command("actions", "run", "create-customer", "--input", given)
    world.told(1)
    assert {record["id"]: record["name"] for record in world.records()}[made["id"]] == "Grace"
    assert time.monotonic() - answered < 2

    changed, answered = command(
        "proxy", "POST", f"/v1/customers/{made['id']}", "--header", "Content-Type: application/x-www-form-urlencoded",
        "--data", "name=Grace+Hopper")
    world.told(2)
    assert changed["name"] == "Grace Hopper"
    assert {record["id"]: record["name"] for record in world.records()}[made["id"]] == "Grace Hopper"
    assert time.monotonic() - answered < 2


def test_a_push_with_another_secret_is_refused_and_leaves_nothing(world):
    before = world.records()
    world.register("one", "whsec_of_somebody_else")
    id = world.act(name="Mallory", email="mallory@example.test")
    (refused,) = world.pushes.wait_for(1)
    assert refused["status"] == 401
    assert world.kept() == [] and world.records() == before

    # The control: the next push of the same application, with the secret that both know.
    world.register("one", world.secret)
    world.proxy("POST", f"/v1/customers/{id}", data={"name": "Trent"}, headers=FORM)
    world.told(1)
    assert [push["status"] for push in world.pushes.passed] == [401, 200]
    assert {record["id"]: record["name"] for record in world.records()}[id] == "Trent"
    assert [kept["types"] for kept in world.kept()] == [["customer.updated"]]

    def refusals():
        return world.api.ok("GET", "/logs/operations", params={"type": "webhook:incoming", "state": "failed"})["data"]

    assert len(eventually(refusals, what="the refusal in the logs")) == 1


def test_the_same_event_twice_changes_once(world):
    # localstripe sends an event to each of its addresses, one after the other: this one is known to it by two names.
    world.register("two", world.secret)
    world.act(name="Ada", email="ada@example.test")
    first, second = world.pushes.wait_for(2)
    assert first["body"] == second["body"] and first["status"] == second["status"] == 200
    world.told(1)

    eventually(lambda: len(world.kept("done")) == 2, what="the work on both pushes")
    # Whatever follows from a push is written together with its end: nothing more can come.
    assert [event["type"] for event in world.api.webhook_events()].count("forward") == 1
    assert len(world.records()) == 4
