"""Whether a message is taken now: service hours, the age of the queue, then how often people ask."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingress.interactions.answers import Notice, notice_body, private_message
from ingress.interactions.decision import KeepThenAnswer
from ingress.limits.governor import Governor
from ingress.limits.hours import ServiceHours
from ingress.limits.queue_age import QueueAge
from ingress.limits.quotas import LimitPolicy
from posta.domain.language import language_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message is not taken, and what the person reads."""

    notice: Notice
    body: bytes


class Admission:
    """Turns messages away before anything is written for them."""

    def __init__(
        self,
        governor: Governor,
        *,
        limits: LimitPolicy | None,
        hours: Callable[[], ServiceHours],
        queue_age: QueueAge,
        max_queue_age_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._governor = governor
        self._limits = limits
        self._hours = hours
        self._queue_age = queue_age
        self._max_queue_age_s = max_queue_age_s
        self._clock = clock
        self._admitted = 0
        self._refused = dict.fromkeys(
            (Notice.CLOSED, Notice.OVERLOADED, Notice.TOO_OFTEN, Notice.REPEATED), 0
        )

    async def refusal(self, message: KeepThenAnswer, *, locale: str) -> Refusal | None:
        """Why ``message`` is not taken, or None; a message that is taken counts in its limits."""
        notice = self._before_limits() or await self._over_limit(message)
        if notice is None:
            self._admitted += 1
            return None
        self._refused[notice] += 1
        if notice is Notice.CLOSED:
            text = self._hours().message.text(language_of(locale))
            return Refusal(notice=notice, body=private_message(text))
        return Refusal(notice=notice, body=notice_body(notice, locale=locale))

    def _before_limits(self) -> Notice | None:
        if not self._hours().is_open(datetime.fromtimestamp(self._clock(), UTC)):
            return Notice.CLOSED
        if self._max_queue_age_s and self._queue_age.seconds > self._max_queue_age_s:
            return Notice.OVERLOADED
        return None

    async def _over_limit(self, message: KeepThenAnswer) -> Notice | None:
        if self._limits is None:
            return None
        used_up = await self._governor.admit(self._limits.request(message))
        return None if used_up is None else Notice(used_up.reason)

    async def stats(self) -> Mapping[str, Any]:
        """What is configured and what is going on, by the names that operators of earlier systems know."""
        limits, hours = self._limits or LimitPolicy(), self._hours()
        return {
            "config": {
                "enabled": self._limits is not None,
                "maxRequestsPerMinute": limits.per_conversation,
                "maxRequestsPerMinutePerUser": limits.per_user,
                "maxRequestsPerMinutePerGuild": limits.per_guild,
                "dedupeWindowMs": limits.dedupe_window_ms,
                "maxQueueAgeSeconds": self._max_queue_age_s,
                "serviceHours": {
                    "enabled": hours.enabled,
                    "timezone": hours.timezone,
                    "openNow": hours.is_open(datetime.fromtimestamp(self._clock(), UTC)),
                },
            },
            "rateLimiter": {
                "memoryFallback": self._governor.memory_fallback,
                "activeKeys": await self._governor.active_keys() if self._limits else 0,
            },
            "queueAgeSeconds": round(self._queue_age.seconds, 3),
            "admitted": self._admitted,
            "refused": {notice.value: count for notice, count in self._refused.items()},
        }
