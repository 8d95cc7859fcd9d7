"""A prompt's budget: the last turns, few products, few characters, and each part's tokens told."""

from decimal import Decimal
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from support.logged import logged
from support.questions import discord_question, email_question

from llm_worker.asking.estimate import most_tokens
from llm_worker.catalogue.product import Product
from llm_worker.conversation.turn import MemoryPolicy, Past, Turn
from llm_worker.prompts.builder import KnowingPrompts
from llm_worker.prompts.sources import Sourced
from llm_worker.question import question_of
from llm_worker.rules import load_rules

RULES = load_rules(Path(__file__).parents[4] / "deploy" / "config")
GOODS = [
    Product(sku=f"S{n}", name=f"Hoodie {n}", description="warm " * 800, price=Decimal(n), stock=n)
    for n in range(1, 9)
]
TURNS = tuple(Turn(number=n, question=f"asked {n}", answer="a" * 9_000, tokens=9) for n in range(1, 10))


class Shelf:
    """Sources that answer from memory, and note what they were asked."""

    def __init__(self, *, turns=TURNS, goods=GOODS, imports=1):
        self.turns, self.goods, self.imports = turns, goods, imports
        self.asked = []

    async def look_up(self, conversation, text, *, turns):
        self.asked.append(text)
        past = Past(summary="They met.", turns=self.turns[len(self.turns) - turns :] if turns else ())
        return Sourced(past=past, products=self.goods[:3], catalogue_version=self.imports)


def build(event, shelf=None, **policy):
    prompts = KnowingPrompts(RULES, shelf or Shelf(), MemoryPolicy(**policy))
    return prompts.build(event, question_of(event.data))


async def test_a_prompt_carries_the_last_three_turns_and_three_products_in_2000_characters():
    prompt = await build(discord_question(text="How much is the hoodie?"))
    blocks = prompt.parts.blocks()
    assert [turn.question for turn in prompt.parts.past.turns] == ["asked 7", "asked 8", "asked 9"]
    assert len(prompt.parts.catalogue) <= 2_000
    assert prompt.parts.catalogue.count("(SKU ") == 3
    assert list(blocks) == ["catalogue", "conversation", "question"]
    assert len(blocks["conversation"]) < 5_000


async def test_without_an_intent_one_product_is_enough():
    prompt = await build(discord_question(text="Tell me about hoodies"))
    assert prompt.parts.catalogue.count("(SKU ") == 1


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_how_many_turns_are_shown_is_a_setting(turns):
    prompt = await build(discord_question(), turns_limit=turns)
    assert len(prompt.parts.past.turns) == turns


async def test_a_megabyte_of_question_is_cut_and_only_the_cut_part_is_looked_up():
    shelf = Shelf()
    prompt = await build(email_question(text="word " * 200_000), shelf)
    assert len(prompt.parts.question) <= RULES.max_question_chars
    assert prompt.parts.question.endswith("…")
    assert [len(text) <= RULES.max_question_chars for text in shelf.asked] == [True]


@pytest.mark.parametrize(
    ("goods", "imports", "text", "quotes"),
    [
        (GOODS, 1, "Tell me about hoodies", True),
        ([], 1, "How much is a sofa?", True),
        ([], 1, "Why is the sky blue?", False),
        ([], 0, "How much is a sofa?", False),
    ],
)
async def test_figures_must_be_the_catalogues_where_there_is_one_and_they_are_asked_for(
    goods, imports, text, quotes
):
    prompt = await build(discord_question(text=text), Shelf(goods=goods, imports=imports))
    assert prompt.parts.quotes is quotes


async def test_the_tokens_of_each_part_are_in_a_metric_on_the_span_and_in_the_log():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    event = discord_question(text="How much is the hoodie?")
    parts = ("instruction", "catalogue", "conversation", "question")
    before = [
        REGISTRY.get_sample_value("posta_llm_prompt_tokens_total", {"part": part}) or 0 for part in parts
    ]
    with (
        logged() as lines,
        provider.get_tracer("t").start_as_current_span("handling"),
    ):
        prompt = await build(event)
    texts = {"instruction": prompt.system, **prompt.parts.blocks()}
    tokens = {part: most_tokens(texts[part]) for part in parts}
    assert min(tokens.values()) > 0
    after = [REGISTRY.get_sample_value("posta_llm_prompt_tokens_total", {"part": part}) for part in parts]
    assert [now - then for now, then in zip(after, before, strict=True)] == list(tokens.values())
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {f"posta.prompt.tokens.{part}": tokens[part] for part in parts}
    (line,) = lines["prompt_built"]
    assert (line["event_id"], line["tokens"]) == ("discord:1", tokens)
