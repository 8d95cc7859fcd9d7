"""What an answer of Discord means for a delivery: done, again, not now, or never.

Pure. Source of the classes: Discord's opcode and status code tables and rate limit page, and the
age rule of 10015 (discord-api-docs #7220: in the first seconds it is a race between our edit and
Discord's own handling of the deferred response; later, #6851, the token is dead).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

RACE_S = 10.0
"""For so long after an interaction its token may be unknown to Discord itself."""
RACE_RETRY_S = 1.0
MISCONFIGURED_RETRY_S = 600.0
"""Wait after a refusal of our User-Agent (40333): only an operator can change that."""

Scope = Literal["user", "shared", "global"]

TARGET_GONE_CODES = frozenset(
    {
        10003,  # unknown channel
        10004,  # unknown guild
        10008,  # unknown message: the person dismissed the "thinking…" message
        10015,  # unknown webhook
        10062,  # unknown interaction
        40001,  # unauthorised
        40094,  # follow-up messages of a user-installed application are used up
        50001,  # missing access
        50007,  # cannot send messages to this user
        50013,  # missing permissions
        50027,  # invalid webhook token
        50083,  # archived thread
        160005,  # locked thread
    }
)
CONTENT_REFUSED_CODES = frozenset(
    {
        20009,  # explicit content
        30015,  # too many attachments
        40005,  # request too large
        50006,  # empty message
        50035,  # invalid form body
        50045,  # file too large
        50109,  # invalid JSON
        200000,  # blocked by AutoMod
        200001,  # title blocked by AutoMod
        220001,  # a forum channel wants a thread
        220002,
        220003,
        220004,
        240000,  # harmful link
        400001,
    }
)
TRANSIENT_CODES = frozenset(
    {
        20016,  # slow mode
        20028,  # write rate of the channel
        20029,  # write rate of the server
        30046,  # too many edits of an old message
        40004,  # sending temporarily disabled
        40006,  # feature temporarily disabled
        40060,  # already acknowledged: the edit that follows is what is wanted
        40062,  # service resource is rate limited
        110000,
        130000,  # API overloaded
    }
)
_USER_AGENT_REFUSED = 40333
_REQUEST_TIMEOUT = 408
_TOO_LARGE = 413
_TOO_MANY = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer of Discord; header names in lower case, ``body`` None when it is no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done; ``message_id`` when the answer names it."""

    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """A rate limit is used up: nothing may be sent to its scope for ``wait_s`` seconds."""

    wait_s: float
    scope: Scope


@dataclass(frozen=True, slots=True)
class Blocked:
    """Discord, or Cloudflare before it, refuses this address without saying for how long."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Refused for now; ``after_s`` when there is a reason to wait at least so long."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It failed at Discord's side and may have been carried out all the same."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The target takes nothing any more."""

    reason: str
    code: int = 0
    """Discord's error code; 0 when it told none."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The message is not taken; another one may be."""

    reason: str


Verdict = Delivered | Closed | Blocked | Retry | Unknown | Gone | Refused


def judge(answer: Answer, *, token_age_s: float | None) -> Verdict:
    """What ``answer`` means; ``token_age_s`` is the age of an interaction's token, None for webhooks."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of HTTP status codes
        return Delivered(_message_id(answer.body))
    if answer.status == _TOO_MANY:
        return _rate_limited(answer)
    code = _code(answer.body)
    reason = _reason(answer, code)
    if answer.status >= 500 or answer.status < 400:  # noqa: PLR2004 - as above; a redirect decides nothing
        return Unknown(reason)
    return _refusal(answer.status, code, reason, token_age_s)


def _refusal(status: int, code: int, reason: str, token_age_s: float | None) -> Verdict:
    if code == 10015 and token_age_s is not None and token_age_s <= RACE_S:  # noqa: PLR2004 - see the table
        return Retry(reason, RACE_RETRY_S)
    if code == _USER_AGENT_REFUSED:
        return Retry(reason, MISCONFIGURED_RETRY_S)
    if code in TRANSIENT_CODES or status == _REQUEST_TIMEOUT:
        return Retry(reason)
    if code in TARGET_GONE_CODES:
        return Gone(reason, code)
    if code in CONTENT_REFUSED_CODES or status in (400, _TOO_LARGE):
        return Refused(reason)
    return Gone(reason, code)


def _rate_limited(answer: Answer) -> Verdict:
    body = answer.body if isinstance(answer.body, dict) else {}
    waits = [seconds(answer.headers.get("retry-after")), seconds(body.get("retry_after"))]
    known = [wait for wait in waits if wait is not None]
    if not known:
        return Blocked()
    return Closed(max(known), _scope(answer.headers, body))


def _scope(headers: Mapping[str, str], body: Mapping[str, Any]) -> Scope:
    if (
        headers.get("x-ratelimit-scope") == "global"
        or headers.get("x-ratelimit-global", "").lower() == "true"
        or body.get("global") is True
    ):
        return "global"
    return "shared" if headers.get("x-ratelimit-scope") == "shared" else "user"


def seconds(value: object) -> float | None:
    """A wait as Discord writes it, in seconds; None when it is absent, no number, or senseless."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _code(body: object) -> int:
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else 0


def _message_id(body: object) -> str | None:
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def _reason(answer: Answer, code: int) -> str:
    message = answer.body.get("message") if isinstance(answer.body, dict) else None
    told = str(message)[:200] if message else "no reason given"
    faults = _faults(answer.body.get("errors")) if isinstance(answer.body, dict) else []
    detail = f" ({'; '.join(faults[:3])})" if faults else ""
    return f"Discord answered {answer.status}/{code}: {told}{detail}"


def _faults(errors: object, path: str = "") -> list[str]:
    """Paths and codes of a 50035's nested ``errors``; its messages may quote what was sent."""
    if not isinstance(errors, dict):
        return []
    found = []
    for name, value in errors.items():
        if name == "_errors" and isinstance(value, list):
            found += [f"{path or 'body'}: {e.get('code')}" for e in value if isinstance(e, dict)]
        else:
            found += _faults(value, f"{path}.{name}" if path else str(name))
    return found
