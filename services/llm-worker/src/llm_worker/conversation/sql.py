"""SQL of conversations that also stands inside other statements: what was said, and a turn that is added."""

from typing import Any

from llm_worker.conversation.turn import NewTurn, Past, Turn

ADD = "SELECT conversation_add($1, $2, $3, $4, $5, $6, $7)"
"""Adds a turn once for each event; gives the tokens of the turns that are not yet summarised."""
_OPEN_TURNS = """
conversation_turn t WHERE t.conversation = c.id AND t.number > c.summarised_to AND t.question <> ''"""
"""Those of conversation ``c`` that no summary tells of; a turn without words is none."""
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


def past_columns(first: int) -> str:
    """The columns ``summary`` and ``turns``; parameters from number ``first``: conversation, most turns."""
    return f"""
(SELECT summary FROM conversation WHERE id = ${first}) AS summary,
ARRAY(SELECT ROW(t.number, t.question, t.answer, t.tokens)
        FROM conversation c CROSS JOIN LATERAL (
             SELECT number, question, answer, tokens FROM {_OPEN_TURNS}
              ORDER BY number DESC LIMIT ${first + 1}) t
       WHERE c.id = ${first} ORDER BY t.number) AS turns"""  # noqa: S608 - constants


def past_of(row: Any) -> Past:
    """What the ``past_columns`` of a row tell."""
    turns = tuple(
        Turn(number=number, question=question, answer=answer, tokens=tokens)
        for number, question, answer, tokens in row["turns"]
    )
    return Past(summary=row["summary"] or "", turns=turns)


def is_new(number: int) -> str:
    """The condition that nothing is known of the conversation that is parameter ``number``."""
    return f"""
NOT EXISTS (SELECT FROM conversation c WHERE c.id = ${number} AND (c.summary <> '' OR EXISTS (
            SELECT FROM {_OPEN_TURNS})))"""  # noqa: S608 - constants
