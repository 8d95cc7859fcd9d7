"""Erases a person: what they asked and were told, answers stored and shared; and notes that it was done.

Where others took part in a conversation (a mail thread), their turns stay and its summary, which may tell of
everybody, is made anew. A summary that is being written meanwhile loses by its fence. What their questions
cost stays, without them; today's budget of a person stays theirs, or forgetting would fill it up again.
"""

import hashlib
from dataclasses import asdict, dataclass

from llm_worker.spending.erasure import forget_usage
from posta.postgres.pool import Connection, Database

BY_PERSON = "the person"
"""Who erased, when the person did it with /forget."""
_HOLD = """
SELECT id FROM conversation c
 WHERE person = $1 OR EXISTS (SELECT FROM conversation_turn t WHERE t.conversation = c.id AND t.person = $1)
 ORDER BY id FOR UPDATE
"""
_TURNS = """
SELECT t.conversation, t.event_id FROM conversation_turn t JOIN conversation c ON c.id = t.conversation
 WHERE coalesce(t.person, c.person) = $1 AND c.id = ANY($2)
"""
_REMAINS = """
UPDATE conversation c SET summary = '', summary_tokens = 0, summarised_to = 0, fence = fence + 1,
       claimed_until = NULL,
       open_tokens = (SELECT coalesce(sum(tokens), 0) FROM conversation_turn WHERE conversation = c.id),
       person = coalesce((SELECT t.person FROM conversation_turn t WHERE t.conversation = c.id
                           AND t.person IS NOT NULL ORDER BY t.number DESC LIMIT 1), '')
 WHERE c.id = ANY($1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was erased."""

    conversations: int
    """That the person took part in."""
    turns: int
    answers: int
    """Stored answers to their questions: replaying one of them asks the model anew."""
    shared: int
    """Answers to their questions that others would have been given, too."""
    usage: int = 0
    """Rows of what their questions cost that name them no more."""

    def as_fields(self) -> dict[str, int]:
        """For a log line."""
        return asdict(self)


class Erasure:
    """Every call raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(self, person: str, *, by: str) -> Erased:
        """Erase ``person`` (``discord:<id>``, ``email:<address>``), all of it or nothing, and note it."""
        async with self._database.transaction() as connection:
            erased = await _erase(connection, person)
            await connection.execute(
                "INSERT INTO erasure (erased_by, person_hash, conversations, turns, answers, shared)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                by, person_hash(person), erased.conversations, erased.turns, erased.answers, erased.shared,
            )  # fmt: skip
            return erased

    async def plan(self, person: str) -> Erased:
        """What erasing would remove, without removing it."""
        async with self._database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                return await _erase(connection, person)
            finally:
                await transaction.rollback()


def person_hash(person: str) -> str:
    """How the audit names a person who is forgotten: whoever knows the name can look it up."""
    return hashlib.sha256(person.encode()).hexdigest()


async def _erase(connection: Connection, person: str) -> Erased:
    # First of all, and always in this order: whoever adds a turn, or erases too, waits or is waited for. What
    # begins after that is not erased: to take hold of it now could be a deadlock.
    held = [row["id"] for row in await connection.fetch(_HOLD, person)]
    rows = await connection.fetch(_TURNS, person, held)
    events = [row["event_id"] for row in rows]
    conversations = sorted({row["conversation"] for row in rows})
    answers = await connection.fetch("DELETE FROM answer WHERE event_id = ANY($1) RETURNING 1", events)
    shared = await connection.fetch("DELETE FROM cached_answer WHERE event_id = ANY($1) RETURNING 1", events)
    usage = await forget_usage(connection, person, events=events, conversations=conversations)
    await connection.execute("DELETE FROM conversation_turn WHERE event_id = ANY($1)", events)
    await connection.execute(
        "DELETE FROM conversation c WHERE c.id = ANY($1)"
        " AND NOT EXISTS (SELECT 1 FROM conversation_turn t WHERE t.conversation = c.id)", held,
    )  # fmt: skip
    await connection.execute(_REMAINS, conversations)
    return Erased(
        conversations=len(conversations),
        turns=len(rows),
        answers=len(answers),
        shared=len(shared),
        usage=usage,
    )
