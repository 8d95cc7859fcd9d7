"""``llm.yaml``: which models there are, what they cost and allow, and which questions go where."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from llm_worker.providers.completion import Kind
from llm_worker.providers.told import Form
from llm_worker.spending.rules import BudgetRules
from llm_worker.words.vocabulary import Term
from posta.destinations import DestinationId
from posta.domain.language import Language

FILE_NAME = "llm.yaml"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
_Seconds = Annotated[float, Field(gt=0, le=600)]
_Money = Annotated[Decimal, Field(ge=0, le=1_000_000)]
_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FromEnvironment(_Rules):
    """A value that an environment variable holds."""

    env: Variable
    """Name of the variable; ``<name>_FILE`` may name a file with the value instead."""


class ProviderRules(_Rules):
    """One account at one provider."""

    api: Literal["openai", "anthropic"] = "openai"
    """Which API it speaks."""
    base_url: str | FromEnvironment = FromEnvironment(env="POSTA_LLM__BASE_URL")
    """Requests go to ``{base_url}/chat/completions``, or ``{base_url}/messages`` at Anthropic."""
    key: FromEnvironment | None = FromEnvironment(env="POSTA_LLM__API_KEY")
    """Where the API key is; null: none is sent."""
    limits_form: Form | None = None
    """How its headers tell limits; by default Groq's at api.groq.com, Anthropic's there, else OpenAI's."""
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """Older servers know only ``max_tokens``."""
    asks_usage: bool = True
    """Whether a stream is asked for its usage (``stream_options``)."""


class PriceRules(_Rules):
    """What a million tokens cost."""

    input: _Money = Decimal(0)
    """Of prompts."""
    cached_input: _Money | None = None
    """Of what the provider had in its cache; null: as any other."""
    output: _Money = Decimal(0)
    """Of answers."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"


class LimitRules(_Rules):
    """What the account allows; what is null is learned from the provider's answers."""

    rpm: _Count | None = None
    """Requests in any minute."""
    tpm: _Count | None = None
    """Tokens in any minute, prompts and answers."""
    rpd: _Count | None = None
    """Requests in any 24 hours."""
    tpd: _Count | None = None
    """Tokens in any 24 hours."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Calls at once, over all workers."""
    minute_s: float = Field(default=60.0, ge=1, le=60)
    """How long a minute is: shorter only for a sandbox in which time is scaled."""
    jitter_s: float | None = Field(default=None, ge=0, le=10)
    """What the time from here to the provider may vary by; null: 1 % of a minute, at least 0.15 s."""


class TimeoutRules(_Rules):
    """How long each part of a call may take; never longer than the question's deadline leaves."""

    connect_s: _Seconds = 5.0
    first_token_s: _Seconds = 30.0
    between_tokens_s: _Seconds = 15.0
    total_s: _Seconds | None = None
    """Null: ``POSTA_LLM__TIMEOUT_S``."""


class ModelRules(_Rules):
    """One model of a provider."""

    provider: Name
    name: str | None = Field(default=None, min_length=1, max_length=200)
    """As the provider spells it; null: ``POSTA_LLM__MODEL``."""
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    """Longest answer; null: ``POSTA_LLM__MAX_TOKENS``."""
    context_tokens: _Count | None = None
    """Longest prompt and answer together; null: not known."""
    stream: bool = True
    """Read the answer as it is written, so that a stalled one is cut early."""
    price: PriceRules = PriceRules()
    limits: LimitRules = LimitRules()
    timeouts: TimeoutRules = TimeoutRules()


class ChoiceRules(_Rules):
    """One of the models that a route may begin with."""

    model: Name
    weight: float = Field(default=1.0, gt=0, le=1000)
    """Its share of the route's questions; the same question always begins with the same model."""


class WhenRules(_Rules):
    """Which questions a route is for; what is left out does not matter."""

    medium: Literal["discord", "email"] | None = None
    command: tuple[str, ...] | None = None
    """Names of Discord commands."""
    language: Language | None = None
    longer_than_chars: int | None = Field(default=None, ge=0)
    says: tuple[Term, ...] = ()
    """Words (``refund``), beginnings (``refund*``) or several in a row (``a person``), lower case and without
    accents: one of them is enough."""


class AnsweredBy(StrEnum):
    """Who answers the questions of a route."""

    LLM = "llm"
    """The frequent questions and answers given before; else a model."""
    FAQ = "faq"
    """The frequent questions only; ``text`` to any other."""
    STATIC = "static"
    """``text``, always."""
    PERSON = "person"
    """A person: the operators get the conversation, and the one who asked is told so."""


class RouteRules(_Rules):
    """Where some of the questions go."""

    name: Name
    when: WhenRules = WhenRules()
    answers: AnsweredBy = AnsweredBy.LLM
    """Who answers: ``llm``, ``faq``, ``static`` or ``person``."""
    text: dict[Language, Annotated[str, StringConstraints(min_length=1, max_length=1500)]] = {}
    """What ``faq`` says to any other question, ``static`` to all, and ``person`` in place of our words."""
    choices: tuple[ChoiceRules, ...] = ()
    """Where a question begins, by weight; the others are not asked unless ``fallback`` names them."""
    fallback: dict[Kind, tuple[Name, ...]] = {}
    """Who is asked next after a failure of that class, in this order. Classes: ``rate``, ``server``,
    ``timeout``, ``refused``. A prompt too long is shortened instead."""
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    """Longest answer to these questions, whichever model gives it; null: what the model says."""
    hedge_after_s: _Seconds | Literal["p95"] | None = None
    """Ask the first ``server`` fallback too when an answer takes longer; ``p95``: than 95 of 100 did."""

    @field_validator("fallback")
    @classmethod
    def _sensible(cls, fallback: dict[Kind, tuple[str, ...]]) -> dict[Kind, tuple[str, ...]]:
        odd = sorted(kind.value for kind in fallback if kind in {Kind.CONTEXT, Kind.FAULT})
        if odd:
            raise ValueError(f"{', '.join(odd)} has no next choice: it is the request that is wrong")
        return fallback

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        missing = [language for language in get_args(Language) if language not in self.text]
        if self.answers is AnsweredBy.LLM:
            if not self.choices:
                raise ValueError("choices: name the models that are asked")
            if self.text:
                raise ValueError("text: a model writes the answer")
            return self
        if self.choices or self.fallback or self.hedge_after_s is not None:
            raise ValueError(
                f"choices, fallback, hedge_after_s: no model is asked ('answers: {self.answers}')"
            )
        if missing and (self.text or self.answers is not AnsweredBy.PERSON):
            raise ValueError(f"text: it is not there for {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _hedges_somewhere(self) -> Self:
        if self.hedge_after_s is not None and not self.fallback.get(Kind.SERVER):
            raise ValueError("hedge_after_s needs a fallback of the class server to ask")
        return self


class CircuitRules(_Rules):
    """When a model counts as ill, and for how long it is left alone."""

    errors_in_a_row: int = Field(default=3, ge=1, le=1000)
    share: float = Field(default=0.5, gt=0, le=1)
    """Of the calls within ``window_s``: so many failed, and the circuit opens."""
    at_least: int = Field(default=20, ge=1)
    """Fewer calls say nothing about a share."""
    window_s: float = Field(default=60.0, gt=0, le=3600)
    open_s: float = Field(default=120.0, gt=0, le=3600)
    """How long it stays open at first; twice as long after each canary that fails."""
    longest_open_s: float = Field(default=1800.0, gt=0, le=86_400)


class FairnessRules(_Rules):
    """How an allowance is divided while several want it."""

    share: float = Field(default=0.5, gt=0, le=1)
    """Most of the allowance that one guild, person or mailbox gets while others wait."""
    burst: int = Field(default=3, ge=1, le=1000)
    """Questions of one that go ahead before its share counts."""


class HandoverRules(_Rules):
    """How a question is passed on to a person."""

    destination: DestinationId | None = None
    """Where the operators get it; null: the default of ``destinations.yaml``."""
    turns: int = Field(default=5, ge=0, le=10)
    """How many of the last turns they are shown."""


class LlmRules(_Rules):
    """The whole file."""

    providers: dict[Name, ProviderRules] = {"main": ProviderRules()}
    models: dict[Name, ModelRules] = {"main": ModelRules(provider="main")}
    routes: Annotated[tuple[RouteRules, ...], Field(min_length=1)] = (
        RouteRules(name="everything", choices=(ChoiceRules(model="main"),)),
    )
    """The first whose ``when`` fits; the last must fit everything."""
    circuit: CircuitRules = CircuitRules()
    fairness: FairnessRules = FairnessRules()
    handover: HandoverRules = HandoverRules()
    budget: BudgetRules = BudgetRules()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for name, model in self.models.items():
            if model.provider not in self.providers:
                raise ValueError(f"models/{name}/provider: {model.provider!r} is not among the providers")
        currencies = sorted({model.price.currency for model in self.models.values()})
        if len(currencies) > 1:
            raise ValueError(f"models/*/price/currency: {', '.join(currencies)}: give all prices in one")
        for route in self.routes:
            named = [choice.model for choice in route.choices]
            named += [name for names in route.fallback.values() for name in names]
            for name in named:
                if name not in self.models:
                    raise ValueError(f"routes/{route.name}: {name!r} is not among the models")
        if self.routes[-1].when != WhenRules():
            raise ValueError("the last route must be for every question: leave its 'when' out")
        return self
