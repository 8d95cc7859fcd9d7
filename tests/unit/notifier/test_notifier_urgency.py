"""How urgent a delivery is: priorities, deadlines, threads; and that no record makes it fail."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deliveries import discord_reply, published

from notifier.urgency import LOW_LATER_S, NO_DEADLINE_S, NORMAL_LATER_S, rank_of
from posta.domain.envelope import encode
from posta.engine.message import RawRecord

NOW_MS = 1_795_000_000_000


def record(event, *, topic="events.published", came_ms=NOW_MS):
    wire = encode(event)
    return RawRecord(topic, 0, 0, came_ms, wire.key, wire.value, wire.headers)


@pytest.mark.parametrize(
    ("priority", "later_s"), [("high", 0), ("normal", NORMAL_LATER_S), ("low", LOW_LATER_S)]
)
def test_an_event_is_due_by_its_priority_and_its_age(priority, later_s):
    assert rank_of(record(published(1, priority=priority))).due == NOW_MS / 1000 + later_s


def test_an_old_event_of_low_priority_goes_before_a_new_one_of_high_priority():
    old = rank_of(record(published(1, priority="low")))
    new = rank_of(record(published(2, priority="high"), came_ms=NOW_MS + int(LOW_LATER_S * 1000) + 1))
    assert old.due < new.due


def test_events_of_one_thread_stay_in_order_and_those_of_two_publishers_are_two_threads():
    first, other = (rank_of(record(published(1, thread_key=key))).within for key in ("nightly", "weekly"))
    assert first is not None
    assert first != other
    assert rank_of(record(published(1, thread_key="nightly", publisher="another"))).within != first
    assert rank_of(record(published(1))).within is None


def test_of_answers_the_one_whose_token_ends_first_goes_first():
    base = datetime.now(UTC)
    ends = [base + timedelta(minutes=minutes) for minutes in (14, 3, 9)]
    ranks = [
        rank_of(record(replace(discord_reply(n), expires_at=end), topic="replies.ready"))
        for n, end in enumerate(ends)
    ]
    assert sorted(range(3), key=lambda n: ranks[n].turn) == [1, 2, 0]
    assert {rank.due for rank in ranks} == {0.0}, "a conversation's answers keep their order"


def test_what_has_no_deadline_takes_its_turn_in_the_end():
    mail = rank_of(record(replace(discord_reply(1), expires_at=None), topic="replies.ready"))
    assert mail.turn == NOW_MS / 1000 + NO_DEADLINE_S


def test_destinations_take_turns_and_in_a_lane_events_do_not_go_before_answers():
    assert rank_of(record(published(1))).turn == 0.0
    event = rank_of(record(published(1), topic="notifier.retry.5s"))
    soon = datetime.fromtimestamp(NOW_MS / 1000 + 60, UTC)
    answer = rank_of(record(replace(discord_reply(1), expires_at=soon), topic="notifier.retry.5s"))
    assert answer.turn < event.turn


@given(
    st.binary() | st.none(),
    st.lists(st.tuples(st.sampled_from(["ce_type", "ce_expirytime", "x"]), st.binary())),
)
def test_no_record_makes_it_fail(value, headers):
    rank_of(RawRecord("events.published", 0, 0, NOW_MS, None, value, tuple(headers)))
    typed = (("ce_type", b"posta.event.published.v1"), *headers)
    rank_of(RawRecord("events.published", 0, 0, NOW_MS, None, value, typed))
