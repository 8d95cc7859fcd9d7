"""Summarises long conversations in the background: soon after an answer, and in a regular clean-up.

Crash-safe: a claim ends with its lease, and what was not summarised is found again by the next answer
or the next clean-up. One instance cleans up at a time, by an advisory lock of PostgreSQL.
"""

import asyncio
from collections.abc import Awaitable, Callable

from llm_worker.conversation.postgres import Conversations, ToSummarise
from llm_worker.conversation.retention import prune
from llm_worker.conversation.summary import MAX_CHARS, summary_prompt
from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.prompt import Prompt
from llm_worker.text import cap, sanitize
from posta.domain.language import language_of
from posta.errors import Failure
from posta.postgres.pool import Database
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
Summarise = Callable[[str, Prompt], Awaitable[str]]
"""Asks the model, within the shared allowance: a name for the call, the prompt; raises a ``Failure``."""
CountTokens = Callable[[str], int]
_LEASE_S = 300.0
_MOST_WANTED = 1_000
_AT_ONCE = 100
_LOCK = 7_041_011


class Summaries:
    """The background task of one worker."""

    def __init__(
        self,
        conversations: Conversations,
        database: Database,
        summarise: Summarise,
        count_tokens: CountTokens,
        policy: MemoryPolicy,
    ) -> None:
        self._conversations = conversations
        self._database = database
        self._summarise = summarise
        self._count = count_tokens
        self._policy = policy
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()

    def want(self, conversation: str) -> None:
        """Summarise it soon; a full list leaves it to the clean-up."""
        if len(self._wanted) < _MOST_WANTED:
            self._wanted[conversation] = None
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        next_cleanup = loop.time()
        while True:
            if loop.time() >= next_cleanup:
                next_cleanup = loop.time() + self._policy.cleanup_interval_s
                await self._try(self.clean_up())
            while self._wanted:
                conversation = next(iter(self._wanted))
                del self._wanted[conversation]
                await self._try(self.one(conversation))
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, next_cleanup - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def one(self, conversation: str) -> bool:
        """Summarise one conversation; False: another does, nothing is to do, or it was lost on the way."""
        claim = await self._conversations.claim(conversation, keep=self._policy.turns_limit, lease_s=_LEASE_S)
        if claim is None:
            return False
        try:
            async with asyncio.timeout(_LEASE_S * 0.9):
                text = await self._summary(claim)
        except BaseException:
            await asyncio.shield(self._let_go(claim))
            raise
        done = await self._conversations.summarised(claim, text, tokens=self._count(text))
        if not done:
            names.RACE_ERRORS.inc()
            log.warning("summary_lost_to_another", turns=len(claim.turns))
        return done

    async def clean_up(self) -> int:
        """Summarise every conversation that is too long, and delete the old ones; returns how many."""
        async with self._database.connection() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                await self._gauge()
                return 0
            try:
                return await self._clean()
            finally:
                try:
                    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
                except BaseException:
                    connection.terminate()  # the lock ends with its session, not with this loan of it
                    raise

    async def _clean(self) -> int:
        deleted = await prune(self._database, older_than_s=self._policy.retention_s)
        if any(deleted.values()):
            log.info("retention_over", **deleted)
        long = await self._conversations.long(over_tokens=self._policy.cleanup_threshold, limit=_AT_ONCE)
        done = 0
        for conversation in long:
            # One that fails must not keep the others from their turn.
            if await self._try(self.one(conversation)):
                names.TOKEN_CLEANUPS.inc()
                done += 1
        if long:
            log.info("conversations_cleaned_up", found=len(long), summarised=done)
        await self._gauge()
        return done

    async def _gauge(self) -> None:
        too_long = await self._conversations.count_long(over_tokens=self._policy.cleanup_threshold)
        names.HIGH_TOKEN_THREADS.set(too_long)

    async def _summary(self, claim: ToSummarise) -> str:
        prompt = summary_prompt(claim.summary, claim.turns, language_of(claim.language))
        text = await self._summarise(f"summary:{claim.conversation}:{claim.fence}", prompt)
        return cap(sanitize(text), MAX_CHARS)

    async def _let_go(self, claim: ToSummarise) -> None:
        try:
            await self._conversations.release(claim)
        except Failure as exc:
            log.warning("summary_claim_not_released", reason=type(exc).__name__)

    async def _try(self, work: Awaitable[int]) -> int:
        """What ``work`` returns; 0 when it failed, which is logged."""
        try:
            return await work
        except (Failure, TimeoutError) as exc:
            log.warning("conversation_not_summarised", reason=type(exc).__name__)
        except Exception:
            log.exception("conversation_summary_failed")
        return 0
