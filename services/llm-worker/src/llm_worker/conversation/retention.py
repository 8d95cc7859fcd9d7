"""Deletes what was kept long enough: conversations, turns that are in a summary, answers, shared answers.

Of a turn whose text is deleted it stays known whose it was, so that erasing a person finds the summary.
Answers go with it because they quote what was asked; a dead letter that is replayed after that pays anew.
"""

from collections.abc import Mapping

from posta.postgres.pool import Database

_BATCH = 1_000
_DELETES: Mapping[str, str] = {
    "conversations": """
DELETE FROM conversation WHERE id IN (SELECT id FROM conversation
 WHERE updated_at < now() - make_interval(secs => $1) ORDER BY updated_at LIMIT $2) RETURNING 1
""",
    "texts": """
UPDATE conversation_turn SET question = '', answer = '', tokens = 0 WHERE (conversation, number) IN (
 SELECT t.conversation, t.number FROM conversation_turn t JOIN conversation c ON c.id = t.conversation
  WHERE t.number <= c.summarised_to AND t.question <> '' AND t.at < now() - make_interval(secs => $1)
  LIMIT $2) RETURNING 1
""",
    "answers": """
DELETE FROM answer WHERE event_id IN (SELECT event_id FROM answer
 WHERE state = 'answered' AND updated_at < now() - make_interval(secs => $1) LIMIT $2) RETURNING 1
""",
    "shared": """
DELETE FROM cached_answer WHERE key IN (SELECT key FROM cached_answer
 WHERE expires_at < clock_timestamp() OR created_at < now() - make_interval(secs => $1) LIMIT $2) RETURNING 1
""",
}


async def prune(database: Database, *, older_than_s: float) -> dict[str, int]:
    """Delete it, in batches; returns how many of each. Raises ``Unavailable``."""
    deleted = {}
    for what, statement in _DELETES.items():
        deleted[what] = count = 0
        while count % _BATCH == 0:
            async with database.connection() as connection:
                rows = len(await connection.fetch(statement, older_than_s, _BATCH))
            if rows == 0:
                break
            deleted[what] = count = count + rows
    return deleted
