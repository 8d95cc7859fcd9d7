"""What ``llm.yaml`` and the environment come to, and what is said when they are wrong."""

import pytest
from pydantic import ValidationError
from support.llm_asking import lineup
from support.questions import discord_question, email_question

from llm_worker.asking.routes import first_model, route_of
from llm_worker.providers.completion import Kind
from llm_worker.providers.lineup import GROQ_FREE_RPM, load_lineup
from llm_worker.question import question_of
from llm_worker.settings import LlmSettings
from posta.errors import ConfigurationError

ROUTES = """
providers: {one: {}, two: {base_url: https://two.example/v1, key: {env: KEY_TWO}}}
models:
  small: {provider: one, name: small}
  large: {provider: two, name: large, limits: {rpm: 5}}
routes:
  - {name: support, when: {command: [support]}, choices: [{model: large}]}
  - {name: mails in Spanish, when: {medium: email, language: es}, choices: [{model: large}]}
  - {name: rest, choices: [{model: small, weight: 3}, {model: large}], fallback: {rate: [large]}}
"""


def routes(text=ROUTES):
    return lineup(text.replace("mails in Spanish", "spanish"), {"KEY_TWO": "sk-two"})


def test_without_a_file_there_is_the_model_of_the_environment(tmp_path):
    found = load_lineup(tmp_path, LlmSettings(model="mine", timeout_s=7, max_tokens=33), {})
    (model,) = found.models.values()
    assert (model.name, model.timeouts.total_s, model.max_tokens) == ("mine", 7, 33)
    assert model.allowance.rpm is None


def test_an_answer_has_150_tokens_at_most_unless_a_model_or_a_route_says_otherwise():
    found = lineup(
        """
models: {a: {provider: main}, b: {provider: main, max_tokens: 300}}
routes:
  - {name: long, when: {medium: email}, choices: [{model: a}], max_tokens: 600}
  - {name: rest, choices: [{model: a}, {model: b}]}
"""
    )
    long, rest = found.routes
    assert (found.models["a"].max_tokens, found.models["b"].max_tokens) == (150, 300)
    assert (long.max_tokens, rest.max_tokens) == (600, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budget: {time_zone: Atlantis}", "no time zone"),
        ("budget: {daily: {cost: -1}}", "greater than or equal to 0"),
        ("budget: {warn_at: 1.5}", "less than or equal to 1"),
        ("budget: {tenants: {'1234': {tokens: 1}}}", "guild"),
        (
            "models: {a: {provider: main, price: {currency: EUR}}, main: {provider: main}}",
            "EUR, USD: give all prices in one",
        ),
    ],
)
def test_prices_and_budgets_that_make_no_sense_are_said_to(text, said):
    with pytest.raises(ValidationError, match=said):
        lineup(text)


def test_at_groq_the_free_tiers_limit_is_assumed_until_more_is_known():
    (model,) = lineup(base_url="https://api.groq.com/openai/v1").models.values()
    assert model.allowance.rpm == GROQ_FREE_RPM == 8


@pytest.mark.parametrize(
    ("event", "route"),
    [
        (discord_question(), "rest"),
        (email_question(locale="es"), "spanish"),
        (email_question(locale="en"), "rest"),
    ],
)
def test_a_question_takes_the_first_route_that_fits(event, route):
    assert route_of(question_of(event.data), routes()).name == route


KINDS = """
routes:
  - {name: docs, when: {command: [docs]}, answers: faq, text: {en: Write to us., es: Escríbenos.}}
  - {name: away, when: {language: es, longer_than_chars: 500}, answers: static, text: {en: Later, es: Luego}}
  - {name: person, when: {says: [a person, una persona, humano*]}, answers: person}
  - {name: rest, choices: [{model: main}]}
"""


@pytest.mark.parametrize(
    ("event", "route"),
    [
        (discord_question(text="I want to talk to a PERSON, please"), "person"),
        (discord_question(text="¿Me atiende un humano?", locale="es-ES"), "person"),
        (email_question(subject="Quiero hablar con una persona", text="Hola", locale="es"), "person"),
        (discord_question(text="What is personality?"), "rest"),
        (discord_question(text="x" * 1_000_000 + " a person"), "rest"),
        (discord_question(text="¿Por qué? " * 60, locale="es-ES"), "away"),
    ],
)
def test_a_route_may_be_for_questions_that_say_something(event, route):
    assert route_of(question_of(event.data), lineup(KINDS)).name == route


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("{name: a}", "name the models that are asked"),
        ("{name: a, choices: [{model: main}], text: {en: x, es: y}}", "a model writes the answer"),
        ("{name: a, answers: faq, choices: [{model: main}]}", "no model is asked"),
        ("{name: a, answers: faq}", "text: it is not there for en, es"),
        ("{name: a, answers: static, text: {en: x}}", "text: it is not there for es"),
        ("{name: a, answers: person, text: {es: x}}", "text: it is not there for en"),
        ("{name: a, answers: nobody}", "answers"),
        ("{name: a, when: {says: [Ayúdame]}, choices: [{model: main}]}", "says"),
    ],
)
def test_a_route_that_lacks_or_contradicts_something_is_refused(route, reason):
    with pytest.raises(ValueError, match=reason):
        lineup(f"routes: [{route}, {{name: rest, choices: [{{model: main}}]}}]")


def test_what_goes_to_a_person_goes_to_the_destination_named_or_the_default_one(tmp_path):
    asked = "routes: [{name: p, answers: person}]\n"
    (tmp_path / "llm.yaml").write_text(asked + "handover: {destination: help}", encoding="utf-8")
    assert load_lineup(tmp_path, LlmSettings(), {}).handover.destination == "help"
    (tmp_path / "llm.yaml").write_text(asked, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="handover/destination"):
        load_lineup(tmp_path, LlmSettings(), {})
    (tmp_path / "destinations.yaml").write_text(
        "default: ops\ndestinations: {ops: {description: Operators, pull: true}}", encoding="utf-8"
    )
    found = load_lineup(tmp_path, LlmSettings(), {})
    assert found.handover.destination == "ops"
    assert found.last_asked is None


def test_a_question_begins_with_the_same_model_each_time_and_all_of_them_by_weight():
    route = routes().routes[-1]
    begun = [first_model(route, f"event {n}").id for n in range(2000)]
    assert begun == [first_model(route, f"event {n}").id for n in range(2000)]
    assert 0.70 < begun.count("small") / 2000 < 0.80
    assert [model.id for model in route.fallback[Kind.RATE]] == ["large"]


def test_what_shares_an_allowance_is_provider_model_and_key_and_shows_no_key():
    found = routes()
    assert found.models["small"].bucket != found.models["large"].bucket
    assert "sk-two" not in found.models["large"].bucket


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("models: {m: {provider: none}}", {}, "'none' is not among the providers"),
        ("routes: [{name: r, choices: [{model: x}]}]", {}, "'x' is not among the models"),
        (
            "routes: [{name: r, when: {medium: email}, choices: [{model: main}]}]",
            {},
            "last route must be for every question",
        ),
        (
            "routes: [{name: r, choices: [{model: main}], fallback: {context: [main]}}]",
            {},
            "context has no next choice",
        ),
        ("routes: [{name: r, choices: [{model: main}], hedge_after_s: 3}]", {}, "needs a fallback"),
        ("models: {main: {provider: main, limits: {rpm: 0}}}", {}, "models/main/limits/rpm"),
        ("providers: {main: {key: {env: KEY_X}}}", {}, "providers/main/key: KEY_X is not set"),
        ("providers: {main: {base_url: {env: URL_X}}}", {"URL_X": "ftp://x"}, "URL_X is no http"),
        ("providers: {main: {base_url: 'https://u:hush@x.example'}}", {}, "must hold no credentials"),
        ("providers: {main: {key: sk-hush-hush}}", {}, "providers/main/key"),
        ("surprise: 1", {}, "surprise"),
    ],
)
def test_a_mistake_is_named_with_file_path_and_reason_and_no_secret(tmp_path, text, environ, said):
    (tmp_path / "llm.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_lineup(tmp_path, LlmSettings(), environ)
    assert "llm.yaml" in str(caught.value)
    assert "hush" not in str(caught.value)
