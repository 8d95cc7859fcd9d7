"""SQL that adds a turn to its conversation, alone or inside the statement that stores an answer."""

from llm_worker.conversation.turn import NewTurn

ADD = "SELECT conversation_add($1, $2, $3, $4, $5, $6, $7)"
"""Adds a turn once for each event; gives the tokens of the turns that are not yet summarised."""
IS_HELD = "(SELECT count(*) FROM held) >= 0"
"""True, and only when the CTE ``held`` is evaluated: what comes after this condition comes after the lock."""


def held(first: int) -> str:
    """The CTE that locks the conversation's row first, as whoever erases a person does.

    Its parameters begin with number ``first``: those of ``remember_values``.
    """
    return f"held AS MATERIALIZED (SELECT FROM conversation WHERE id = ${first}::text FOR UPDATE)"


def remembered(first: int, *, source: str) -> str:
    """The CTE with ``open_tokens`` that adds the turn if ``source`` has a row; parameters as of ``held``."""
    values = ", ".join(f"${first + at}" for at in range(7))
    return f"remembered AS (SELECT conversation_add({values}) AS open_tokens FROM {source})"  # noqa: S608 - constants


def remember_values(turn: NewTurn) -> tuple[object, ...]:
    """The parameters of ``held``, ``remembered`` and ``ADD``."""
    return (
        turn.conversation,
        turn.person,
        turn.language,
        turn.event_id,
        turn.question,
        turn.answer,
        turn.tokens,
    )
