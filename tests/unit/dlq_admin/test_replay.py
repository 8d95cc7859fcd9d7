import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dead_letters import HEADERS, headers, record

from dlq_admin.dead_letter import Bytes
from dlq_admin.reading import read_record
from dlq_admin.replay import NotReplayable, release_wire, replay_topic, replay_wire
from posta.domain.failure import PREFIX, read_delivery


def replayed(dead):
    return replay_wire(read_record(dead), Bytes(key=dead.key, value=dead.value, headers=dead.headers))


def delivery_of(wire):
    return read_delivery(topic="lane", partition=0, offset=0, timestamp_ms=0, headers=wire.headers)


@pytest.mark.parametrize(
    ("group", "lane"), [("llm-worker", "llm-worker.retry.5s"), ("notifier", "notifier.retry.5s")]
)
def test_a_replay_goes_to_the_shortest_lane_of_its_group(group, lane):
    assert replay_topic(group) == lane


@pytest.mark.parametrize("group", ["dlq-admin", "gone", ""])
def test_a_group_that_takes_no_retries_is_refused(group):
    with pytest.raises(NotReplayable, match="no consumer group"):
        replay_topic(group)


def test_the_record_starts_anew_and_keeps_where_it_came_from():
    wire = replayed(record(headers=(*headers(), ("x-own", b"\xff"))))
    delivery = delivery_of(wire)
    assert (delivery.attempt, delivery.redrive, delivery.not_before, delivery.lane_due) == (1, 1, 0.0, 0.0)
    assert (delivery.first_failure_ms, delivery.last_failure_ms) == (None, None)
    assert (delivery.origin.topic, delivery.origin.partition, delivery.origin.offset) == (
        "discord.interactions",
        2,
        41,
    )
    own = tuple(pair for pair in wire.headers if not pair[0].startswith(PREFIX))
    assert own == (*(p for p in headers() if not p[0].startswith(PREFIX)), ("x-own", b"\xff"))
    assert not {"posta-reason", "posta-error-class", "posta-fingerprint"} & dict(wire.headers).keys()


def test_each_replay_counts():
    assert delivery_of(replayed(record(headers=headers(posta_redrive="4")))).redrive == 5


def test_a_null_record_is_null_again():
    wire = replayed(record(key=None, value=b"", headers=(("posta-null-value", b"1"),)))
    assert (wire.key, wire.value) == (None, None)
    assert replayed(record(key=None, value=b"", headers=())).value == b""


def test_a_truncated_record_is_replayed_from_its_original_and_refused_without():
    dead = record(value=b"par", headers=headers(posta_truncated="3"))
    cut = Bytes(key=dead.key, value=dead.value, headers=dead.headers)
    with pytest.raises(NotReplayable, match="whole original"):
        replay_wire(read_record(dead), cut)
    whole = Bytes(key=b"the key", value=b"part and rest", headers=(("x-own", b"1"), ("posta-attempt", b"9")))
    wire = replay_wire(read_record(dead), cut, whole=whole)
    assert (wire.key, wire.value) == (b"the key", b"part and rest")
    assert wire.headers[0] == ("x-own", b"1")
    assert (delivery_of(wire).origin.offset, delivery_of(wire).attempt) == (41, 1)
    assert "posta-truncated" not in dict(wire.headers)


def test_a_release_has_the_key_and_the_origin_and_nothing_of_the_record():
    dead = record(headers=headers(posta_previous_span="00-1-2-01"))
    wire = release_wire(read_record(dead), Bytes(key=dead.key, value=dead.value, headers=dead.headers))
    assert (wire.key, wire.value) == (dead.key, b"")
    delivery = delivery_of(wire)
    assert (delivery.release, delivery.origin.topic, delivery.origin.offset) == (
        True,
        "discord.interactions",
        41,
    )
    assert {name for name, _ in wire.headers if not name.startswith(PREFIX)} == set()
    with pytest.raises(NotReplayable, match="without a key"):
        release_wire(read_record(dead), Bytes(key=None, value=b"", headers=dead.headers))


@given(
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(st.sampled_from(list(HEADERS)) | st.text(), st.binary())).map(tuple),
)
def test_the_bytes_and_own_headers_of_any_record_are_replayed_as_they_were(key, value, made):
    wire = replayed(record(key=key, value=value, headers=made))
    assert (wire.key, wire.value) == (key, value)
    assert [p for p in wire.headers if not p[0].startswith(PREFIX)] == [
        p for p in made if not p[0].startswith(PREFIX)
    ]
    assert delivery_of(wire).attempt == 1
