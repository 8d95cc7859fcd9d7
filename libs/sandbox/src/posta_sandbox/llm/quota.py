"""An organisation's quota at the LLM: requests and tokens per minute, requests per day. Pure."""

import math
from dataclasses import dataclass

from posta_sandbox.rules import LlmLimits

DAY_S = 86_400.0
_UNLIMITED_REQUESTS = 1_000_000
_UNLIMITED_TOKENS = 100_000_000


@dataclass(slots=True)
class _Window:
    """A fixed window and what was used of it."""

    length_s: float
    ends_at: float = 0.0
    used: int = 0

    def at(self, now: float, length_s: float) -> "_Window":
        if now >= self.ends_at or length_s != self.length_s:
            return _Window(length_s, now + length_s)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a request was not let through."""

    status: int
    type: str
    message: str
    retry_after_s: float


class Quota:
    """What was used of the limits."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all use."""
        self._requests = _Window(60.0)
        self._tokens = _Window(60.0)
        self._daily = _Window(DAY_S)

    def take(self, limits: LlmLimits, *, tokens: int, model: str, now: float) -> Refused | None:
        """Count a request of so many tokens, or say why it is refused."""
        self._requests = self._requests.at(now, limits.window_s)
        self._tokens = self._tokens.at(now, limits.window_s)
        self._daily = self._daily.at(now, DAY_S)
        if limits.tpm is not None and tokens > limits.tpm:
            message = (
                f"Request too large for model `{model}`: limit {limits.tpm} tokens per minute, "
                f"requested {tokens}. Reduce your message size and try again."
            )
            return Refused(status=413, type="tokens", message=message, retry_after_s=0)
        full = self._first_full(limits, tokens)
        if full is None:
            for window, used in ((self._requests, 1), (self._tokens, tokens), (self._daily, 1)):
                window.used += used
            return None
        name, kind, limit, window = full
        wait_s = max(window.ends_at - now, 0.001)
        message = (
            f"Rate limit reached for model `{model}` on {name}: Limit {limit}, "
            f"Used {window.used}. Please try again in {duration(wait_s)}."
        )
        return Refused(status=429, type=kind, message=message, retry_after_s=wait_s)

    def _first_full(self, limits: LlmLimits, tokens: int) -> tuple[str, str, int, _Window] | None:
        wanted = (
            ("requests per minute (RPM)", "requests", limits.rpm, self._requests, 1),
            ("requests per day (RPD)", "requests", limits.rpd, self._daily, 1),
            ("tokens per minute (TPM)", "tokens", limits.tpm, self._tokens, tokens),
        )
        for name, kind, limit, window, use in wanted:
            if limit is not None and window.used + use > limit:
                return name, kind, limit, window
        return None

    def headers(self, limits: LlmLimits, now: float) -> dict[str, str]:
        """Return Groq's headers: requests are per day, tokens per minute."""
        requests = _UNLIMITED_REQUESTS if limits.rpd is None else limits.rpd
        tokens = _UNLIMITED_TOKENS if limits.tpm is None else limits.tpm
        return {
            "x-ratelimit-limit-requests": str(requests),
            "x-ratelimit-limit-tokens": str(tokens),
            "x-ratelimit-remaining-requests": str(max(requests - self._daily.used, 0)),
            "x-ratelimit-remaining-tokens": str(max(tokens - self._tokens.used, 0)),
            "x-ratelimit-reset-requests": duration(max(self._daily.ends_at - now, 0)),
            "x-ratelimit-reset-tokens": duration(max(self._tokens.ends_at - now, 0)),
        }


def duration(seconds: float) -> str:
    """Return seconds as Go writes them: 577.5ms, 7.66s, 2m59.56s, 1h2m3s."""
    if seconds < 1:
        return f"{round(seconds * 1000, 1):g}ms"
    hundredths = math.ceil(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 100:.2f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
