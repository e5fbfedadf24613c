"""The power goes off, again and again, in the middle of syncs."""

import json
import os
import random
import time

import pytest

import conftest
from person import connect_sandbox, wait_for_runs
from server import IS_FULL, eventually

KILLS = int(os.environ.get("TERAPI_KILLS", 100 if IS_FULL else 5))
TICKETS = 20_000

# A kill may cost what was fetched since the last commit. Commits are at most 1,000 records apart, ten pages of a hundred;
# while one batch is being committed the next is gathered. Then the page that was fetched ahead, the one that was in the
# air, and the first of the next run.
PAGES_PER_KILL = 10 + 10 + 3


class Consumer:
    """A backend that keeps what it reads and the cursor of the last record it has seen."""

    def __init__(self):
        self.records = {}
        self.cursor = None
        self.seen_cursors = set()

    def collect(self, api, connection_id):
        for record in api.records("sandbox", connection_id, "ticket", cursor=self.cursor):
            cursor = record["_terapi_metadata"]["cursor"]
            assert cursor not in self.seen_cursors, f"{record['id']} came twice at one place"
            self.seen_cursors.add(cursor)
            self.records[record["id"]] = record
            self.cursor = cursor


def check(fresh, consumer, deleted, created, events):
    """The invariants: what a backend has gathered over all kills is exactly what a new one would read now, which is
    exactly what the provider has; and every change was told once."""
    by_id = {record["id"]: record for record in fresh}
    assert len(by_id) == len(fresh), "a record is there twice"
    assert by_id == consumer.records, "the consumer has missed or kept something"

    alive = {id for id, r in by_id.items() if r["_terapi_metadata"]["last_action"] != "DELETED"}
    everything = {str(number) for number in range(1, TICKETS + 1)} | created
    assert alive == everything - deleted, "records are lost or too many"
    assert set(by_id) - alive == deleted, "deletions are lost or too many"

    results = [event["responseResults"] for event in events if "responseResults" in event]
    assert sum(result["added"] for result in results) == len(everything), "webhooks with additions are lost or doubled"
    assert sum(result["deleted"] for result in results) == len(deleted), "webhooks with deletions are lost or doubled"


@pytest.mark.sandbox(tickets=TICKETS, token_lifetime=3)
def test_nothing_is_lost_or_doubled(terapi_on_sandbox, sandbox, sink):
    seed = int(os.environ.get("TERAPI_SEED", time.time_ns() % 1_000_000))
    print("TERAPI_SEED =", seed)
    chance = random.Random(seed)
    terapi = terapi_on_sandbox.start()
    api = terapi.api()
    sink.signing_key = api.signing_key()
    api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
    connection_id = connect_sandbox(api, "sandbox", webhook_url_override=sink.url)
    consumer = Consumer()
    created, deleted = set(), set()
    needed_pages = TICKETS / 100 + 1

    for kill in range(KILLS):
        # An exponential instant falls into the start, the fetching, the saving, the end and the delivery alike.
        time.sleep(chance.expovariate(1 / 0.8))
        terapi.kill()
        terapi.start()
        api = terapi.api()
        if chance.random() < 0.5:
            consumer.collect(api, connection_id)
        status = api.sync_status("sandbox", connection_id, "tickets")
        if status["status"] != "RUNNING" and status["latestExecutionStatus"] == "SUCCESS":
            changes = sandbox.change(create=20, update=5000, delete=20)
            created |= {str(id) for id in changes["created"]}
            deleted |= {str(id) for id in changes["deleted"]}
            needed_pages += 5040 / 100 + 1
            api.trigger("sandbox", connection_id, ["tickets"])

    # Undisturbed now: whatever was interrupted goes on by itself or with the next run.
    api.trigger("sandbox", connection_id, ["tickets"])
    needed_pages += 1
    wait_for_runs(api, "sandbox", connection_id, "tickets")
    api.trigger("sandbox", connection_id, ["tickets"])
    needed_pages += 1
    wait_for_runs(api, "sandbox", connection_id, "tickets")
    consumer.collect(api, connection_id)
    fresh = api.records("sandbox", connection_id, "ticket")
    total = TICKETS + len(created)

    def told():
        results = [event.get("responseResults", {}) for event in sink.events(type="sync")]
        return sum(result.get("added", 0) for result in results) >= total

    eventually(told, 120, "the webhooks of all additions")
    events = sink.events(type="sync")
    check(fresh, consumer, deleted, created, events)
    assert sink.refused == []
    stats = sandbox.stats()["seen"]
    assert stats["reuse"] == 0, "a refresh token was sent twice"
    assert stats["page_requests"] <= needed_pages + KILLS * PAGES_PER_KILL
    titles = {record["id"]: record["title"] for record in fresh}
    for id in random.Random(seed).sample(sorted(set(titles) - deleted), 50):
        connection = api.connection(connection_id, "sandbox")
        token = connection["credentials"]["access_token"]
        ticket = sandbox.session.get(
            f"{sandbox.base}/api/tickets/{id}", headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).json()
        assert titles[id] == ticket["subject"]


class TestTheChecksCanFail:
    """A control: the same checks on data in which one thing is wrong."""

    @staticmethod
    def story():
        def record(id, action):
            return {"id": id, "_terapi_metadata": {"last_action": action, "cursor": id}}

        fresh = [record(str(number), "ADDED") for number in range(1, TICKETS + 1)]
        fresh[0]["_terapi_metadata"]["last_action"] = "DELETED"
        consumer = Consumer()
        consumer.records = {r["id"]: r for r in json.loads(json.dumps(fresh))}
        events = [{"responseResults": {"added": TICKETS, "updated": 0, "deleted": 1}}]
        return dict(fresh=fresh, consumer=consumer, deleted={"1"}, created=set(), events=events)

    def test_a_true_story_passes(self):
        check(**self.story())

    @pytest.mark.parametrize("spoil", [
        lambda story: story["fresh"].pop(),
        lambda story: story["fresh"].append(story["fresh"][-1]),
        lambda story: story["consumer"].records.pop("7"),
        lambda story: story["consumer"].records["7"].update(title="old"),
        lambda story: story["deleted"].add("9"),
        lambda story: story["created"].add("new"),
        lambda story: story["events"].clear(),
        lambda story: story["events"].append(story["events"][0]),
    ])
    def test_a_false_one_fails(self, spoil):
        story = self.story()
        spoil(story)
        with pytest.raises(AssertionError):
            check(**story)
