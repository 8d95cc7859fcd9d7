"""A question that goes to a person: what the one who asked is told, and what the operators are shown."""

import dataclasses

import pytest
from support.processes import REPOSITORY
from support.questions import TOKEN, discord_question, email_question

from llm_worker.asking.seams import Why
from llm_worker.conversation.turn import Past, Turn
from llm_worker.handover import HandOver
from llm_worker.question import question_of
from notifier.rendering.drawing import Drawing
from notifier.rendering.templates import load_templates
from posta import topics
from posta.domain.ids import reference_number

HANDOVER = HandOver(destination="ops", turns=2)
PAST = Past(
    summary="They bought a cap.",
    turns=tuple(
        Turn(number=n, question=f"asked {n}", answer=f"told {n} @everyone", tokens=1) for n in (1, 2, 3)
    ),
)


def passed_on(event, *, why=Why.ASKED, past=PAST, handover=HANDOVER, text=None):
    ready = handover.ready(event, question_of(event.data), past, why=why, text=text)
    (publish,) = ready.beside
    assert publish.topic is topics.EVENTS_PUBLISHED
    return ready.answer, publish.event


@pytest.mark.parametrize(("locale", "begins"), [("en-US", "I pass this on"), ("es-ES", "Se lo paso")])
def test_the_person_is_told_in_their_language_with_a_reference(locale, begins):
    answer, _ = passed_on(discord_question(locale=locale))
    assert answer.text.startswith(begins)
    assert reference_number("discord:1") in answer.text
    assert answer.model == "person:asked"


def test_a_route_may_tell_it_in_its_own_words():
    answer, _ = passed_on(discord_question(), text={"en": "Ana takes over: {reference}", "es": "Ana"})
    assert answer.text == f"Ana takes over: {reference_number('discord:1')}"


def test_the_operators_get_the_question_the_last_turns_and_how_to_reach_the_person():
    _, event = passed_on(email_question(), why=Why.BUDGET)
    assert (event.id, event.key, event.data.destination) == ("email:box:1:1/handover", "ops", "ops")
    data = event.data.data
    assert data["question"] == "A question\nWhy is the sky blue?"
    assert [turn["asked"] for turn in data["conversation"]] == ["asked 2", "asked 3"]
    assert (data["summary"], data["why"]) == ("They bought a cap.", "budget")
    assert (data["medium"], data["person"], data["mail"]) == ("email", "ana@example.test", "A question")


def test_a_conversation_may_be_kept_from_the_operators():
    _, event = passed_on(discord_question(), handover=dataclasses.replace(HANDOVER, turns=0))
    assert event.data.data["conversation"] == []


def test_the_same_question_makes_the_same_event_and_never_carries_the_token():
    _, event = passed_on(discord_question())
    assert passed_on(discord_question())[1] == event
    assert TOKEN not in event.data.model_dump_json()


@pytest.mark.parametrize("size", [0, 10_000])
def test_a_long_conversation_is_cut_to_what_a_message_holds(size):
    turn = Turn(number=1, question="q" * size, answer="a" * size, tokens=1)
    _, event = passed_on(
        discord_question(text="?" * max(size, 1)), past=Past(summary="s" * size, turns=(turn,) * 10),
        handover=dataclasses.replace(HANDOVER, turns=10),
    )  # fmt: skip
    assert len(event.data.model_dump_json()) < 10_000


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "What was said before"), ("es", "Lo que se dijo antes")]
)
def test_the_operators_see_the_whole_of_it_and_nobody_is_called(language, heading):
    _, event = passed_on(discord_question(text="Give me @everyone <@1> ```"))
    drawing = Drawing(load_templates(REPOSITORY / "deploy" / "config"))
    message = drawing.message(event.data, event_id=event.id, language=language)
    first, second = message["embeds"]
    assert "Ana" in first["title"]
    assert (second["title"], "asked 3" in second["description"]) == (heading, True)
    assert "@everyone" not in str(message["embeds"])
    assert "<@1>" not in str(message["embeds"])
