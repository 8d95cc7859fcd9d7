"""Whatever a program hands over becomes an event that ingress takes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.events.cloudevent import parse_events
from posta_client.event import Event, Options, batch_body, make_event
from posta_client.verdict import Later, Refused, Taken, judge
from posta_client.words import WrongWord, data_of

HEADERS = {"content-type": "application/cloudevents+json"}
NOTHING = Options()


class Odd:
    def __str__(self):
        return "odd \ud800"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary()
    | st.just(Odd()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@given(
    type_=st.text(), data=anything, source=st.text(), subject=st.none() | st.text(), key=st.none() | st.text()
)
def test_ingress_takes_whatever_is_published(type_, data, source, subject, key):
    event = make_event(type_, data, Options(subject=subject, thread_key=key), source=source)
    (taken,) = parse_events(HEADERS, event.body).events
    assert taken.id == event.id


def test_what_is_said_arrives_as_it_was_said():
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    options = Options(
        destination="ops", source="/db/1", subject="nightly", id="7", time=now, deliver_at=now,
        expires_at=now + timedelta(hours=1), priority="high", dedupe_key="d", thread_key="t",
    )  # fmt: skip
    event = make_event("backup.failed", {"gb": 1.5, "tags": ("a",), "at": now}, options, source="/other")
    (taken,) = parse_events(HEADERS, event.body).events
    assert (taken.type, taken.source, taken.subject, taken.id) == ("backup.failed", "/db/1", "nightly", "7")
    assert taken.data == {"gb": 1.5, "tags": ["a"], "at": str(now)}
    assert (taken.time, taken.deliver_at, taken.expires_at) == (
        "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z")  # fmt: skip
    assert (taken.destination, taken.priority, taken.dedupe_key, taken.thread_key) == (
        "ops",
        "high",
        "d",
        "t",
    )


def test_what_json_has_not_becomes_text():
    data = {"n": float("nan"), "i": float("inf"), 3: {1}, "odd": Odd()}
    (taken,) = parse_events(HEADERS, make_event("x", data, NOTHING, source="/s").body).events
    assert taken.data == {"n": "nan", "i": "inf", "3": [1], "odd": "odd ?"}


def test_data_nested_without_end_ends():
    endless = {}
    endless["again"] = endless
    (taken,) = parse_events(HEADERS, make_event("x", endless, NOTHING, source="/s").body).events
    assert taken.data


def test_a_batch_is_one_that_ingress_takes():
    events = [make_event("x", {"n": n}, NOTHING, source="/s") for n in range(3)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert [e.id for e in parse_events(headers, batch_body(events)).events] == [e.id for e in events]
    assert isinstance(events[0], Event)


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict"),
    [
        (202, {}, b'{"id": "event:1", "status": "accepted"}', Taken(("event:1",))),
        (202, {}, b'{"events": [{"id": "a"}, {"id": "b"}]}', Taken(("a", "b"))),
        (200, {}, b"<html>", Taken()),
        (200, {}, b"[1]", Taken()),
        (422, {}, b'{"title": "Wrong", "detail": "Correct\\n it"}', Refused("422 Wrong: Correct it")),
        (403, {}, b"", Refused("403")),
        (413, {}, b"null", Refused("413")),
        (401, {}, b"", Later("401")),
        (404, {}, b"", Later("404")),
        (302, {}, b"", Later("302")),
        (429, {"retry-after": "7"}, b"", Later("429", 7.0)),
        (503, {"retry-after": "soon"}, b"", Later("503")),
        (503, {"retry-after": "1e9"}, b"", Later("503", 3600.0)),
        (503, {"retry-after": "-1"}, b"", Later("503", 0.0)),
    ],
)
def test_each_answer_has_its_meaning(status, headers, body, verdict):
    assert judge(status, headers, body) == verdict


def test_words_become_data():
    words = ["host=db1", "size:=12.5", "error=a=b", "empty=", "disk.free:=3", "disk.name=sda", "list:=[1]"]
    assert data_of(words) == {
        "host": "db1", "size": 12.5, "error": "a=b", "empty": "", "disk": {"free": 3, "name": "sda"},
        "list": [1],
    }  # fmt: skip


@pytest.mark.parametrize("words", [["host"], ["=1"], [":=1"], ["n:=x"], ["a=1", "a.b=2"]])
def test_a_word_that_makes_no_sense_is_named(words):
    with pytest.raises(WrongWord, match=words[-1]):
        data_of(words)
