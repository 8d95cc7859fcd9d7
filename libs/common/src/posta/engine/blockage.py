"""Tells of topics that nothing can be published to: a line when it begins, one a minute, one when it ends.

A missing lane fails every record that has to ride it, several times a second: a line for each would
bury what matters.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_REMIND_S = 60.0


@dataclass(slots=True)
class _Blocked:
    """One topic that is blocked now."""

    since: float
    told: float
    waiting: int = 0


class Blockages:
    """Which topics one engine cannot publish to; ``clock`` is monotonic."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._blocked: dict[str, _Blocked] = {}

    def failed(self, topic: str, error: Exception, *, is_first: bool) -> None:
        """A try to publish a record failed; ``is_first``: its first one."""
        now = self._clock()
        blocked = self._blocked.get(topic)
        if blocked is None:
            blocked = self._blocked[topic] = _Blocked(since=now, told=float("-inf"))
        blocked.waiting += is_first
        names.PUBLISH_BLOCKED.labels(topic).set(blocked.waiting)
        if now - blocked.told >= _REMIND_S:
            blocked.told = now
            log.error(
                "publish_failed_will_retry",
                topic=topic,
                error=str(error),
                waiting=blocked.waiting,
                for_s=round(now - blocked.since, 1),
                advice="is the topic there, and may we write to it? posta topics plan",
            )

    def ended(self, topic: str, *, published: bool) -> None:
        """A record that had failed is through, or is not ours any more."""
        blocked = self._blocked.get(topic)
        if blocked is None:
            return
        blocked.waiting -= 1
        names.PUBLISH_BLOCKED.labels(topic).set(blocked.waiting)
        if blocked.waiting <= 0:
            del self._blocked[topic]
            if published:
                log.info("publish_works_again", topic=topic, after_s=round(self._clock() - blocked.since, 1))
