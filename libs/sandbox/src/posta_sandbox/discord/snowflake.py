"""Snowflakes: ids that carry their time. Pure: the time is given."""

import itertools

DISCORD_EPOCH_MS = 1_420_070_400_000
"""2015-01-01T00:00:00Z (Discord's reference, "Snowflakes")."""


class Snowflakes:
    """Makes ids that grow, two of one millisecond included."""

    def __init__(self) -> None:
        self._counter = itertools.count()

    def make(self, now: float) -> str:
        """Return an id for a time in seconds since the epoch."""
        ms = int(now * 1000) - DISCORD_EPOCH_MS
        return str((ms << 22) | (next(self._counter) & 0x3FFFFF))


def snowflake_time_s(snowflake: str) -> float:
    """Return the time an id was made, in seconds since the epoch."""
    return ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000
