"""The keys a service accepts: those it was configured with, and those last read from the database."""

import asyncio

import pytest

from posta.auth import ApiKey, ApiKeys, Principal, describe_key, digest_of, new_key
from posta.errors import Unavailable
from posta.postgres import keyring
from posta.postgres.keyring import KeyRing


class Source:
    """A table of keys in memory."""

    def __init__(self, *keys):
        self.keys = keys
        self.away = False
        self.reads = 0
        self.used = set()

    async def usable(self):
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("postgres", "the test said so")
        return self.keys

    async def note_used(self, digests):
        self.used |= digests


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def stored(key, *, expires_at=None, **rights):
    principal = Principal(name="bot", scopes=frozenset({"events:publish"}), **rights)
    return ApiKey(principal=principal, sha256=digest_of(key), expires_at=expires_at)


NO_KEYS = ApiKeys.parse("")


async def test_configured_and_stored_keys_are_both_known():
    old, new = new_key(), new_key()
    configured = ApiKeys.parse(describe_key(old, name="old", scopes=frozenset()))
    ring = KeyRing(configured, Source(stored(new)))
    await ring.refresh()
    assert ring.authenticate(old).name == "old"
    assert ring.authenticate(new).name == "bot"
    assert ring.authenticate(new_key()) is None


async def test_a_key_made_a_moment_ago_is_known_at_once():
    key, source, slept = new_key(), Source(), []

    async def sleep(seconds):
        slept.append(seconds)

    ring = KeyRing(NO_KEYS, source, sleep=sleep)
    await ring.refresh()
    source.keys = (stored(key),)
    assert (await ring.identify(key)).name == "bot"
    assert 0 < slept[0] <= 1, "the look before was a moment ago: the next one is a second behind it"


async def test_however_many_wrong_keys_are_tried_at_once_two_looks_answer_them():
    """The one that began with the first of them, and one that began after the last."""
    source = Source()
    ring = KeyRing(NO_KEYS, source, sleep=lambda _: asyncio.sleep(0))
    assert await asyncio.gather(*(ring.identify(new_key()) for _ in range(50))) == [None] * 50
    assert source.reads <= 2


async def test_a_wrong_key_waits_for_a_database_that_hangs_no_longer_than_two_seconds(monkeypatch):
    monkeypatch.setattr(keyring, "_WAIT_S", 0.01)
    source = Source()
    source.usable = asyncio.Event().wait
    assert await KeyRing(NO_KEYS, source).identify(new_key()) is None


async def test_a_key_ends_at_its_time_without_the_database():
    key, clock = new_key(), Clock()
    ring = KeyRing(NO_KEYS, Source(stored(key, expires_at=1010.0)), clock=clock)
    await ring.refresh()
    assert ring.authenticate(key)
    clock.now = 1010.0
    assert ring.authenticate(key) is None


async def test_while_the_database_is_away_the_keys_last_read_are_accepted_even_after_a_restart(tmp_path):
    key = new_key()
    source = Source(stored(key, sources=("/db/*",), destinations=("ops",)))
    ring = KeyRing(NO_KEYS, source, file=tmp_path / "ingress" / "keys.json")
    await ring.refresh()
    source.away = True
    await ring.refresh()
    known = ring.authenticate(key)
    assert known

    restarted = KeyRing(NO_KEYS, source, file=tmp_path / "ingress" / "keys.json")
    await restarted.refresh()
    assert restarted.authenticate(key) == known
    text = (tmp_path / "ingress" / "keys.json").read_text()
    assert key not in text
    assert (tmp_path / "ingress" / "keys.json").stat().st_mode & 0o077 == 0


async def test_a_revoked_key_is_gone_after_the_next_reading():
    key, source = new_key(), None
    source = Source(stored(key))
    ring = KeyRing(NO_KEYS, source)
    await ring.refresh()
    source.keys = ()
    await ring.refresh()
    assert ring.authenticate(key) is None


async def test_what_was_used_is_noted_at_the_next_reading():
    key = new_key()
    source = Source(stored(key))
    ring = KeyRing(NO_KEYS, source)
    await ring.refresh()
    ring.authenticate(key)
    await ring.refresh()
    assert source.used == {digest_of(key)}


async def test_a_damaged_memory_of_keys_is_no_reason_not_to_start(tmp_path):
    (tmp_path / "keys.json").write_text('[{"name": 1')
    assert KeyRing(NO_KEYS, None, file=tmp_path / "keys.json").authenticate(new_key()) is None


@pytest.mark.parametrize(
    ("patterns", "text", "fits"),
    [
        ((), "/any", True),
        (("/db/*",), "/db/1", True),
        (("/db/*",), "/dbx", False),
        (("/db",), "/db/1", False),
        (("/a", "/b"), "/b", True),
        (("*",), "", True),
    ],
)
def test_a_key_speaks_for_the_sources_its_patterns_fit(patterns, text, fits):
    who = Principal(name="n", scopes=frozenset(), sources=patterns, destinations=patterns)
    assert who.may_speak_for(text) is fits
    assert who.may_reach(text) is fits
