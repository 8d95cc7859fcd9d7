"""What every dead-letter store must do: one suite for the fake and for PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest
from support.dead_letters import TRACE_ID, headers, record

from dlq_admin.dead_letter import Action, Bytes, Decision, Filter, Hold, KeyReused, RequestKey, State
from dlq_admin.reading import read_record
from dlq_admin.store import Chosen
from posta.domain.ids import reference_number

REPLAY = Decision(action=Action.REPLAY, actor="ada", reason="it is back")
RELEASE = Decision(action=Action.RELEASE, actor="ada", reason="let them go")
DISCARD = Decision(action=Action.DISCARD, actor="ada", reason="a test")
MANY = Chosen(filter=Filter(group="llm-worker"))


async def add(store, *records):
    """Index records and return the ids they got, in order."""
    for one in records:
        await store.add(read_record(one), Bytes(key=one.key, value=one.value, headers=one.headers))
    found = await store.find(Filter(), before=None, limit=200)
    places = {(s.reading.topic, s.reading.partition, s.reading.offset): s.id for s in found}
    return [places[one.topic, one.partition, one.offset] for one in records]


async def state(store, number):
    return (await store.get(number)).summary.state


class StoreContract:
    """Collected by the classes that inherit it and provide the fixture ``store``."""

    async def test_a_dead_letter_is_indexed_once(self, store):
        reading, kept = read_record(record()), Bytes(key=None, value=b"x", headers=())
        assert await store.add(reading, kept) is True
        assert await store.add(reading, kept) is False
        assert len(await store.find(Filter(), before=None, limit=10)) == 1

    async def test_its_bytes_come_back_as_they_were(self, store):
        odd = (("a\x00b", b"\x00\xff"), ("a", b""), ("a", b"2"), ("é\ud7ff", b"\xf0\x9f"))
        for offset, (key, value) in enumerate([(None, None), (b"", b""), (b"\xff\x00", bytes(range(256)))]):
            [number] = await add(store, record(offset, key=key, value=value, headers=odd))
            found = await store.get(number)
            assert (found.record.key, found.record.value, found.record.headers) == (key, value, odd)

    async def test_what_its_headers_say_comes_back(self, store):
        [number] = await add(store, record())
        found = await store.get(number)
        assert found.summary.reading == read_record(record())
        assert found.summary.reading.trace_id == TRACE_ID
        assert found.summary.state is State.OPEN

    async def test_lists_are_newest_first_and_go_on_below_an_id(self, store):
        ids = await add(store, *(record(offset) for offset in range(4)))
        first = [s.id for s in await store.find(Filter(), before=None, limit=3)]
        rest = [s.id for s in await store.find(Filter(), before=first[-1], limit=3)]
        assert first + rest == ids[::-1]

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (Filter(group="notifier"), [2]),
            (Filter(error_class="permanent"), [1]),
            (Filter(state=State.OPEN), [0, 1, 2]),
            (Filter(state=State.REPLAYED), []),
            (Filter(fingerprint="feed"), [1]),
            (Filter(event_type="posta.reply.ready.v1"), [2]),
            (Filter(text="100% SURE"), [1]),
            (Filter(text="100_ sure"), []),
            (Filter(text="%"), [1]),
            (Filter(text="\\"), []),
            (Filter(text="providerdown"), [0, 1, 2]),
            (Filter(text="discord:77"), [2]),
            (Filter(text=TRACE_ID.upper()), [0, 1]),
            (Filter(text=TRACE_ID[:8]), []),
            (Filter(text=reference_number("discord:77")), [2]),
            (Filter(text=reference_number("discord:1001").replace("-", "").lower()), [0, 1]),
            (Filter(group="llm-worker", fingerprint="0123456789abcdef"), [0]),
        ],
    )
    async def test_filters_narrow_a_list_down(self, store, wanted, expected):
        ids = await add(
            store,
            record(0),
            record(
                1,
                headers=headers(
                    posta_reason="100% sure",
                    posta_error_class="permanent",
                    posta_fingerprint="feed",
                ),
            ),
            record(
                2,
                topic="notifier.dlq",
                headers=headers(ce_id="discord:77", ce_type="posta.reply.ready.v1", traceparent=None),
            ),
        )
        found = await store.find(wanted, before=None, limit=10)
        assert sorted(s.id for s in found) == [ids[number] for number in expected]

    async def test_equal_failures_are_counted_together(self, store):
        await add(
            store,
            record(0),
            record(1, headers=headers(posta_reason="the newest")),
            record(2, headers=headers(posta_fingerprint=None)),
            record(3, topic="notifier.dlq"),
        )
        groups = await store.alike(Filter(), limit=10)
        assert [(g.group, g.fingerprint, g.count) for g in groups] == [
            ("llm-worker", "0123456789abcdef", 2),
            ("notifier", "0123456789abcdef", 1),
            ("llm-worker", None, 1),
        ]
        assert groups[0].reason == "the newest"
        assert len(await store.alike(Filter(), limit=1)) == 1

    async def test_a_replay_is_claimed_then_finished_each_with_its_audit_entry(self, store):
        [number] = await add(store, record())
        decided = await store.claim(Chosen(ids=(number,)), REPLAY, lease_s=60)
        assert decided.ids == (number,)
        assert await state(store, number) is State.REPLAYING
        [leased] = await store.lease(ids=(number,), limit=1, lease_s=60)
        assert (leased.id, leased.record.value) == (number, record().value)
        assert await store.finish(number) is True
        assert await store.finish(number) is False
        found = await store.get(number)
        assert found.summary.state is State.REPLAYED
        assert [(e.action, e.actor, e.reason, e.outcome) for e in found.audit] == [
            (Action.REPLAY, "ada", "it is back", "started"),
            (Action.REPLAY, "ada", "it is back", "replayed"),
        ]

    async def test_a_wish_for_an_answer_from_scratch_is_kept_until_the_replay_is_published(self, store):
        [number] = await add(store, record())
        await store.claim(Chosen(ids=(number,)), replace(REPLAY, from_scratch=True), lease_s=60)
        [leased] = await store.lease(ids=(number,), limit=1, lease_s=60)
        assert leased.from_scratch
        await store.reopen(number, why="too large")
        await store.claim(Chosen(ids=(number,)), REPLAY, lease_s=60)
        [leased] = await store.lease(ids=(number,), limit=1, lease_s=60)
        assert not leased.from_scratch

    async def test_what_is_refused_is_open_again(self, store):
        [number] = await add(store, record())
        await store.claim(Chosen(ids=(number,)), REPLAY, lease_s=60)
        assert await store.reopen(number, why="too large") is True
        assert await store.reopen(number, why="too large") is False
        found = await store.get(number)
        assert found.summary.state is State.OPEN
        assert found.audit[-1].outcome == "refused: too large"

    async def test_only_open_ones_can_be_decided_and_the_others_are_named(self, store):
        ids = await add(store, *(record(offset) for offset in range(4)))
        await store.discard(Chosen(ids=(ids[0],)), DISCARD)
        await store.claim(Chosen(ids=(ids[1],)), REPLAY, lease_s=60)
        await store.claim(Chosen(ids=(ids[2],)), REPLAY, lease_s=60)
        await store.finish(ids[2])
        wanted = Chosen(ids=(*ids, 10**12))
        for decide in (store.discard(wanted, DISCARD), store.claim(wanted, REPLAY, lease_s=60)):
            decided = await decide
            assert set(ids[:3]) <= set(decided.refused)
            assert decided.missing == (10**12,)
        assert await state(store, ids[3]) is State.DISCARDED

    async def test_what_holds_its_key_is_found_until_it_is_released(self, store):
        held, _free, other = await add(
            store,
            record(0, headers=headers(posta_holds_key="1")),
            record(1),
            record(2, topic="notifier.dlq", headers=headers(posta_holds_key="1")),
        )
        wanted = Filter(holding=True)
        assert [s.id for s in await store.find(wanted, before=None, limit=9)] == [other, held]
        assert (await store.get(held)).summary.hold is Hold.HELD
        mine = Filter(group="llm-worker", holding=True)
        assert [s.id for s in await store.find(mine, before=None, limit=9)] == [held]
        assert (await store.release(Chosen(ids=(held,)), RELEASE)).ids == (held,)
        assert (await store.get(held)).summary.hold is Hold.RELEASING
        assert [c.id for c in await store.lease_releases(limit=9, lease_s=60)] == [held]
        assert await store.lease_releases(limit=9, lease_s=60) == [], "leased"
        assert await store.released(held, outcome="released") is True
        assert await store.released(held, outcome="released") is False
        found = await store.get(held)
        assert (found.summary.hold, found.summary.state) == (Hold.RELEASED, State.OPEN)
        assert [(e.action, e.actor, e.outcome) for e in found.audit] == [
            (Action.RELEASE, "ada", "started"),
            (Action.RELEASE, "ada", "released"),
        ]
        assert [s.id for s in await store.find(wanted, before=None, limit=9)] == [other]

    async def test_discarding_what_holds_its_key_releases_it(self, store):
        held, free = await add(store, record(0, headers=headers(posta_holds_key="1")), record(1))
        await store.discard(Chosen(ids=(held, free)), DISCARD)
        assert (await store.get(held)).summary.hold is Hold.RELEASING
        assert (await store.get(free)).summary.hold is Hold.NONE
        [leased] = await store.lease_releases(limit=9, lease_s=0.01)
        await asyncio.sleep(0.02)
        assert await store.lease_releases(limit=9, lease_s=60) == [leased], "until it is confirmed"
        await store.released(held, outcome="released")
        assert [(e.action, e.outcome) for e in (await store.get(held)).audit] == [
            (Action.DISCARD, "discarded"),
            (Action.RELEASE, "released"),
        ]

    async def test_a_refused_release_leaves_the_key_held_and_can_be_asked_for_again(self, store):
        [held] = await add(store, record(headers=headers(posta_holds_key="1")))
        await store.release(Chosen(ids=(held,)), RELEASE)
        assert await store.released(held, outcome="refused: no such group") is True
        assert (await store.get(held)).summary.hold is Hold.HELD
        assert (await store.release(Chosen(ids=(held,)), RELEASE)).ids == (held,)

    async def test_a_key_can_be_released_after_a_replay_but_not_during_it(self, store):
        [held] = await add(store, record(headers=headers(posta_holds_key="1")))
        await store.claim(Chosen(ids=(held,)), REPLAY, lease_s=60)
        assert held in (await store.release(Chosen(ids=(held,)), RELEASE)).refused
        await store.finish(held)
        assert (await store.release(Chosen(ids=(held,)), RELEASE)).ids == (held,)

    async def test_a_filter_takes_the_oldest_open_ones_up_to_its_limit(self, store):
        ids = await add(store, *(record(offset) for offset in range(4)))
        await store.discard(Chosen(ids=(ids[0],)), DISCARD)
        decided = await store.claim(Chosen(filter=Filter(group="llm-worker"), limit=2), REPLAY, lease_s=0)
        assert decided.ids == (ids[1], ids[2])
        assert await state(store, ids[3]) is State.OPEN

    async def test_a_leased_one_is_not_taken_by_others_until_its_lease_is_over(self, store):
        [first, second] = await add(store, record(0), record(1))
        await store.claim(Chosen(ids=(first,)), REPLAY, lease_s=60)
        await store.claim(Chosen(ids=(second,)), REPLAY, lease_s=0)
        assert [c.id for c in await store.lease(ids=None, limit=9, lease_s=0.05)] == [second]
        assert await store.lease(ids=None, limit=9, lease_s=60) == []
        await asyncio.sleep(0.06)
        assert [c.id for c in await store.lease(ids=None, limit=9, lease_s=60)] == [second]

    async def test_a_finished_one_is_never_leased(self, store):
        [number] = await add(store, record())
        await store.claim(Chosen(ids=(number,)), REPLAY, lease_s=0)
        await store.finish(number)
        assert await store.lease(ids=None, limit=9, lease_s=60) == []
        assert await store.lease(ids=(number,), limit=9, lease_s=60) == []

    async def test_a_repeated_request_does_nothing_and_names_what_was_done(self, store):
        ids = await add(store, record(0), record(1))
        asked = RequestKey(actor="ada", key="k", request_sha256="1")
        first = await store.claim(MANY, REPLAY, lease_s=60, request=asked)
        second = await store.claim(MANY, REPLAY, lease_s=60, request=asked)
        assert (first.ids, first.repeated) == (tuple(ids), False)
        assert (second.ids, second.repeated) == (tuple(ids), True)
        with pytest.raises(KeyReused):
            await store.claim(
                MANY, REPLAY, lease_s=60, request=RequestKey(actor="ada", key="k", request_sha256="2")
            )
        other = RequestKey(actor="bob", key="k", request_sha256="2")
        assert (await store.claim(MANY, REPLAY, lease_s=60, request=other)).repeated is False

    async def test_a_request_that_did_nothing_may_be_sent_again(self, store):
        asked = RequestKey(actor="ada", key="k", request_sha256="1")
        assert (await store.claim(MANY, REPLAY, lease_s=60, request=asked)).ids == ()
        [number] = await add(store, record())
        assert (await store.claim(MANY, REPLAY, lease_s=60, request=asked)).ids == (number,)

    async def test_old_requests_are_forgotten(self, store):
        await add(store, record(0))
        asked = RequestKey(actor="ada", key="k", request_sha256="1")
        await store.claim(MANY, REPLAY, lease_s=60, request=asked)
        await store.forget_requests(older_than_s=3600)
        assert (await store.claim(MANY, REPLAY, lease_s=60, request=asked)).repeated is True
        await store.forget_requests(older_than_s=0)
        assert (await store.claim(MANY, REPLAY, lease_s=60, request=asked)).repeated is False

    async def test_the_history_of_an_event_names_its_other_dead_letters_in_the_same_group(self, store):
        first, second, _group, _event = await add(
            store,
            record(0),
            record(1, headers=headers(posta_redrive="1")),
            record(2, topic="notifier.dlq"),
            record(3, headers=headers(ce_id="discord:2")),
        )
        assert [s.id for s in (await store.get(second)).others] == [first]
        assert [s.reading.redrive for s in (await store.get(first)).others] == [1]

    async def test_the_backlog_counts_what_is_open(self, store):
        assert (await store.backlog()).open_by_group == {}
        ids = await add(store, record(0), record(1), record(2, topic="notifier.dlq"))
        await store.discard(Chosen(ids=(ids[0],)), DISCARD)
        backlog = await store.backlog()
        assert backlog.open_by_group == {"llm-worker": 1, "notifier": 1}
        assert 0 <= backlog.oldest_s < 60

    async def test_what_is_not_there_is_none(self, store):
        assert await store.get(10**12) is None
        assert await store.finish(10**12) is False
