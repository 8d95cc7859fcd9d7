"""What became of a published event, told from its traces."""

from datetime import UTC, datetime, timedelta

import pytest

from posta.domain.event_state import EventState, EventTraces, event_state

NOW = datetime(2026, 1, 2, tzinfo=UTC)
AHEAD = NOW + timedelta(hours=1)
WAITING = EventTraces()
SHOWN = EventTraces(is_claimed=True, is_settled=True, deliveries=("sent",))


@pytest.mark.parametrize(
    ("traces", "state"),
    [
        ({}, "ACCEPTED"),
        ({"deliver_at": AHEAD}, "SCHEDULED"),
        ({"deliver_at": NOW}, "ACCEPTED"),
        ({"is_claimed": True}, "SENDING"),
        ({"is_claimed": True, "deliveries": ("sending",)}, "SENDING"),
        ({"deliveries": ("failed",)}, "RETRYING"),
        ({"is_claimed": True, "deliveries": ("failed",)}, "SENDING"),
        ({"is_claimed": True, "deliveries": ("sent",)}, "SENT"),
        ({"is_claimed": True, "deliveries": ("sent", "sending")}, "SENDING"),
        ({"deliveries": ("sent", "failed"), "dead_letters": ("permanent",)}, "DEAD"),
        ({"deliveries": ("sent",), "dead_letters": ("transient",)}, "SENT"),
        ({"dead_letters": ("permanent",)}, "DEAD"),
        ({"dead_letters": ("expired",), "deliver_at": AHEAD}, "EXPIRED"),
        ({"dead_letters": ("expired", "permanent")}, "DEAD"),
        ({"is_claimed": True, "is_settled": True}, "HANDLED"),
        ({"is_claimed": True, "is_settled": True, "copies": 2}, "SENDING"),
        ({"is_claimed": True, "is_settled": True, "copies": 2, "deliveries": ("sent",)}, "SENDING"),
        ({"is_claimed": True, "is_settled": True, "copies": 2, "deliveries": ("sent", "sent")}, "SENT"),
        ({"is_claimed": True, "is_settled": True, "copies": 2, "deliveries": ("sent", "failed")}, "RETRYING"),
        (
            {
                "is_claimed": True,
                "is_settled": True,
                "copies": 2,
                "deliveries": ("sent",),
                "mailboxes": ("pending",),
            },
            "WAITING",
        ),
        (
            {
                "is_claimed": True,
                "is_settled": True,
                "copies": 2,
                "deliveries": ("sent",),
                "mailboxes": ("failed",),
            },
            "FAILED",
        ),
        ({"is_claimed": True, "mailboxes": ("processed",), "deliveries": ("sent",)}, "SENT"),
        ({"is_cancelled": True, "deliver_at": AHEAD}, "CANCELLED"),
        ({"is_cancelled": True, "dead_letters": ("permanent",)}, "CANCELLED"),
        ({"is_claimed": True, "mailboxes": ("pending",)}, "WAITING"),
        ({"is_claimed": True, "mailboxes": ("leased",)}, "WAITING"),
        ({"is_claimed": True, "mailboxes": ("processed",)}, "SENT"),
        ({"is_claimed": True, "mailboxes": ("failed",)}, "FAILED"),
        ({"is_claimed": True, "deliveries": ("sent",), "folds": 1}, "FOLDED"),
        ({"is_claimed": True, "deliveries": ("sent", "sent"), "folds": 1, "copies": 2}, "SENT"),
        ({"is_claimed": True, "deliveries": ("sent",), "mailboxes": ("processed",), "folds": 1}, "SENT"),
        ({"is_claimed": True, "is_settled": True, "copies": 2, "ended_copies": 1}, "SENDING"),
        ({"is_claimed": True, "is_settled": True, "copies": 2, "ended_copies": 2}, "HANDLED"),
        (
            {"is_claimed": True, "copies": 2, "ended_copies": 1, "deliveries": ("sent",)},
            "SENT",
        ),
        (
            {"copies": 2, "ended_copies": 1, "dead_letters": ("permanent",)},
            "DEAD",
        ),
        ({"is_settled": True, "digests": (WAITING,)}, "DIGESTED"),
        ({"is_settled": True, "digests": (WAITING, SHOWN)}, "DIGESTED"),
        ({"is_settled": True, "digests": (SHOWN, SHOWN)}, "DIGESTED"),
        ({"is_settled": True, "digests": (SHOWN, EventTraces(dead_letters=("permanent",)))}, "DEAD"),
        ({"is_settled": True, "digests": (SHOWN, EventTraces(dead_letters=("expired",)))}, "EXPIRED"),
        ({"is_settled": True, "digests": (SHOWN, EventTraces(mailboxes=("failed",)))}, "FAILED"),
        ({"is_cancelled": True, "digests": (WAITING,)}, "CANCELLED"),
    ],
)
def test_the_traces_say_what_became_of_it(traces, state):
    assert event_state(EventTraces(**traces), now=NOW) is EventState[state]
