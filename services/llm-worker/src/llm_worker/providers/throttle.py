"""How long a provider that answered 429 wants us to wait, in seconds.

In this order, the first that says something: ``retry-after-ms``, ``retry-after`` (seconds or an
HTTP date), the reset header of the limit that is used up, the error's message ("try again in
5.289s"), a default. Groq's ``…-requests`` headers speak of the day, ``…-tokens`` of the minute.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from llm_worker.providers.durations import parse_duration_s

DEFAULT_WAIT_S = 10.0
MIN_WAIT_S = 0.5
"""A wait of nothing would be a busy loop against a provider that has just said no."""
MAX_WAIT_S = 24 * 3600.0
"""No provider's window is longer than a day; a longer wait is a mistake of theirs."""

_IN_MESSAGE = re.compile(
    r"try again in ([0-9.]+(?:ms|us|µs|ns|h|m|s)(?:[0-9.]+(?:ms|us|µs|ns|h|m|s))*)", re.IGNORECASE
)
_LIMITS = ("tokens", "requests")


def throttle_wait_s(headers: Mapping[str, str], *, message: str, limit: str, now: float) -> float:
    """Seconds to wait, within [``MIN_WAIT_S``, ``MAX_WAIT_S``].

    ``headers`` is case-insensitive or has lower-case names; ``limit`` is the error's type
    (``tokens`` or ``requests``, or anything); ``now`` is in seconds since the epoch.
    """
    found = retry_after_s(headers, now=now)
    if found is None:
        found = _reset_s(headers, limit)
    if found is None:
        found = _message_s(message)
    return min(max(DEFAULT_WAIT_S if found is None else found, MIN_WAIT_S), MAX_WAIT_S)


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """What ``retry-after-ms`` or ``retry-after`` (RFC 9110 §10.2.3) asks for; None if neither can be read."""
    milliseconds = parse_duration_s(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = parse_duration_s(text)
    return _until_s(text, now) if seconds is None else seconds


def _until_s(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _reset_s(headers: Mapping[str, str], limit: str) -> float | None:
    """The longest reset of the limits that are used up, or that the error names."""
    waits = []
    for name in _LIMITS:
        remaining = headers.get(f"x-ratelimit-remaining-{name}", "").strip()
        if remaining == "0" or limit == name:
            wait_s = parse_duration_s(headers.get(f"x-ratelimit-reset-{name}", ""))
            if wait_s is not None:
                waits.append(wait_s)
    return max(waits, default=None)


def _message_s(message: str) -> float | None:
    found = _IN_MESSAGE.search(message)
    return None if found is None else parse_duration_s(found.group(1).rstrip("."))
