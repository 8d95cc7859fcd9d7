"""Reads a span of time the way LLM providers write it: ``2``, ``7.66s``, ``577.5ms``, ``1h2m3s``.

The grammar is Go's ``time.ParseDuration`` without a sign, plus plain seconds as in ``Retry-After``
(Groq writes ``x-ratelimit-reset-tokens: 7.66s`` and ``retry-after: 2``).
"""

import math
import re

_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_MAX_CHARS = 64
"""Longer texts are no durations, and need not be searched."""

# "ms" stands before "m": an alternation takes the first that fits.
_PART = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|us|µs|μs|ns|h|m|s)"
_ONE_PART = re.compile(_PART)
_PARTS = re.compile(f"(?:{_PART})+")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


def parse_duration_s(text: str) -> float | None:
    """The span in seconds, finite and not negative; None for anything that is no duration."""
    text = text.strip()
    if len(text) > _MAX_CHARS:
        return None
    if _PLAIN.fullmatch(text):
        seconds = float(text)
    elif _PARTS.fullmatch(text):
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _ONE_PART.findall(text))
    else:
        return None
    return seconds if math.isfinite(seconds) else None
