"""What an answer of Posta means for the events that were sent. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_REFUSALS = frozenset({400, 403, 405, 409, 413, 415, 422})
"""The event itself is at fault, or its key may not publish it: sending it again changes nothing."""
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Posta has them; its ids, in order."""

    posta_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Posta will never take them like this."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; ``after_s`` when Posta says how long."""

    reason: str
    after_s: float | None = None


Verdict = Taken | Refused | Later


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """The verdict of an answer; ``headers`` in lower case."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of HTTP status codes
        return Taken(_ids(body))
    reason = f"{status}{_said(body)}"
    if status in _REFUSALS:
        return Refused(reason)
    # 401 and 404 too: a key is being changed, or an address is wrong, and a person will mend it.
    return Later(reason, _seconds(headers.get("retry-after")))


def _ids(body: bytes) -> tuple[str, ...]:
    try:
        answer = json.loads(body)
        entries = answer.get("events", [answer])
        return tuple(str(entry["id"]) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _said(body: bytes) -> str:
    """What a problem details body says, in one line."""
    try:
        problem = json.loads(body)
        told = [str(problem[name]) for name in ("title", "detail") if problem.get(name)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return " " + " ".join(": ".join(told).split())[:300]


def _seconds(text: str | None) -> float | None:
    try:
        return min(_LONGEST_S, max(0.0, float(text or "")))
    except ValueError:
        return None
