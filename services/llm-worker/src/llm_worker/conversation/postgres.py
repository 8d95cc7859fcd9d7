"""Conversations in PostgreSQL; every call raises ``Unavailable`` while the database is away.

add ──▶ open turns ──(over the threshold)──▶ claim ──▶ LLM ──▶ summarised: they are in the summary
│ fence + 1      └ an older fence: nothing changes
└ its lease ends: another may claim (crash)
"""

from dataclasses import dataclass

from llm_worker.conversation.sql import ADD, past_columns, past_of, remember_values
from llm_worker.conversation.turn import NewTurn, Past, Turn, to_summarise
from posta.postgres.pool import Database

_PAST = f"SELECT {past_columns(1)}"
_CLAIM = """
UPDATE conversation SET fence = fence + 1, claimed_until = now() + make_interval(secs => $2)
 WHERE id = $1 AND (claimed_until IS NULL OR claimed_until < now())
RETURNING fence, summary, language, summarised_to
"""
_TURNS = """
SELECT number, question, answer, tokens FROM conversation_turn
 WHERE conversation = $1 AND number > $2 AND question <> '' ORDER BY number
"""
_SUMMARISED = """
UPDATE conversation SET summary = $3, summary_tokens = $4, summarised_to = $5, claimed_until = NULL,
       open_tokens = (SELECT coalesce(sum(tokens), 0) FROM conversation_turn
                       WHERE conversation = $1 AND number > $5)
 WHERE id = $1 AND fence = $2 RETURNING id
"""
_RELEASE = "UPDATE conversation SET claimed_until = NULL WHERE id = $1 AND fence = $2"
_COUNT_LONG = "SELECT count(*) FROM conversation WHERE open_tokens > $1"
_LONG = "SELECT id FROM conversation WHERE open_tokens > $1 ORDER BY open_tokens DESC LIMIT $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSummarise:
    """The right to summarise a conversation, and what there is to summarise."""

    conversation: str
    fence: int
    language: str
    summary: str
    """So far; the new one replaces it."""
    turns: tuple[Turn, ...]


class Conversations:
    """The one place where conversations are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def past(self, conversation: str, *, turns: int) -> Past:
        """What was said: the summary and the last ``turns`` turns after it."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_PAST, conversation, turns)
        return past_of(row)

    async def add(self, turn: NewTurn) -> int:
        """Add a turn, once for each event; returns the tokens of the turns not yet summarised."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(ADD, *remember_values(turn)))

    async def claim(self, conversation: str, *, keep: int, lease_s: float) -> ToSummarise | None:
        """The right to summarise all but the last ``keep`` turns; None: another has it, or nothing to do."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_CLAIM, conversation, lease_s)
            if row is None:
                return None
            rows = await connection.fetch(_TURNS, conversation, row["summarised_to"])
            turns = to_summarise([Turn(**dict(each)) for each in rows], keep=keep)
            if not turns:
                await connection.execute(_RELEASE, conversation, row["fence"])
                return None
            return ToSummarise(
                conversation=conversation,
                fence=row["fence"],
                language=row["language"],
                summary=row["summary"],
                turns=turns,
            )

    async def summarised(self, claim: ToSummarise, summary: str, *, tokens: int) -> bool:
        """Put the summary in place of its turns; False: another took over, or it was forgotten meanwhile."""
        async with self._database.connection() as connection:
            done = await connection.fetchval(
                _SUMMARISED, claim.conversation, claim.fence, summary, tokens, claim.turns[-1].number
            )
        return done is not None

    async def release(self, claim: ToSummarise) -> None:
        """Let another try; nothing changed."""
        async with self._database.connection() as connection:
            await connection.execute(_RELEASE, claim.conversation, claim.fence)

    async def count_long(self, *, over_tokens: int) -> int:
        """How many conversations have more unsummarised tokens than that."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_COUNT_LONG, over_tokens))

    async def long(self, *, over_tokens: int, limit: int) -> list[str]:
        """The conversations with more unsummarised tokens than that, the longest first."""
        async with self._database.connection() as connection:
            return [row["id"] for row in await connection.fetch(_LONG, over_tokens, limit)]
