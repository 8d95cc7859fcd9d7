"""The desk on real PostgreSQL: what is answered without a model, and what is remembered of it."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from support.llm_asking import lineup
from support.questions import discord_question, email_question

from llm_worker.answers.claims import Answer, Claim
from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.asking.routes import route_of
from llm_worker.asking.seams import Why
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.product import Product
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.faq.file import FaqFile, read_faq
from llm_worker.knowledge import Knowledge
from llm_worker.providers.rules import HandoverRules
from llm_worker.question import question_of
from llm_worker.rules import AnswerRules
from llm_worker.settings import CacheSettings, MemorySettings
from posta.errors import NotNow

pytestmark = pytest.mark.integration
FAQ = read_faq(Path(__file__).parents[3] / "deploy" / "config" / "faq.yaml")
RULES = AnswerRules(max_question_chars=1000, system={"en": "<question>", "es": "<question>"})
KINDS = lineup("""
routes:
  - {name: docs, when: {command: [docs]}, answers: faq, text: {en: Write to us, es: Escríbenos}}
  - {name: away, when: {command: [away]}, answers: static, text: {en: Later, es: Luego}}
  - {name: person, when: {says: [a person, una persona]}, answers: person}
  - {name: rest, choices: [{model: main}]}
""")
UNUSUAL = "What is the hoodie made of?"


class Summarised:
    """What the background was asked to summarise."""

    def __init__(self):
        self.wanted = []

    def want(self, conversation):
        self.wanted.append(conversation)


class Counter:
    """One worker's desk, by which a question is asked as the handler does."""

    def __init__(self, database, *, destination="ops", faq=FAQ, **memory):
        self.knowledge = Knowledge(
            RULES, faq, database, MemorySettings(**memory), CacheSettings(),
            HandoverRules(destination=destination, turns=3), Catalogue(database),
        )  # fmt: skip
        self.summaries = Summarised()
        self.desk = self.knowledge.desk(self.summaries)
        self.conversations = Conversations(database)
        self.answers = PostgresAnswers(database, owner="w", lease_s=15)

    async def ready(self, event, *, scratch=None):
        question = question_of(event.data)
        return await self.desk.ready(event, question, route_of(question, KINDS), scratch=scratch)

    async def answered(self, event, text="Cotton."):
        """As the handler does, once for each event."""
        claim = await self.answers.claim(event.id)
        if isinstance(claim, Claim):
            question, answer = question_of(event.data), Answer(text=text, model="m")
            stored = await self.answers.store(claim, answer, notes=self.desk.notes(event, question, answer))
            self.desk.stored(event, open_tokens=stored.open_tokens)

    async def said(self, event):
        past = await self.conversations.past(event.key, turns=9)
        return [(turn.question, turn.answer) for turn in past.turns]


@pytest.fixture
def counter(database):
    return Counter(database)


def asked(number, text=UNUSUAL, *, command="ask", **fields):
    event = discord_question(number, text, **fields)
    return replace(event, data=event.data.model_copy(update={"command": command, "guild_id": "1"}))


@pytest.mark.parametrize(
    ("locale", "text", "answer"),
    [
        ("en-US", "How long does shipping take?", "2 to 4 working days"),
        ("es-ES", "¿Cuánto tarda el envío?", "2 a 4 días laborables"),
    ],
)
async def test_a_frequent_question_is_answered_and_remembered(counter, locale, text, answer):
    event = asked(1, text, locale=locale)
    ready = await counter.ready(event)
    assert answer in ready.answer.text
    assert (ready.answer.model, ready.beside) == ("faq:shipping-time", ())
    assert await counter.said(event) == [(text, ready.answer.text)]


async def test_a_frequent_question_may_be_answered_with_what_the_catalogue_says_now(database):
    text = {
        "en": "{catalogue_products}: {catalogue_price_from} to {catalogue_price_to}, {catalogue_sizes}",
        "es": "desde {catalogue_price_from}",
    }
    entry = {"id": "range", "category": "stock", "asks": [["range"]], "answer": text}
    faq = FaqFile.model_validate({"concepts": {"range": ["your range", "vuestra gama"]}, "entries": [entry]})
    counter = Counter(database, faq=faq)
    assert await counter.ready(asked(1, "your range?")) is None, "no catalogue: the model is asked"
    goods = [
        Product(sku="A", name="Shirt", price=Decimal("19.5"), sizes=("S", "M", "L")),
        Product(sku="B", name="Coat", price=Decimal(120), sizes=("M", "L", "XL"), stock=3),
        Product(sku="C", name="Cap", price=Decimal(5), sizes=("U",), stock=0),
        Product(sku="D", name="Imported", price=Decimal(1), currency="USD"),
    ]
    await Catalogue(database).load({one.sku: one for one in goods}, source="t", replace=True)
    english = await counter.ready(asked(2, "your range?"))
    assert english.answer.text == "4: 19.50 EUR to 120.00 EUR, S, M, L, XL"
    spanish = await counter.ready(asked(3, "¿vuestra gama?", locale="es-ES"))
    assert spanish.answer.text == "desde 19,50 EUR"


async def test_a_mail_is_matched_with_its_subject(counter):
    ready = await counter.ready(email_question(subject="Sobre el envío", text="¿cuánto tarda?", locale="es"))
    assert ready.answer.model == "faq:shipping-time"


@pytest.mark.parametrize(
    ("command", "text", "model", "said"),
    [
        ("docs", "How long does shipping take?", "faq:shipping-time", "Your order arrives"),
        ("docs", UNUSUAL, "faq_only:docs", "Write to us"),
        ("away", "How long does shipping take?", "static:away", "Later"),
        ("ask", "I want to speak to a person", "person:asked", "I pass this on to a person"),
    ],
)
async def test_each_kind_of_route_answers_in_its_way_without_a_model(counter, command, text, model, said):
    event = asked(1, text, command=command)
    ready = await counter.ready(event)
    assert ready.answer.model == model
    assert ready.answer.text.startswith(said)
    assert await counter.said(event) == [(text, ready.answer.text)]
    assert bool(ready.beside) == (model == "person:asked")


async def test_any_other_question_is_left_to_the_model_and_remembered_when_it_answered(counter):
    event = asked(1)
    assert await counter.ready(event) is None
    assert await counter.said(event) == []
    await counter.answered(event)
    await counter.answered(event)
    assert await counter.said(event) == [(UNUSUAL, "Cotton.")]


async def test_the_operators_are_shown_what_was_said_before(counter):
    before = asked(1, key="discord:c:7")
    await counter.ready(before)
    await counter.answered(before)
    ready = await counter.ready(asked(2, "Let me talk to a person", key="discord:c:7"))
    (publish,) = ready.beside
    assert publish.event.data.data["conversation"] == [{"asked": UNUSUAL, "answered": "Cotton."}]
    again = await counter.ready(asked(2, "Let me talk to a person", key="discord:c:7"))
    assert again.beside[0].event.id == publish.event.id


async def test_a_spent_budget_can_be_handed_over_and_without_a_destination_nothing_is(database):
    event = asked(1)
    question = question_of(event.data)
    ready = await Counter(database).desk.hand_over(event, question, why=Why.BUDGET)
    assert ready.answer.model == "person:budget"
    assert ready.beside[0].event.data.data["why"] == "budget"
    nobody = Counter(database, destination=None)
    assert await nobody.desk.hand_over(event, question, why=Why.BUDGET) is None


@pytest.mark.parametrize(("locale", "said"), [("en-US", "Done: "), ("es-ES", "Hecho: ")])
async def test_forget_deletes_what_the_person_said_everywhere_and_leaves_nothing_behind(
    counter, database, locale, said
):
    for number, key in ((1, "discord:a:7"), (2, "discord:b:7")):
        event = asked(number, key=key)
        await counter.ready(event)
        await counter.answered(event)
    ready = await counter.ready(asked(3, "Forget me.", command="forget", key="discord:a:7", locale=locale))
    assert ready.answer.text.startswith(said)
    async with database.connection() as connection:
        left = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM conversation), (SELECT count(*) FROM conversation_turn),"
            " (SELECT count(*) FROM cached_answer)"
        )
        assert tuple(left) == (0, 0, 0)
        assert await connection.fetchval("SELECT erased_by FROM erasure") == "the person"


async def test_a_question_asked_by_two_workers_at_once_is_asked_once_and_says_whose_answer_it_was(database):
    one, two = Counter(database), Counter(database)
    first, second = asked(1), asked(2, "Hello! what is the HOODIE made of")
    outcomes = await asyncio.gather(one.ready(first), two.ready(second), return_exceptions=True)
    waiting = [outcome for outcome in outcomes if isinstance(outcome, NotNow)]
    assert len(waiting) == 1
    assert 0 < waiting[0].wait_s <= 1
    asker, event = ((one, first), (two, second))[outcomes.index(None)]
    waiter, other = ((one, first), (two, second))[outcomes.index(waiting[0])]
    await asker.answered(event)
    ready = await waiter.ready(other)
    assert (ready.answer.text, ready.answer.model) == ("Cotton.", f"cache:{event.id}")
    assert len(await waiter.said(other)) == 1


async def test_a_new_catalogue_makes_every_shared_answer_stale(counter, database):
    await counter.ready(asked(1))
    await counter.answered(asked(1))
    assert (await counter.ready(asked(2))).answer.model == "cache:discord:1"
    await Catalogue(database).load({"A": Product(sku="A", name="Hoodie")}, source="a.csv", replace=False)
    assert await counter.ready(asked(3)) is None


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("Where is my order with the hoodie?", "en-US"),
        ("My name is Ana, what suits me best?", "en-US"),
        ("¿Dónde está mi pedido de la sudadera?", "es-ES"),
        ("Me llamo Ana, ¿qué me queda mejor?", "es-ES"),
    ],
)
async def test_a_personal_question_is_asked_for_each_person_anew(counter, text, locale):
    await counter.ready(asked(1, text, locale=locale))
    await counter.answered(asked(1, text, locale=locale), "You, Ana, ordered it.")
    assert await counter.ready(asked(2, text, locale=locale)) is None


async def test_a_question_within_a_conversation_is_nobody_elses(counter):
    before = asked(1, "What do you sell in winter?", key="discord:c:7")
    await counter.ready(before)
    await counter.answered(before)
    await counter.ready(asked(2, key="discord:c:7"))
    await counter.answered(asked(2, key="discord:c:7"), "It depends.")
    assert await counter.ready(asked(3)) is None


async def test_an_admins_replay_from_scratch_is_given_no_old_answer_and_nobody_else_is(counter):
    await counter.ready(asked(1))
    await counter.answered(asked(1), "Wrong.")
    assert await counter.ready(asked(1), scratch="replay-1") is None
    assert await counter.ready(asked(2)) is None, "the answer that was not good enough is not shared any more"
    frequent = asked(3, "How long does shipping take?")
    assert await counter.ready(frequent, scratch="replay-2") is None


async def test_a_conversation_over_the_threshold_is_summarised_in_the_background(database):
    counter = Counter(database, summary_threshold=100)
    await counter.answered(asked(1, "short", key="discord:c:7"), "short")
    assert counter.summaries.wanted == []
    await counter.answered(asked(2, "long " * 100, key="discord:c:7"))
    assert counter.summaries.wanted == ["discord:c:7"]


def test_the_defaults_are_those_of_the_earlier_system():
    policy = MemorySettings().policy()
    assert policy == MemoryPolicy()
    assert (policy.turns_limit, policy.summary_threshold, policy.cleanup_threshold) == (3, 5_000, 8_000)
    assert policy.cleanup_interval_s == 3_600
