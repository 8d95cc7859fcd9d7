"""When a Discord id was made: a snowflake carries its own time (API reference, "Snowflakes")."""

from datetime import UTC, datetime, timedelta

_DISCORD_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_TIME_SHIFT = 22


def snowflake_time(snowflake: str) -> datetime:
    """The moment ``snowflake`` (decimal digits) was made, to the millisecond."""
    return _DISCORD_EPOCH + timedelta(milliseconds=int(snowflake) >> _TIME_SHIFT)
