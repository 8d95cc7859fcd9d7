"""What identifies a published event, and where it goes."""

from datetime import UTC, datetime

import pytest

from ingress.cloudevent import Published
from ingress.publication import BadIdempotencyKey, UnknownDestination, compose
from posta.destinations import Destinations

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULE = {"description": "d", "webhook_url": {"env": "POSTA_WEBHOOK_OPS"}}
TWO = Destinations.model_validate({"default": "ops", "destinations": {"ops": RULE, "game": RULE}})
NO_DEFAULT = Destinations.model_validate({"destinations": {"ops": RULE}})


def composed(*, publisher="backup", idempotency_key=None, destinations=TWO, **fields):
    return compose(
        Published.model_validate({"type": "x"} | fields),
        publisher=publisher,
        idempotency_key=idempotency_key,
        destinations=destinations,
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
