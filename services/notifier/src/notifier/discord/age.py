"""How old an interaction's token is, and when it ends.

Pure. A token lives 15 minutes from the interaction, whose id is a snowflake that tells its time
(Discord API reference, "Snowflakes"); the moment of the answer or of ours does not count.
"""

TOKEN_LIFE_S = 15 * 60
_DISCORD_EPOCH_MS = 1_420_070_400_000
_SHIFT = 22


def made_at(interaction_id: str) -> float | None:
    """When the interaction was made, in seconds since the epoch; None for an id that is no snowflake."""
    if not (interaction_id.isascii() and interaction_id.isdigit()) or len(interaction_id) > 20:  # noqa: PLR2004 - 64 bits
        return None
    return ((int(interaction_id) >> _SHIFT) + _DISCORD_EPOCH_MS) / 1000


def token_ends_at(interaction_id: str) -> float | None:
    """When the token of the interaction ends, in seconds since the epoch; None when that is not known."""
    made = made_at(interaction_id)
    return None if made is None else made + TOKEN_LIFE_S


def snowflake_at(moment: float) -> str:
    """The least snowflake of that moment, in seconds since the epoch."""
    return str(max(0, int(moment * 1000) - _DISCORD_EPOCH_MS) << _SHIFT)
