"""SQL that lets others have an answer, inside the statement that stores it."""


def shared(*, event: int, text: int, model: int, ttl: int, source: str) -> str:
    """The CTE that shares the answer if ``source`` has a row and it is this event that asks for the others.

    By the numbers of the parameters; a TTL (in seconds) that is NULL: the answer is nobody else's.
    """
    return f"""
shared AS (
    UPDATE cached_answer SET state = 'ready', text = ${text}, model = ${model}, asking_until = NULL,
           expires_at = clock_timestamp() + make_interval(secs => ${ttl}::float8)
      FROM {source} WHERE event_id = ${event} AND state = 'asking' AND ${ttl}::float8 IS NOT NULL
)"""  # noqa: S608 - constants
