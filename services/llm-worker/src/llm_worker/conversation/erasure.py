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
_TURNS = """
SELECT t.conversation, t.event_id FROM conversation_turn t JOIN conversation c ON c.id = t.conversation
 WHERE coalesce(t.person, c.person) = $1
"""
_REMAINS = """
UPDATE conversation c SET summary = '', summary_tokens = 0, summarised_to = 0, fence = fence + 1,
       claimed_until = NULL,
       open_tokens = (SELECT coalesce(sum(tokens), 0) FROM conversation_turn WHERE conversation = c.id),
       person = coalesce((SELECT t.person FROM conversation_turn t WHERE t.conversation = c.id
                           AND t.person IS NOT NULL ORDER BY t.number DESC LIMIT 1), '')
 WHERE c.id = ANY($1)
"""

_NOBODY = "person:erased"
_USAGE = """
UPDATE llm_usage SET conversation = 'erased', tenant = CASE tenant WHEN $2 THEN $4 ELSE tenant END
 WHERE event_id = ANY($1) OR tenant = $2 OR conversation LIKE $3 RETURNING 1
"""
_USAGE_OF_DAYS = """
WITH theirs AS (DELETE FROM llm_usage_day WHERE tenant = $1 RETURNING *)
INSERT INTO llm_usage_day AS kept (day, tenant, provider, model, outcome, is_used, currency,
                                   calls, tokens_in, tokens_cached, tokens_out, cost)
SELECT day, $2::text, provider, model, outcome, is_used, currency,
       calls, tokens_in, tokens_cached, tokens_out, cost FROM theirs
ON CONFLICT (day, tenant, provider, model, outcome, is_used, currency) DO UPDATE
   SET calls = kept.calls + excluded.calls, tokens_in = kept.tokens_in + excluded.tokens_in,
       tokens_cached = kept.tokens_cached + excluded.tokens_cached,
       tokens_out = kept.tokens_out + excluded.tokens_out, cost = kept.cost + excluded.cost
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
    # First of all: whoever is adding a turn waits, or is waited for.
    await connection.execute(
        "SELECT 1 FROM conversation WHERE id IN"
        " (SELECT conversation FROM conversation_turn WHERE person = $1) OR person = $1 FOR UPDATE", person,
    )  # fmt: skip
    rows = await connection.fetch(_TURNS, person)
    events = [row["event_id"] for row in rows]
    conversations = sorted({row["conversation"] for row in rows})
    answers = await connection.fetch("DELETE FROM answer WHERE event_id = ANY($1) RETURNING 1", events)
    shared = await connection.fetch("DELETE FROM cached_answer WHERE event_id = ANY($1) RETURNING 1", events)
    await forget_usage(connection, person, events=events, conversations=conversations)
    await connection.execute("DELETE FROM conversation_turn WHERE event_id = ANY($1)", events)
    await connection.execute(
        "DELETE FROM conversation c WHERE (c.id = ANY($1) OR c.person = $2)"
        " AND NOT EXISTS (SELECT 1 FROM conversation_turn t WHERE t.conversation = c.id)",
        conversations, person,
    )  # fmt: skip
    await connection.execute(_REMAINS, conversations)
    return Erased(
        conversations=len(conversations),
        turns=len(rows),
        answers=len(answers),
        shared=len(shared),
        usage=await _unname_usage(connection, person, events),
    )


async def _unname_usage(connection: Connection, person: str, events: list[str]) -> int:
    medium, _, id_ = person.partition(":")
    # Only who writes directly on Discord is a tenant; only there a conversation's name ends in the person.
    is_named = medium == "discord" and id_.isdigit()
    tenant, ending = (f"person:{id_}", f"discord:%:{id_}") if is_named else ("", "")
    rows = await connection.fetch(_USAGE, events, tenant, ending, _NOBODY)
    await connection.execute(_USAGE_OF_DAYS, tenant, _NOBODY)
    await connection.execute(
        "DELETE FROM llm_tenant_day WHERE tenant = $1 AND day < (now() - interval '2 days')::date", tenant
    )
    return len(rows)
