"""What identifies a published event, and where it goes."""

from datetime import UTC, datetime

import pytest

from ingress.events.addresses import AddressBook
from ingress.events.cloudevent import Published
from ingress.events.publication import (
    BadIdempotencyKey,
    NotPermitted,
    UnknownDestination,
    WrongTime,
    compose,
)
from posta.auth import Principal
from posta.destinations import Destinations

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULE = {"description": "d", "webhook_url": {"env": "POSTA_WEBHOOK_OPS"}}
TWO = Destinations.model_validate({"default": "ops", "destinations": {"ops": RULE, "game": RULE}})
NO_DEFAULT = Destinations.model_validate({"destinations": {"ops": RULE}})


def composed(*, publisher="backup", idempotency_key=None, destinations=TWO, may=None, number=None, **fields):
    return compose(
        Published.model_validate({"type": "x"} | fields),
        publisher=Principal(name=publisher, scopes=frozenset(), **(may or {})),
        number=number,
        idempotency_key=idempotency_key,
        addresses=AddressBook(destinations).addresses,
        now=NOW,
    )


def test_the_destination_is_the_key_and_what_is_missing_gets_a_value():
    event = composed(data={"a": 1})
    assert (event.key, event.data.destination, event.time, event.source) == ("ops", "ops", NOW, "/ingress")
    assert event.data.client_source == "/publishers/backup"
    assert event.data.client_id == event.id
    assert event.data.occurred_at == "2026-01-02T03:04:05Z"
    assert event.data.data == {"a": 1}
    assert event.expires_at is None


def test_what_the_client_gave_is_kept():
    time = "2026-01-31T12:00:00+02:00"
    event = composed(destination="game", source="/s", id="7", subject="u", time=time)
    kept = event.data
    assert (event.key, kept.client_source, kept.client_id, kept.subject) == ("game", "/s", "7", "u")
    assert kept.occurred_at == time


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param({"id": "1"}, {"id": "1"}, True, id="the same id again"),
        pytest.param({"id": "1", "source": "/a"}, {"id": "1", "source": "/b"}, False, id="another source"),
        pytest.param({"id": "1"}, {"id": "1", "publisher": "other"}, False, id="another publisher"),
        pytest.param({"idempotency_key": "k"}, {"idempotency_key": "k", "id": "9"}, True, id="the key wins"),
        pytest.param({"idempotency_key": "1"}, {"id": "1"}, False, id="a key is no id"),
        pytest.param({}, {}, False, id="nothing to tell them apart by"),
    ],
)
def test_the_same_cause_makes_the_same_id(first, second, same):
    assert (composed(**first).id == composed(**second).id) is same


@pytest.mark.parametrize("destinations", [TWO, NO_DEFAULT], ids=["default", "no default"])
def test_an_unknown_destination_is_refused_with_the_known_ones(destinations):
    with pytest.raises(UnknownDestination, match="ops"):
        composed(destination="nope", destinations=destinations)


def test_without_a_default_a_destination_must_be_named():
    with pytest.raises(UnknownDestination):
        composed(destinations=NO_DEFAULT)
    assert composed(destination="ops", destinations=NO_DEFAULT).key == "ops"


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\x00b"])
def test_an_unusable_idempotency_key_is_refused(key):
    with pytest.raises(BadIdempotencyKey):
        composed(idempotency_key=key)


# --- what a key may do, and when ----------------------------------------------------------------------


def test_a_key_publishes_only_for_its_sources_and_to_its_destinations():
    may = {"sources": ("/db/*",), "destinations": ("game",)}
    assert composed(may=may, source="/db/1", destination="game").key == "game"
    with pytest.raises(NotPermitted, match="/db/"):
        composed(may=may, source="/web", destination="game")
    with pytest.raises(NotPermitted, match="game"):
        composed(may=may, source="/db/1", destination="ops")


def test_a_key_with_one_destination_need_not_name_it():
    assert composed(may={"destinations": ("game",)}).key == "game"
    with pytest.raises(NotPermitted):
        composed(may={"destinations": ("ga*", "x")})


def test_without_a_source_it_speaks_for_itself_whatever_its_patterns_are():
    assert composed(may={"sources": ("/db/*",)}).data.client_source == "/publishers/backup"


def test_times_and_keys_are_carried():
    event = composed(
        deliver_at="2026-01-03T00:00:00+01:00", expires_at="2026-01-04T00:00:00Z", priority="high",
        dedupe_key="disk", thread_key="backup-7",
    )  # fmt: skip
    assert event.data.deliver_at == datetime(2026, 1, 2, 23, tzinfo=UTC)
    assert event.expires_at == datetime(2026, 1, 4, tzinfo=UTC)
    assert (event.data.priority, event.data.dedupe_key, event.data.thread_key) == ("high", "disk", "backup-7")


def test_a_time_that_has_passed_needs_no_waiting():
    assert composed(deliver_at="2026-01-01T00:00:00Z").data.deliver_at is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"deliver_at": "2026-02-02T00:00:00Z"}, "deliver_at"),
        ({"deliver_at": "9999-12-31T23:59:59Z"}, "deliver_at"),
        ({"expires_at": "2026-01-02T03:04:05Z"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"deliver_at": "2026-01-03T00:00:00Z", "expires_at": "2026-01-03T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused_by_its_name(fields, field):
    with pytest.raises(WrongTime) as caught:
        composed(**fields)
    assert caught.value.field == field


def test_the_events_of_a_batch_share_a_key_and_are_still_different_ones():
    ids = [composed(idempotency_key="k", number=number).id for number in (0, 1, 0)]
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]
