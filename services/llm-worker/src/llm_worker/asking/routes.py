"""Which models a question goes to: the first route that fits, and the same first model for the same event."""

import hashlib

from llm_worker.providers.lineup import Lineup, Model, Route
from llm_worker.question import Question
from llm_worker.words.wording import words_of

_WHOLE = 2**64
_LOOKED_AT_CHARS = 4_000
"""Of a question, for the words that a route names."""


def route_of(question: Question, lineup: Lineup) -> Route:
    """The first route whose ``when`` fits; the last fits everything."""
    return next(route for route in lineup.routes if _fits(question, route))


def first_model(route: Route, event_id: str) -> Model:
    """The model to begin with: chance by weight, but always the same for one event."""
    digest = hashlib.sha256(event_id.encode()).digest()
    point = int.from_bytes(digest[:8]) / _WHOLE * sum(weight for _, weight in route.choices)
    for model, weight in route.choices:
        point -= weight
        if point < 0:
            return model
    return route.choices[-1][0]


def _fits(question: Question, route: Route) -> bool:
    when = route.when
    return (
        (when.medium is None or question.target.medium == when.medium)
        and (when.command is None or question.command in when.command)
        and (when.language is None or question.language == when.language)
        and (when.longer_than_chars is None or len(question.text) > when.longer_than_chars)
        and (route.says is None or bool(route.says.find(words_of(question.whole[:_LOOKED_AT_CHARS]))))
    )
