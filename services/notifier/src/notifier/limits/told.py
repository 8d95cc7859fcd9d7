"""What was told of a closed bucket, so that the log says it once per window; metrics count the rest. Pure."""

SOONEST_S = 1.0
"""A bucket that opens and closes again sooner than this is the same story."""
KEPT = 1000


class ToldOnce:
    """Until when nothing more is to be said of a bucket; ``now`` is a clock that never goes back."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def is_news(self, bucket: tuple[str, str], *, wait_s: float, now: float) -> bool:
        """Whether to say now that ``bucket`` is closed for ``wait_s`` seconds."""
        if now < self._until.get(bucket, 0.0):
            return False
        if len(self._until) >= KEPT:
            self._until = {name: until for name, until in self._until.items() if until > now}
        self._until[bucket] = now + max(wait_s, SOONEST_S)
        return True
