"""An organisation's quota at the LLM: requests and tokens per minute and day, calls at once. Pure."""

import math
from collections import deque
from dataclasses import dataclass, field

from posta_sandbox.rules import LlmLimits

DAY_S = 86_400.0
_UNLIMITED_REQUESTS = 1_000_000
_UNLIMITED_TOKENS = 100_000_000


@dataclass(slots=True)
class _Window:
    """What was used within a length of time: since its beginning (fixed), or looking back (sliding)."""

    length_s: float
    slides: bool = False
    ends_at: float = 0.0
    uses: deque[tuple[float, int]] = field(default_factory=deque)
    used: int = 0

    def at(self, now: float, length_s: float, *, slides: bool) -> "_Window":
        if (length_s, slides) != (self.length_s, self.slides):
            return _Window(length_s, slides, now + length_s)
        if slides:
            while self.uses and self.uses[0][0] <= now - length_s:
                self.used -= self.uses.popleft()[1]
        elif now >= self.ends_at:
            return _Window(length_s, slides, now + length_s)
        return self

    def add(self, amount: int, now: float) -> None:
        self.used += amount
        self.uses.append((now, amount))

    def wait_s(self, now: float, *, amount: int, limit: int) -> float:
        """How long until so much more fits."""
        if not self.slides:
            return max(self.ends_at - now, 0.001)
        excess = self.used + amount - limit
        for at, used in self.uses:
            excess -= used
            if excess <= 0:
                return max(at + self.length_s - now, 0.001)
        return self.length_s

    def whole_in_s(self, now: float) -> float:
        """How long until all of it is free again."""
        last = self.uses[-1][0] + self.length_s if self.slides and self.uses else self.ends_at
        return max(last - now, 0.0)


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
        self._requests, self._tokens = _Window(60.0), _Window(60.0)
        self._daily, self._daily_tokens = _Window(DAY_S), _Window(DAY_S)
        self.running = 0
        """Calls under way."""

    def take(self, limits: LlmLimits, *, tokens: int, model: str, now: float) -> Refused | None:
        """Count a request of so many tokens, or say why it is refused."""
        self._turn(limits, now)
        if limits.tpm is not None and tokens > limits.tpm:
            message = (
                f"Request too large for model `{model}`: limit {limits.tpm} tokens per minute, "
                f"requested {tokens}. Reduce your message size and try again."
            )
            # Groq says 413, OpenAI 429.
            status = 413 if limits.form == "groq" else 429
            return Refused(status=status, type="tokens", message=message, retry_after_s=0)
        if limits.concurrency is not None and self.running >= limits.concurrency:
            message = f"Too many concurrent requests for model `{model}`."
            return Refused(status=429, type="requests", message=message, retry_after_s=0.5)
        full = self._first_full(limits, tokens)
        if full is None:
            for window, used in (
                (self._requests, 1),
                (self._tokens, tokens),
                (self._daily, 1),
                (self._daily_tokens, tokens),
            ):
                window.add(used, now)
            return None
        name, kind, limit, window, use = full
        wait_s = window.wait_s(now, amount=use, limit=limit)
        message = (
            f"Rate limit reached for model `{model}` on {name}: Limit {limit}, "
            f"Used {window.used}. Please try again in {duration(wait_s)}."
        )
        return Refused(status=429, type=kind, message=message, retry_after_s=wait_s)

    def _turn(self, limits: LlmLimits, now: float) -> None:
        slides = limits.counts == "sliding"
        self._requests = self._requests.at(now, limits.window_s, slides=slides)
        self._tokens = self._tokens.at(now, limits.window_s, slides=slides)
        self._daily = self._daily.at(now, DAY_S, slides=slides)
        self._daily_tokens = self._daily_tokens.at(now, DAY_S, slides=slides)

    def _first_full(self, limits: LlmLimits, tokens: int) -> tuple[str, str, int, _Window, int] | None:
        wanted = (
            ("requests per minute (RPM)", "requests", limits.rpm, self._requests, 1),
            ("requests per day (RPD)", "requests", limits.rpd, self._daily, 1),
            ("tokens per minute (TPM)", "tokens", limits.tpm, self._tokens, tokens),
            ("tokens per day (TPD)", "tokens", limits.tpd, self._daily_tokens, tokens),
        )
        for name, kind, limit, window, use in wanted:
            if limit is not None and window.used + use > limit:
                return name, kind, limit, window, use
        return None

    def headers(self, limits: LlmLimits, now: float) -> dict[str, str]:
        """Return the headers of the limits: at Groq requests are per day, at OpenAI per minute."""
        of_requests, limit = (
            (self._daily, limits.rpd) if limits.form == "groq" else (self._requests, limits.rpm)
        )
        requests = _UNLIMITED_REQUESTS if limit is None else limit
        tokens = _UNLIMITED_TOKENS if limits.tpm is None else limits.tpm
        named = {"x-groq-region": "sandbox"} if limits.form == "groq" else {}
        return named | {
            "x-ratelimit-limit-requests": str(requests),
            "x-ratelimit-limit-tokens": str(tokens),
            "x-ratelimit-remaining-requests": str(max(requests - of_requests.used, 0)),
            "x-ratelimit-remaining-tokens": str(max(tokens - self._tokens.used, 0)),
            "x-ratelimit-reset-requests": duration(of_requests.whole_in_s(now)),
            "x-ratelimit-reset-tokens": duration(self._tokens.whole_in_s(now)),
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
