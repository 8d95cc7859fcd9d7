"""The forms of a published event, and what is said about a wrong one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.events.cloudevent import NotJson, Published, WrongFields, WrongMediaType, parse_events

STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
PLAIN = {"content-type": "application/json"}
BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "A-1",
    "ce-source": "/backup",
    "ce-type": "backup.failed",
}
FULL = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/backup",
    "type": "backup.failed",
    "subject": "db €",
    "time": "2026-01-31T12:00:00.5+02:00",
    "destination": "ops",
    "data": {"disk": "full"},
}
EVENT = Published.model_validate({k: v for k, v in FULL.items() if k != "specversion"})


def parsed(headers, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (event,) = parse_events(headers, raw).events
    return Published.model_validate(event.model_dump(exclude={"specversion", "data_base64"}))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(STRUCTURED, FULL, id="structured"),
        pytest.param(STRUCTURED, FULL | {"datacontenttype": "application/json", "other": 1}, id="extensions"),
        pytest.param(
            BINARY | {"ce-subject": "db%20%E2%82%AC", "ce-time": FULL["time"], "ce-destination": "ops"},
            FULL["data"],
            id="binary, percent-encoded",
        ),
        pytest.param(PLAIN, {k: v for k, v in FULL.items() if k != "specversion"}, id="plain"),
        pytest.param(
            PLAIN | {"ce-destination": "ops"},
            {k: v for k, v in FULL.items() if k not in {"specversion", "destination"}},
            id="plain, destination in a header",
        ),
    ],
)
def test_all_forms_say_the_same(headers, body):
    assert parsed(headers, body) == EVENT


OURS = {"deliver_at": "2026-02-01T00:00:00Z", "expires_at": "2026-02-02T00:00:00Z", "priority": "high",
        "dedupe_key": "d", "thread_key": "t"}  # fmt: skip
AS_EXTENSIONS = {"deliverat": OURS["deliver_at"], "expirytime": OURS["expires_at"], "priority": "high",
                 "dedupekey": "d", "threadkey": "t"}  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(PLAIN, {"type": "backup.failed"} | OURS, id="plain"),
        pytest.param(STRUCTURED, FULL | AS_EXTENSIONS, id="structured, as CloudEvents names attributes"),
        pytest.param(BINARY | {f"ce-{k}": v for k, v in AS_EXTENSIONS.items()}, {}, id="binary"),
    ],
)
def test_times_and_keys_have_a_name_in_every_form(headers, body):
    event = parsed(headers, body)
    assert {name: getattr(event, name) for name in OURS} == OURS


BATCH = {"content-type": "application/cloudevents-batch+json"}


def test_a_batch_is_taken_in_its_order():
    found = parse_events(BATCH, json.dumps([FULL, FULL | {"id": "A-2"}]).encode())
    assert found.is_batch
    assert [event.id for event in found.events] == ["A-1", "A-2"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, [""]),
        ([], [""]),
        ([FULL] * 101, [""]),
        ([FULL, {"type": "x"}, FULL | {"time": "noon"}], ["1.id", "1.source", "1.specversion", "2.time"]),
        ([[]], ["0"]),
    ],
)
def test_a_batch_is_refused_as_a_whole_with_the_place_of_each_fault(body, paths):
    with pytest.raises(WrongFields) as caught:
        parse_events(BATCH, json.dumps(body).encode())
    assert sorted(".".join(map(str, error["loc"])) for error in caught.value.errors) == paths


def test_only_the_type_is_needed_in_the_plain_form():
    assert parsed(PLAIN, {"type": "x"}) == Published(type="x")


def test_a_binary_event_may_have_no_data():
    assert parsed(BINARY, b"").data == {}


@pytest.mark.parametrize(
    ("headers", "body", "paths"),
    [
        (PLAIN, {}, ["type"]),
        (PLAIN, {"type": ""}, ["type"]),
        (PLAIN, {"type": "a\nb"}, ["type"]),
        (PLAIN, {"type": "x" * 256}, ["type"]),
        (PLAIN, {"type": "x", "destinaton": "ops"}, ["destinaton"]),
        (PLAIN, {"type": "x", "data": [1]}, ["data"]),
        (PLAIN, {"type": "x", "time": "yesterday"}, ["time"]),
        (PLAIN, {"type": "x", "time": "2026-01-31T12:00:00"}, ["time"]),
        (PLAIN, {"type": "x", "time": "2026-02-31T12:00:00Z"}, ["time"]),
        (PLAIN, {"type": "x", "time": 1700000000}, ["time"]),
        (PLAIN, {"type": 1, "id": 2}, ["type", "id"]),
        (PLAIN, [], [""]),
        (PLAIN, {"type": "x", "destination": 7}, ["destination"]),
        (STRUCTURED, FULL | {"specversion": "0.3"}, ["specversion"]),
        (STRUCTURED, {"type": "x"}, ["id", "source", "specversion"]),
        (STRUCTURED, FULL | {"data_base64": "AAAA"}, ["data_base64"]),
        ({k: v for k, v in BINARY.items() if k != "ce-id"}, {}, ["ce-id"]),
        (BINARY | {"ce-time": "x"}, {}, ["ce-time"]),
        (BINARY | {"ce-subject": "a%00b"}, {}, ["ce-subject"]),
        (BINARY, ["no", "object"], ["data"]),
    ],
)
def test_a_wrong_event_is_described_by_the_paths_of_its_fields(headers, body, paths):
    with pytest.raises(WrongFields) as caught:
        parsed(headers, body)
    found = sorted(".".join(map(str, error["loc"])) for error in caught.value.errors)
    assert found == sorted(paths)
    assert all("input" not in error for error in caught.value.errors)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
@pytest.mark.parametrize("headers", [PLAIN, STRUCTURED], ids=["plain", "structured"])
def test_what_is_no_json_is_said_so(headers, body):
    with pytest.raises(NotJson):
        parsed(headers, body)


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_other_media_types_are_refused_with_what_to_send(media_type):
    with pytest.raises(WrongMediaType, match="Send"):
        parse_events({"content-type": media_type}, b"{}")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FULL, "data_base64"]), anything, max_size=5),
       st.sampled_from([PLAIN, STRUCTURED, BINARY]))  # fmt: skip
def test_no_nearly_right_event_crashes_the_parser(spoilt, headers):
    try:
        found = parse_events(headers, json.dumps(FULL | spoilt).encode())
    except (WrongFields, NotJson):
        return
    assert found.events[0].type
