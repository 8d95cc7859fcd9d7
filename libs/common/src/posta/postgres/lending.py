"""Lends a pool's connections, and keeps them at hand in between where that is allowed.

    lent ──▶ given back ─┬─ sound, nobody waits ──▶ at hand ─┬─ wanted within idle_s ──▶ lent, at once
                         └─ else ─▶ the pool                 ├─ wanted later ──────────▶ cut
                                                             └─ another is given back later ─▶ the pool

asyncpg's pool starts a task to lend a connection and another one to take it back; with statements of half
a millisecond that is a fifth of what they cost. The pool still opens, mends, limits and closes them.
"""

import asyncio
from collections import deque

import asyncpg
from asyncpg.pool import PoolConnectionProxy

_IDLE_S = 60.0
"""Whoever was idle for longer is not lent again: what lies in between may have forgotten it."""
_ROUNDS = 1_000
"""After so many returns one goes through the pool, which replaces connections that did a lot."""


class Lending:
    """See the module; ``keeps``: connections may be at hand, for nothing is left behind in a session."""

    def __init__(self, pool: asyncpg.Pool, *, keeps: bool, idle_s: float = _IDLE_S) -> None:
        self._pool = pool
        self._keeps = keeps
        self._idle_s = idle_s
        self._at_hand: deque[tuple[PoolConnectionProxy, float]] = deque()
        """With the loop's time at which it was given back; the last one is at the right."""
        self._waiting = 0
        self._returned = 0

    async def lend(self, *, timeout_s: float) -> PoolConnectionProxy:
        """A connection. Raises what the pool raises, ``TimeoutError`` when none was free in time."""
        now = asyncio.get_running_loop().time()
        while self._at_hand:
            connection, since = self._at_hand.pop()
            if _is_open(connection):
                if now - since <= self._idle_s:
                    return connection
                connection.terminate()
            await self._pool.release(connection)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=timeout_s)
        finally:
            self._waiting -= 1

    async def take_back(self, connection: PoolConnectionProxy, *, is_sound: bool) -> None:
        """End a lending; ``is_sound`` says that nothing went wrong while it was lent."""
        self._returned += 1
        if not is_sound or not self._may_keep(connection):
            await self._pool.release(connection)
            return
        now = asyncio.get_running_loop().time()
        self._at_hand.append((connection, now))
        if now - self._at_hand[0][1] > self._idle_s:
            await self._pool.release(self._at_hand.popleft()[0])

    async def close(self) -> None:
        """Close all connections. Waits for those that are lent; nothing is at hand from now on."""
        self._keeps = False
        while self._at_hand:
            await self._pool.release(self._at_hand.pop()[0])
        await self._pool.close()

    def terminate(self) -> None:
        """Cut all connections, also those that are lent."""
        self._pool.terminate()

    def _may_keep(self, connection: PoolConnectionProxy) -> bool:
        if not self._keeps or self._waiting or self._returned % _ROUNDS == 0:
            return False
        return _is_open(connection) and not connection.is_in_transaction()


def _is_open(connection: PoolConnectionProxy) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was lost, and asyncpg has taken it back by itself
        return False
