"""The envelope: what is encoded comes back, and whatever else comes is Malformed, never a crash."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.envelope import Event, Wire, decode, encode, header
from posta.domain.payloads import (
    PAYLOADS,
    DiscordInteraction,
    DiscordTarget,
    EmailReceived,
    EventPublished,
    Person,
    ReplyReady,
)
from posta.errors import Malformed

TEXT = st.text(max_size=40)
PERSONS = st.builds(Person, id=TEXT, name=TEXT)
DATA = st.one_of(
    st.builds(
        DiscordInteraction,
        interaction_id=TEXT, application_id=TEXT, token=TEXT, kind=st.integers(1, 9), command=TEXT,
        text=TEXT, person=PERSONS, locale=TEXT, ephemeral=st.booleans(),
    ),
    st.builds(
        EmailReceived,
        account=TEXT, mailbox=TEXT, uidvalidity=st.integers(0), uid=st.integers(0), sender=PERSONS,
        subject=TEXT, text=TEXT, references=st.lists(TEXT, max_size=3).map(tuple),
    ),
    st.builds(
        EventPublished,
        destination=TEXT, publisher=TEXT, client_id=TEXT, client_type=TEXT, client_source=TEXT,
        occurred_at=TEXT, data=st.dictionaries(TEXT, st.integers() | TEXT, max_size=3),
    ),
)  # fmt: skip
TIMES = st.datetimes(timezones=st.just(UTC))


def an_event(**changes):
    fields = {
        "id": "discord:1", "source": "/ingress", "key": "k",
        "time": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        "data": DiscordInteraction(
            interaction_id="1", application_id="2", token="s3cret-token", kind=2, command="ask", text="?",
            person=Person(id="3"),
        ),
    }  # fmt: skip
    return Event(**{**fields, **changes})


def rewrite(wire, **headers):
    named = {f"ce_{name}": value for name, value in headers.items()}
    kept = [(n, named.get(n, v)) for n, v in wire.headers]
    return tuple((n, v) for n, v in kept if v is not None)


@given(data=DATA, time=TIMES, expires=st.none() | TIMES, key=TEXT, id_=st.text(min_size=1, max_size=40))
def test_an_event_comes_back_as_it_was(data, time, expires, key, id_):
    event = Event(id=id_, source="/t", time=time, key=key, data=data, expires_at=expires)
    wire = encode(event, {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
    assert decode(key=wire.key, value=wire.value, headers=wire.headers) == event


def test_the_wire_form_is_cloudevents_binary_mode():
    wire = encode(an_event(expires_at=datetime(2026, 1, 2, 3, 20, tzinfo=UTC)), {"traceparent": "00-x"})
    assert dict(wire.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"discord:1",
        "ce_type": b"posta.discord.interaction.v1",
        "ce_source": b"/ingress",
        "ce_time": b"2026-01-02T03:04:05.678901Z",
        "ce_expirytime": b"2026-01-02T03:20:00Z",
        "content-type": b"application/json",
        "traceparent": b"00-x",
    }
    assert wire.key == b"k"
    assert b"s3cret-token" in wire.value, "on the wire the token is whole"


def test_a_token_does_not_show_in_a_log_or_an_exception():
    assert "s3cret-token" not in repr(an_event())
    assert "s3cret-token" not in str(an_event().data)


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        pytest.param({"id": None}, None, "header ce_id is missing", id="no id"),
        pytest.param({"id": b""}, None, "header ce_id is missing", id="empty id"),
        pytest.param({"specversion": b"0.3"}, None, "version '0.3' is not 1.0", id="old version"),
        pytest.param({"type": b"posta.no.such.v1"}, None, "unknown event type", id="unknown type"),
        pytest.param({"type": b"posta.discord.interaction.v2"}, None, "unknown event type", id="version 2"),
        pytest.param({"time": b"yesterday"}, None, "not an RFC 3339 time", id="no time"),
        pytest.param({"time": b"2026-01-01T00:00:00"}, None, "no time zone", id="no zone"),
        pytest.param({}, b"{", "json_invalid", id="no JSON"),
        pytest.param({}, b"[]", "value: model", id="no object"),
        pytest.param({}, b'{"kind": "two"}', "kind: int_parsing", id="wrong type"),
        pytest.param({}, b"\xff\xfe", "json_invalid", id="no UTF-8"),
    ],
)
def test_what_is_no_event_is_malformed_and_says_why(headers, value, reason):
    wire = encode(an_event())
    with pytest.raises(Malformed, match=reason):
        decode(key=wire.key, value=value or wire.value, headers=rewrite(wire, **headers))


def test_a_null_value_is_malformed():
    wire = encode(an_event())
    with pytest.raises(Malformed, match="is null"):
        decode(key=wire.key, value=None, headers=wire.headers)


def test_the_reason_never_quotes_the_value():
    wire = encode(an_event())
    with pytest.raises(Malformed) as caught:
        decode(key=None, value=b'{"token": ["s3cret-token"], "kind": "s3cret-token"}', headers=wire.headers)
    assert "s3cret" not in str(caught.value)


def test_unknown_fields_are_dropped_not_fatal():
    wire = encode(an_event())
    value = wire.value[:-1] + b', "new_in_v1_1": {"x": 1}}'
    assert decode(key=wire.key, value=value, headers=wire.headers) == an_event()


@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_id", "ce_type", "ce_source", "ce_time", "ce_specversion", "ce_expirytime", "x"]
            ),
            st.binary(max_size=20)
            | st.sampled_from([b"1.0", b"2026-01-01T00:00:00Z", *map(str.encode, PAYLOADS)]),
        ),
        max_size=10,
    ),
)
def test_any_bytes_are_an_event_or_malformed(key, value, headers):
    try:
        decode(key=key, value=value, headers=headers)
    except Malformed as exc:
        assert str(exc)


def test_the_last_header_of_a_name_counts():
    assert header([("a", b"1"), ("b", b"2"), ("a", b"3")], "a") == "3"
    assert header([], "a") is None


def test_a_reply_says_by_its_medium_where_it_goes():
    target = DiscordTarget(interaction_id="1", application_id="2", token="t")
    reply = ReplyReady(question_id="q", kind="answer", target=target, text="hi")
    wire = encode(an_event(data=reply))
    assert decode(key=None, value=wire.value, headers=wire.headers).data.target == target
    assert isinstance(wire, Wire)
