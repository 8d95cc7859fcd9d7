"""What is noted of an interaction while services handle it."""

import dataclasses
import itertools
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from posta.domain.envelope import Event
from posta.domain.failure import read_delivery
from posta.domain.interaction_state import InteractionState, Note, merged, supersedes
from posta.domain.payloads import DiscordInteraction, DiscordTarget, EventPublished, Person, ReplyReady
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp, Message
from posta.errors import Transient
from posta.lifecycle import interaction_of, watched, watched_given_up

STATES = list(InteractionState)
PENDING, PROCESSING, RETRYING, COMPLETED, FAILED = STATES
QUESTION = DiscordInteraction(
    interaction_id="1", application_id="2", token=SecretStr("t"), kind=2, command="ask", text="Why?",
    person=Person(id="3"))  # fmt: skip


def reply(kind="answer"):
    target = DiscordTarget(interaction_id="1", application_id="2", token=SecretStr("t"))
    return ReplyReady(question_id="discord:1", kind=kind, target=target, text="Because.")


def published(publisher="discord"):
    return EventPublished(
        destination="ops", publisher=publisher, client_id="1", client_type="x", client_source="/s",
        occurred_at="2026-01-01T00:00:00Z")  # fmt: skip


def message(data, attempt=1):
    event = Event(id="discord:1", source="/s", time=datetime.now(UTC), key="k", data=data)
    fresh = read_delivery(topic="t", partition=0, offset=0, timestamp_ms=0, headers=())
    delivery = dataclasses.replace(fresh, attempt=attempt)
    return Message(event=event, delivery=delivery, deadline=None, last_attempt=False)


class Notes:
    def __init__(self):
        self.taken = []

    def note(self, note):
        self.taken.append(note)

    @property
    def states(self):
        return [note.state for note in self.taken]


def note(state, at=0.0, **fields):
    return Note(id="1", state=state, at=at, **fields)


@pytest.mark.parametrize(
    ("data", "found"),
    [(QUESTION, "1"), (reply(), "1"), (published(), "1"), (published("scripts"), None)],
)
def test_only_interactions_are_noted(data, found):
    assert interaction_of(data) == found


@pytest.mark.parametrize(
    ("data", "states"),
    [
        pytest.param(QUESTION, [PROCESSING], id="an answered question is still on its way"),
        pytest.param(reply(), [PROCESSING, COMPLETED], id="a delivered answer completes it"),
        pytest.param(reply("apology"), [PROCESSING, FAILED], id="a delivered apology does not"),
        pytest.param(published(), [PROCESSING, COMPLETED], id="a delivered event completes it"),
        pytest.param(published("scripts"), [], id="a script's event is none"),
    ],
)
async def test_a_handling_that_ends_well_is_noted(data, states):
    notes = Notes()

    async def handle(_message):
        return ["published"]

    assert await watched(handle, notes)(message(data, attempt=2)) == ["published"]
    assert notes.states == states
    assert {one.attempts for one in notes.taken} <= {2}


async def test_a_handling_that_fails_is_noted_as_tried_again_and_fails_all_the_same():
    notes = Notes()

    async def handle(_message):
        raise Transient("the secret reason")

    with pytest.raises(Transient):
        await watched(handle, notes)(message(QUESTION))
    assert notes.states == [PROCESSING, RETRYING]
    assert notes.taken[-1].reason == "Transient"


async def test_giving_up_is_noted_with_its_class():
    notes = Notes()

    async def give_up(_message, _given_up):
        return []

    given_up = GivenUp(error_class=ErrorClass.TRANSIENT, reason="r", error=Transient("r"))
    await watched_given_up(give_up, notes)(message(QUESTION), given_up)
    assert notes.states == [FAILED]
    assert notes.taken[0].reason == "transient: Transient"


def test_a_completed_interaction_stays_so_and_pending_never_comes_again():
    for old, new in itertools.product(STATES, STATES):
        expected = old is not COMPLETED and new is not PENDING
        assert supersedes(note(old, at=1.0), note(new, at=2.0)) is expected


def test_a_late_note_of_an_earlier_moment_changes_no_state():
    assert merged(note(FAILED, at=5.0), note(PROCESSING, at=1.0)).state is FAILED
    assert merged(note(PENDING, at=5.0), note(PROCESSING, at=1.0)).state is PROCESSING


def test_merging_keeps_what_only_one_of_them_knows():
    both = merged(
        note(PROCESSING, at=1.0, started_at=1.0, attempts=3),
        note(PENDING, at=0.5, accepted_at=0.5, command="ask"),
    )
    assert (both.state, both.attempts, both.command) == (PROCESSING, 3, "ask")
    assert (both.accepted_at, both.started_at) == (0.5, 1.0)
