"""The three forms of a published event, and what is said about a wrong one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.cloudevent import NotJson, Published, WrongFields, WrongMediaType, parse_event

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
    event = parse_event(headers, raw)
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


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded",
                                        "application/cloudevents-batch+json", "application/xml"])  # fmt: skip
def test_other_media_types_are_refused_with_what_to_send(media_type):
    with pytest.raises(WrongMediaType, match="Send"):
        parse_event({"content-type": media_type}, b"{}")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FULL, "data_base64"]), anything, max_size=5),
       st.sampled_from([PLAIN, STRUCTURED, BINARY]))  # fmt: skip
def test_no_nearly_right_event_crashes_the_parser(spoilt, headers):
    try:
        event = parse_event(headers, json.dumps(FULL | spoilt).encode())
    except (WrongFields, NotJson):
        return
    assert event.type
