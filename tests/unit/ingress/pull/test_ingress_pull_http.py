"""What bots see of the Pull API; the mailbox itself is tested on PostgreSQL."""

from datetime import UTC, datetime

import httpx
import pytest

from ingress.pull.route import Pull, pull_router
from posta.auth import ApiKeys, describe_key, new_key
from posta.errors import Unavailable
from posta.http.app import create_app
from posta.http.health import Health
from posta.postgres.keyring import KeyRing
from posta.postgres.pull_mailbox import Lent, MailboxStats, Returned

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LENT = Lent(
    event_id="event:1", destination="bot", publisher="p", client_type="t", source="/s", subject=None,
    occurred_at="2026-01-02T00:00:00Z", data={"n": 1}, attempts=1, lease="L", leased_until=NOW,
    created_at=NOW,
)  # fmt: skip


class Mailbox:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self):
        self.asked = []
        self.ended = Returned.DONE
        self.away = False

    def _note(self, *asked):
        if self.away:
            raise Unavailable("postgres", "the test said so")
        self.asked.append(asked)

    async def lend(self, **wanted):
        self._note("lend", wanted)
        return [LENT]

    async def processed(self, event_id, *, lease, reach):
        self._note("processed", event_id, lease)
        return self.ended

    async def failed(self, event_id, *, lease, error, reach):
        self._note("failed", event_id, lease, error)
        return self.ended

    async def retry(self, event_id, *, reach):
        self._note("retry", event_id)
        return self.ended is Returned.DONE

    async def stats(self, *, reach):
        self._note("stats")
        by_state = {"pending": 1, "leased": 2, "processed": 3, "failed": 4}
        return MailboxStats(by_state=by_state, by_source={"/s": 3}, oldest_waiting_s=1.5)

    async def cleanup(self, *, older_than_s, reach):
        self._note("cleanup", older_than_s)
        return 7

    async def ping(self):
        self._note("ping")


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
async def bot(mailbox):
    key, weak = new_key(), new_key()
    known = ",".join(
        [
            describe_key(key, name="bot", scopes=frozenset({"pull:consume", "pull:operate"})),
            describe_key(weak, name="weak", scopes=frozenset({"events:publish"})),
        ]
    )
    app = create_app(title="t", version="0", health=Health())
    app.include_router(pull_router(Pull(mailbox, KeyRing(ApiKeys.parse(known), None))))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://ingress",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        client.weak = {"authorization": f"Bearer {weak}"}
        yield client


async def test_events_are_lent_to_the_key_that_asks(bot, mailbox):
    response = await bot.get("/discord/events?limit=5&max_attempts=2&source=/a&source=/b")
    (event,) = response.json()["events"]
    assert response.json()["count"] == 1
    assert (event["id"], event["data"], event["lease"]) == ("event:1", {"n": 1}, "L")
    ((_, wanted),) = mailbox.asked
    assert (wanted["consumer"], wanted["limit"], wanted["max_attempts"]) == ("bot", 5, 2)
    assert wanted["sources"] == ["/a", "/b"]


async def test_what_became_of_an_event_is_said_with_or_without_a_body(bot, mailbox):
    assert (await bot.post("/discord/events/event:1/processed")).json()["status"] == "processed"
    await bot.post("/discord/events/event:1/processed", json={"lease": "L"})
    await bot.post("/discord/events/event:1/failed", json={"error": "no channel"})
    assert (await bot.post("/discord/events/event:1/retry")).json()["status"] == "pending"
    assert mailbox.asked == [
        ("processed", "event:1", None),
        ("processed", "event:1", "L"),
        ("failed", "event:1", None, "no channel"),
        ("retry", "event:1"),
    ]


@pytest.mark.parametrize(("ended", "status"), [(Returned.LOST, 409), (Returned.UNKNOWN, 404)])
@pytest.mark.parametrize("verb", ["processed", "failed"])
async def test_what_is_not_its_own_cannot_be_ended(bot, mailbox, ended, status, verb):
    mailbox.ended = ended
    assert (await bot.post(f"/discord/events/event:1/{verb}")).status_code == status


async def test_stats_and_cleanup(bot, mailbox):
    stats = (await bot.get("/discord/stats")).json()
    assert (stats["total"], stats["failed"], stats["by_source"], stats["max_attempts"]) == (
        10,
        4,
        {"/s": 3},
        3,
    )
    assert (await bot.post("/discord/cleanup")).json() == {"deleted": 7, "days": 7}
    assert mailbox.asked[-1] == ("cleanup", 7 * 86400.0)
    assert (await bot.post("/discord/cleanup?days=0")).status_code == 422


async def test_health_needs_no_key_and_says_when_the_database_is_away(bot, mailbox):
    del bot.headers["authorization"]
    assert (await bot.get("/discord/health")).json() == {"status": "ok", "database": "ok"}
    mailbox.away = True
    assert (await bot.get("/discord/health")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/events"), ("GET", "/stats"), ("POST", "/cleanup"), ("POST", "/events/1/processed"),
     ("POST", "/events/1/failed"), ("POST", "/events/1/retry")],
)  # fmt: skip
async def test_everything_else_needs_the_right_key_and_the_database(bot, mailbox, method, path):
    assert (await bot.request(method, "/discord" + path, headers=bot.weak)).status_code == 403
    assert (
        await bot.request(method, "/discord" + path, headers={"authorization": "Bearer x"})
    ).status_code == 401
    mailbox.away = True
    response = await bot.request(method, "/discord" + path)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_what_postgresql_cannot_be_asked_is_422(bot, mailbox):
    assert (await bot.post("/discord/events/a%00b/processed")).status_code == 422
    assert (await bot.post("/discord/events/a/failed", json={"error": "\x00"})).status_code == 422
    assert mailbox.asked == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "max_attempts=4", "lease_s=0", "limit=x"])
async def test_a_wrong_wish_is_422(bot, query):
    assert (await bot.get(f"/discord/events?{query}")).status_code == 422
