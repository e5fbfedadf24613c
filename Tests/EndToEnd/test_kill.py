"""The power goes off, again and again, in the middle of syncs."""

import concurrent.futures
import dataclasses
import datetime
import json
import os
import random
import time

import pytest

import conftest
from person import connect_sandbox, connections_of, reconnect_sandbox
from server import IS_FULL, eventually

KILLS = int(os.environ.get("TERAPI_KILLS", 100 if IS_FULL else 5))
TICKETS = 20_000
FEW = 6000
PAGE = 100

# A kill may cost what was fetched since the last commit. Commits are at most 1,000 records apart, ten pages of a hundred.
# Then the page that was fetched ahead, the one that was in the air, and the first of the next run.
PAGES_PER_KILL = 10 + 3

# A refresh token that works once is traded for the next one at the provider, and ours only when its answer is on our
# disk. A kill in between ends the authorization: no order of things can help. It is as long as an answer and an fsync.
REFRESH_WINDOW = datetime.timedelta(seconds=0.5)
# The outcome of a refused refresh is looked at twice, a minute apart, before a connection is marked.
MARKED_WITHIN = 180


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


def check(fresh, consumer, everything, deleted, events):
    """The invariants: what a backend has gathered over all kills is exactly what a new one would read now, which is
    exactly what the provider has; and every change was told once."""
    by_id = {record["id"]: record for record in fresh}
    assert len(by_id) == len(fresh), "a record is there twice"
    assert by_id == consumer.records, "the consumer has missed or kept something"

    alive = {id for id, r in by_id.items() if r["_terapi_metadata"]["last_action"] != "DELETED"}
    assert alive == everything - deleted, "records are lost or too many"
    assert set(by_id) - alive == deleted, "deletions are lost or too many"

    results = [event["responseResults"] for event in events if "responseResults" in event]
    assert sum(result["added"] for result in results) == len(everything), "webhooks with additions are lost or doubled"
    assert sum(result["deleted"] for result in results) == len(deleted), "webhooks with deletions are lost or doubled"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


@dataclasses.dataclass
class Kill:
    at: datetime.datetime
    # Answers to refreshes that were on the disk.
    kept_answers: list


def lost_answers(seen, kills):
    """The moments of refreshes whose answers were lost for good, each of which ended an authorization.

    Every refresh token that came twice must be of such a refresh: the tokens that were given for it have never come, and a
    kill fell between the provider's answer and our disk."""
    assert len(seen["reuses"]) == seen["reuse"], "an authorization code was sent twice"
    lost = set()
    for reuse in seen["reuses"]:
        assert not reuse["answer_seen"], "a refresh token was sent although its successor was known"
        at = datetime.datetime.fromisoformat(reuse["used_at"])
        near = [kill for kill in kills if abs(kill.at - at) < REFRESH_WINDOW]
        assert near, f"a refresh token was sent twice, and no kill explains it: {at}, {kills}"
        assert any(not kill.kept_answers for kill in near), "an answer was kept and not taken up"
        lost.add(at)
    return lost


class Story:
    """One connection, whose server loses its power and goes on, and what is known of it from outside."""

    def __init__(self, terapi, sandbox, sink, tickets, seed=0):
        self.terapi, self.sandbox, self.sink, self.tickets = terapi, sandbox, sink, tickets
        self.chance = random.Random(seed)
        self.consumer = Consumer()
        self.everything = {str(number) for number in range(1, tickets + 1)}
        self.deleted = set()
        self.kills = []
        self.mended = set()
        self.needed_pages = tickets / PAGE + 1
        self.asked_at = now()
        self.api = terapi.start().api()
        sink.signing_key = self.api.signing_key()
        self.api.create_integration("sandbox", "sandbox-local", conftest.Sandbox.credentials)
        self.connection_id = connect_sandbox(self.api, "sandbox", webhook_url_override=sink.url)

    @property
    def seen(self):
        return self.sandbox.stats()["seen"]

    def kill(self):
        self.terapi.kill()
        spool = self.terapi.data / "refresh-spool"
        self.kills.append(Kill(
            at=now(),
            # Also one whose file was still being made durable; what is empty was never written.
            kept_answers=[file.name for file in spool.iterdir() if file.stat().st_size > 0],
        ))

    def restart(self):
        self.api = self.terapi.start().api()

    def go_on(self):
        """The backend reads now and then, and once a run has ended the provider's data change and a new one begins."""
        if self.chance.random() < 0.5:
            self.consumer.collect(self.api, self.connection_id)
        if self.unmended():
            self.mend()
        elif self.is_done():
            changes = self.sandbox.change(create=20, update=self.tickets // 4, delete=20)
            self.everything |= {str(id) for id in changes["created"]}
            self.deleted |= {str(id) for id in changes["deleted"]}
            self.needed_pages += (self.tickets // 4 + 40) / PAGE
            self.trigger()

    def trigger(self):
        self.asked_at = now()
        self.needed_pages += 1
        self.api.trigger("sandbox", self.connection_id, ["tickets"])

    def is_done(self):
        """Whether the run that was asked for last has ended well."""
        state = self.api.sync_status("sandbox", self.connection_id, "tickets")
        is_success = state["status"] == state["latestExecutionStatus"] == "SUCCESS"
        return is_success and datetime.datetime.fromisoformat(state["finishedAt"]) > self.asked_at

    def unmended(self):
        return lost_answers(self.seen, self.kills) - self.mended

    def mend(self):
        """The authorization is lost: the connection is marked, the backend is told, and the end user connects again."""
        lost = self.unmended()

        def is_marked():
            (connection,) = connections_of(self.api, "sandbox", "user123")
            return any(error["type"] == "auth" for error in connection["errors"])

        eventually(is_marked, MARKED_WITHIN, "the mark of a connection whose authorization is lost")
        self.sink.wait_for(len(self.mended) + 1, type="auth", operation="refresh", success=False)
        reconnect_sandbox(self.api, "sandbox", self.connection_id)
        assert not is_marked()
        self.mended |= lost
        # What was fetched when it ended may have to be fetched again.
        self.needed_pages += PAGES_PER_KILL - 10
        self.trigger()

    def settle(self):
        """Undisturbed now: whatever was interrupted goes on by itself or with the next run."""
        for _ in range(2):
            self.trigger()
            eventually(lambda: self.unmended() or self.is_done(), 120, "the end of the run")
            while self.unmended():
                self.mend()
                eventually(lambda: self.unmended() or self.is_done(), 120, "the end of the run")

        def is_told():
            deliveries = [delivery for event in self.api.webhook_events() for delivery in event["deliveries"]]
            return all(delivery["state"] == "delivered" for delivery in deliveries)

        eventually(is_told, 60, "the delivery of all webhooks")
        self.consumer.collect(self.api, self.connection_id)

    def check(self):
        fresh = self.api.records("sandbox", self.connection_id, "ticket")
        check(fresh, self.consumer, self.everything, self.deleted, self.sink.events(type="sync"))
        assert self.sink.refused == []
        assert not self.unmended()
        assert self.seen["page_requests"] <= self.page_bound, "pages from before the last commit were fetched again"
        self.compare_with_provider(fresh)

    @property
    def page_bound(self):
        return self.needed_pages + len(self.kills) * PAGES_PER_KILL

    def compare_with_provider(self, fresh):
        titles = {record["id"]: record["title"] for record in fresh}
        for id in self.chance.sample(sorted(set(titles) - self.deleted), 50):
            token = self.api.connection(self.connection_id, "sandbox")["credentials"]["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            ticket = self.sandbox.session.get(f"{self.sandbox.base}/api/tickets/{id}", headers=headers, timeout=30)
            assert titles[id] == ticket.json()["subject"]


@pytest.mark.sandbox(tickets=TICKETS, token_lifetime=3)
def test_nothing_is_lost_or_doubled(terapi_on_sandbox, sandbox, sink):
    seed = int(os.environ.get("TERAPI_SEED", time.time_ns() % 1_000_000))
    print("TERAPI_SEED =", seed)
    story = Story(terapi_on_sandbox, sandbox, sink, TICKETS, seed)

    for _ in range(KILLS):
        # An exponential instant falls into the start, the fetching, the saving, the end and the delivery alike.
        time.sleep(story.chance.expovariate(1 / 0.8))
        story.kill()
        story.restart()
        story.go_on()

    story.settle()
    seen = story.seen
    print(f"{len(story.kills)} kills; {seen['page_requests']} pages, at most {story.page_bound:.0f};",
          f"{seen['refresh_grants']} refreshes, {seen['reuse']} tokens twice,",
          f"{len(story.mended)} authorizations lost between the provider and the disk")
    story.check()


@pytest.mark.skipif(not IS_FULL, reason="the long form: a refusal is looked at twice, a minute apart")
@pytest.mark.sandbox(tickets=FEW, token_lifetime=3)
def test_only_a_lost_answer_of_the_provider_ends_an_authorization(terapi_on_sandbox, sandbox, sink):
    """The one window that cannot be closed, hit for sure: nothing but a new authorization is needed."""
    story = Story(terapi_on_sandbox, sandbox, sink, FEW)
    eventually(story.is_done, 60, "the first run")
    # With a token that is new nobody else refreshes.
    story.api.connection(story.connection_id, "sandbox", force_refresh="true")
    refreshes = story.seen["refresh_grants"]
    sandbox.misbehave("token_delay")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(story.api.connection, story.connection_id, "sandbox", force_refresh="true")
        eventually(lambda: story.seen["refresh_grants"] > refreshes, 30, "a refresh whose answer is on its way")
        story.kill()
        assert asked.exception()
    story.restart()
    story.settle()

    assert len(story.mended) == 1
    story.check()


def the_guard_is_open(story):
    """Says so, and waits there for the kill."""
    starts = len(story.kills) + 1
    eventually(lambda: story.terapi.log.read_bytes().count(b"The guard is open.") >= starts, 60, "the open guard")


def pages_are_fetched(count):
    def instant(story):
        pages = story.seen["page_requests"] + count
        eventually(lambda: story.seen["page_requests"] >= pages, 60, f"{pages} page requests")

    return instant


class TestTheChecksCanFail:
    """Controls: the same story with a guard taken out (Sources/TerapiStorage/MissingGuard.swift), and with one thing wrong."""

    @pytest.mark.sandbox(tickets=FEW)
    @pytest.mark.parametrize("fault, instant, failure", [
        ("checkpoint-before-records", the_guard_is_open, "records are lost"),
        ("webhook-after-run", the_guard_is_open, "webhooks with additions are lost"),
        ("checkpoint-left-out", pages_are_fetched(35), "fetched again"),
        (None, pages_are_fetched(15), None),
    ], ids=["checkpoint-before-records", "webhook-after-run", "checkpoint-left-out", "no fault"])
    def test_without_a_guard_they_do(self, fault, instant, failure, terapi_on_sandbox, sandbox, sink):
        if fault:
            terapi_on_sandbox.environment["TERAPI_FAULT"] = fault
        story = Story(terapi_on_sandbox, sandbox, sink, FEW)

        for _ in range(2):
            instant(story)
            story.kill()
            story.restart()
            story.go_on()

        terapi_on_sandbox.environment.pop("TERAPI_FAULT", None)
        story.kill()
        story.restart()
        story.settle()
        if failure:
            with pytest.raises(AssertionError, match=failure):
                story.check()
        else:
            story.check()

    @staticmethod
    def story():
        def record(id, action):
            return {"id": id, "_terapi_metadata": {"last_action": action, "cursor": id}}

        everything = {str(number) for number in range(1, 101)}
        fresh = [record(id, "ADDED") for id in sorted(everything)]
        fresh[0]["_terapi_metadata"]["last_action"] = "DELETED"
        consumer = Consumer()
        consumer.records = {r["id"]: r for r in json.loads(json.dumps(fresh))}
        events = [{"responseResults": {"added": 100, "updated": 0, "deleted": 1}}]
        return dict(fresh=fresh, consumer=consumer, everything=everything, deleted={"1"}, events=events)

    KILL = Kill(at=datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc), kept_answers=[])

    def test_an_answer_that_a_kill_has_cut_off_is_lost(self):
        reuse = {"used_at": "2026-01-01T11:59:59.990+00:00", "answer_seen": False}
        assert len(lost_answers({"reuse": 2, "reuses": [reuse, reuse]}, [self.KILL])) == 1

    @pytest.mark.parametrize("change, kills, failure", [
        ({"answer_seen": True}, [KILL], "successor was known"),
        ({"used_at": "2026-01-01T11:59:59.000+00:00"}, [KILL], "no kill explains it"),
        ({}, [], "no kill explains it"),
        ({}, [dataclasses.replace(KILL, kept_answers=["attempt"])], "kept and not taken up"),
    ])
    def test_a_token_that_came_twice_for_another_reason_fails(self, change, kills, failure):
        reuse = {"used_at": "2026-01-01T11:59:59.990+00:00", "answer_seen": False, **change}
        with pytest.raises(AssertionError, match=failure):
            lost_answers({"reuse": 1, "reuses": [reuse]}, kills)

    def test_a_true_story_passes(self):
        check(**self.story())

    @pytest.mark.parametrize("spoil", [
        lambda story: story["fresh"].pop(),
        lambda story: story["fresh"].append(story["fresh"][-1]),
        lambda story: story["consumer"].records.pop("7"),
        lambda story: story["consumer"].records["7"].update(title="old"),
        lambda story: story["deleted"].add("9"),
        lambda story: story["everything"].add("new"),
        lambda story: story["events"].clear(),
        lambda story: story["events"].append(story["events"][0]),
    ])
    def test_a_false_one_fails(self, spoil):
        story = self.story()
        spoil(story)
        with pytest.raises(AssertionError):
            check(**story)
