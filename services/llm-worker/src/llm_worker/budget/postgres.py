"""Books in PostgreSQL: the table ``llm_book``, a row per bucket, locked for the length of a visit."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

from llm_worker.budget.attend import attend
from llm_worker.budget.book import book_of
from llm_worker.budget.books import LastVisit, Visited
from llm_worker.budget.steady import Seen
from llm_worker.budget.visit import Rules, Visit
from posta.errors import Transient
from posta.postgres.pool import Database

_OPEN = "INSERT INTO llm_book (bucket) VALUES ($1) ON CONFLICT DO NOTHING"
_READ = """
SELECT book, extract(epoch FROM clock_timestamp())::float8 AS now
  FROM llm_book WHERE bucket = $1 FOR UPDATE
"""
_WRITE = "UPDATE llm_book SET book = $2, updated_at = clock_timestamp() WHERE bucket = $1"


class PostgresBooks:
    """See ``llm_worker.budget.books.Books``."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._opened: set[str] = set()

    async def visit(self, bucket: str, visit: Visit, rules: Rules, *, last: LastVisit | None) -> Visited:
        """See ``Books``."""
        begun = self._monotonic()
        async with self._database.transaction() as connection:
            if bucket not in self._opened:
                await connection.execute(_OPEN, bucket)
            row = await connection.fetchrow(_READ, bucket)
            if row is None:
                # Somebody emptied the table under us; it is opened anew.
                await connection.execute(_OPEN, bucket)
                row = await connection.fetchrow(_READ, bucket)
            if row is None:
                raise Transient(f"the book of {bucket} was deleted while it was being opened")
            book = book_of(json.loads(row["book"]) if row["book"] else None)
            if last is not None:
                passed_s = self._monotonic() - last.begun
                visit = replace(visit, seen=Seen(at=last.at, passed_s=passed_s))
            answer, view = attend(book, visit, rules, database_now=row["now"])
            await connection.execute(_WRITE, bucket, json.dumps(book.to_json()))
        self._opened.add(bucket)
        return Visited(answer=answer, view=view, last=LastVisit(at=view.at, begun=begun))
