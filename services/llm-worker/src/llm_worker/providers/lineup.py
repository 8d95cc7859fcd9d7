"""The models as they are asked: rules and environment put together, checked, frozen."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from llm_worker.budget.allowance import Allowance
from llm_worker.circuit.breaker import CircuitPolicy
from llm_worker.providers.anthropic import AnthropicForm
from llm_worker.providers.completion import Kind
from llm_worker.providers.form import ApiForm
from llm_worker.providers.openai import OpenAiForm
from llm_worker.providers.port import Timeouts
from llm_worker.providers.rules import (
    FILE_NAME,
    AnsweredBy,
    FairnessRules,
    FromEnvironment,
    HandoverRules,
    LlmRules,
    ModelRules,
    PriceRules,
    ProviderRules,
    RouteRules,
    WhenRules,
)
from llm_worker.providers.told import Form
from llm_worker.settings import LlmSettings
from llm_worker.spending.rules import BudgetRules, WhenUsedUp
from llm_worker.words.vocabulary import Vocabulary
from posta.destinations import FILE_NAME as DESTINATIONS
from posta.destinations import load_destinations
from posta.domain.language import Language
from posta.errors import ConfigurationError
from posta.rules_file import read_rules

GROQ_FREE_RPM = 8
"""Requests a minute assumed at Groq while nothing is known: its free tier's, with a margin."""
_SETTINGS_URL, _SETTINGS_KEY = "POSTA_LLM__BASE_URL", "POSTA_LLM__API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One account at one provider, ready to be called."""

    id: str
    base_url: str
    key: SecretStr
    form: ApiForm
    limits_form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of an endpoint, with everything a call needs to know."""

    id: str
    """Its name in ``llm.yaml``, as metrics, logs and pages show it."""
    name: str
    """As the provider spells it."""
    endpoint: Endpoint
    max_tokens: int
    context_tokens: int | None
    stream: bool
    price: PriceRules
    allowance: Allowance
    timeouts: Timeouts

    @property
    def bucket(self) -> str:
        """Provider, model and key: what shares one allowance and one circuit, over all workers."""
        key = hashlib.sha256(self.endpoint.key.get_secret_value().encode()).hexdigest()[:12]
        return f"{self.endpoint.id}/{self.name}/{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where some of the questions go."""

    name: str
    when: WhenRules
    says: Vocabulary | None
    """Of ``when.says``; None: any words."""
    answers: AnsweredBy
    text: Mapping[Language, str]
    choices: tuple[tuple[Model, float], ...]
    """Models and weights; none when no model answers."""
    fallback: Mapping[Kind, tuple[Model, ...]]
    hedge_after_s: float | str | None
    max_tokens: int | None = None
    """Longest answer; None: what the model says."""

    def longest_answer(self, model: Model) -> int:
        """Most tokens that ``model`` may answer with."""
        return self.max_tokens or model.max_tokens

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model that it may ask, each once."""
        named = [model for model, _ in self.choices]
        named += [model for models in self.fallback.values() for model in models]
        return tuple({model.id: model for model in named}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Everything that may be asked."""

    models: Mapping[str, Model]
    routes: tuple[Route, ...]
    circuit: CircuitPolicy
    fairness: FairnessRules
    handover: HandoverRules
    budget: BudgetRules

    @property
    def longest_call_s(self) -> float:
        """The longest that any call may take."""
        return max(model.timeouts.total_s for model in self.models.values())

    @property
    def currency(self) -> str:
        """Of every price."""
        return next(iter(self.models.values())).price.currency

    @property
    def most_calls(self) -> int:
        """The most models that one question is asked in one handling."""
        return max(len(route.models) for route in self.routes)

    @property
    def last_asked(self) -> Route | None:
        """The last route that asks a model; None: none does."""
        return next((route for route in reversed(self.routes) if route.answers is AnsweredBy.LLM), None)


def load_lineup(config_dir: Path, settings: LlmSettings, environ: Mapping[str, str]) -> Lineup:
    """The models of ``llm.yaml`` (without the file: the one that the environment names).

    Raises ``ConfigurationError`` naming the file, the path in it or the variable, and the reason.
    """
    path = config_dir / FILE_NAME
    rules = read_rules(path, LlmRules) if path.exists() else LlmRules()
    try:
        return lineup_of(_addressed(rules, config_dir), settings, environ)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from None


def lineup_of(rules: LlmRules, settings: LlmSettings, environ: Mapping[str, str]) -> Lineup:
    """The same from rules that were read."""
    endpoints = {
        name: _endpoint(name, provider, settings, environ) for name, provider in rules.providers.items()
    }
    models = {
        name: _model(name, model, endpoints[model.provider], settings) for name, model in rules.models.items()
    }
    circuit = rules.circuit
    return Lineup(
        models=models,
        routes=tuple(_route(route, models) for route in rules.routes),
        circuit=CircuitPolicy(
            errors_in_a_row=circuit.errors_in_a_row,
            share=circuit.share,
            at_least=circuit.at_least,
            window_s=circuit.window_s,
            open_s=circuit.open_s,
            longest_open_s=circuit.longest_open_s,
        ),
        fairness=rules.fairness,
        handover=rules.handover,
        budget=rules.budget,
    )


def _addressed(rules: LlmRules, config_dir: Path) -> LlmRules:
    """The rules with the destination of what is passed on to a person."""
    destination, path = rules.handover.destination, config_dir / DESTINATIONS
    if destination is None and path.exists():
        destination = load_destinations(path).default
    hands_over = rules.budget.when_used_up is WhenUsedUp.HAND_OVER
    hands_over = hands_over or any(route.answers is AnsweredBy.PERSON for route in rules.routes)
    if destination is None and hands_over:
        raise ConfigurationError(f"handover/destination: name it here, or a default in {DESTINATIONS}")
    return rules.model_copy(
        update={"handover": rules.handover.model_copy(update={"destination": destination})}
    )


def _endpoint(
    name: str, provider: ProviderRules, settings: LlmSettings, environ: Mapping[str, str]
) -> Endpoint:
    where = f"providers/{name}"
    url = _base_url(provider.base_url, settings, environ, where)
    host = urlsplit(url).hostname or ""
    form: ApiForm
    if provider.api == "anthropic":
        form, told = AnthropicForm(), Form.ANTHROPIC
    else:
        form = OpenAiForm(max_tokens_field=provider.max_tokens_field, asks_usage=provider.asks_usage)
        told = Form.GROQ if host.endswith("groq.com") else Form.OPENAI
    return Endpoint(
        id=name,
        base_url=url,
        key=_key(provider.key, settings, environ, where),
        form=form,
        limits_form=provider.limits_form or told,
    )


def _base_url(
    given: str | FromEnvironment, settings: LlmSettings, environ: Mapping[str, str], where: str
) -> str:
    if isinstance(given, FromEnvironment):
        if given.env == _SETTINGS_URL:
            return settings.base_url
        url = environ.get(given.env, "").strip()
        said = f"{where}/base_url: {given.env}"
    else:
        url, said = given, f"{where}/base_url"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{said} is no http:// or https:// address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(f"{said} must hold no credentials, query or fragment")
    return url.rstrip("/")


def _key(
    given: FromEnvironment | None, settings: LlmSettings, environ: Mapping[str, str], where: str
) -> SecretStr:
    if given is None:
        return SecretStr("")
    if given.env == _SETTINGS_KEY:
        return settings.api_key
    key = environ.get(given.env, "").strip()
    if not key:
        raise ConfigurationError(f"{where}/key: {given.env} is not set; 'key: null' sends none")
    return SecretStr(key)


def _model(name: str, rules: ModelRules, endpoint: Endpoint, settings: LlmSettings) -> Model:
    total_s = rules.timeouts.total_s or settings.timeout_s
    limits = rules.limits
    rpm = limits.rpm
    if rpm is None and endpoint.limits_form is Form.GROQ:
        rpm = GROQ_FREE_RPM
    timeouts = Timeouts(
        connect_s=rules.timeouts.connect_s,
        first_token_s=rules.timeouts.first_token_s,
        between_tokens_s=rules.timeouts.between_tokens_s,
        total_s=total_s,
    )
    return Model(
        id=name,
        name=rules.name or settings.model,
        endpoint=endpoint,
        max_tokens=rules.max_tokens or settings.max_tokens,
        context_tokens=rules.context_tokens,
        stream=rules.stream,
        price=rules.price,
        allowance=Allowance(
            rpm=rpm,
            tpm=limits.tpm,
            rpd=limits.rpd,
            tpd=limits.tpd,
            concurrency=limits.concurrency,
            minute_s=limits.minute_s,
            jitter_s=limits.jitter_s,
        ),
        timeouts=timeouts.within(total_s),
    )


def _route(rules: RouteRules, models: Mapping[str, Model]) -> Route:
    return Route(
        name=rules.name,
        when=rules.when,
        says=Vocabulary.of({"says": rules.when.says}) if rules.when.says else None,
        answers=rules.answers,
        text=dict(rules.text),
        choices=tuple((models[choice.model], choice.weight) for choice in rules.choices),
        fallback={kind: tuple(models[name] for name in named) for kind, named in rules.fallback.items()},
        hedge_after_s=rules.hedge_after_s,
        max_tokens=rules.max_tokens,
    )
