"""No statement on a question's way reads a whole table, also while PostgreSQL knows little of its size."""

import re

import pytest

from llm_worker.answers import postgres as answers
from llm_worker.cache import postgres as cache
from llm_worker.prompts import sources
from llm_worker.spending.sql import SETTLE

pytestmark = pytest.mark.integration
STATEMENTS = {
    "claim": answers._CLAIM,
    "again": answers._AGAIN_RESERVED,
    "renew": answers._RENEW,
    "release": answers._RELEASE_SETTLED,
    "find": answers._ANSWER,
    "settle": SETTLE,
    "look up": sources._LOOK_UP,
    "look in the cache": cache._LOOK,
    **{f"store {variant}": text for variant, text in answers._STORING.items()},
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_finds_its_rows_by_an_index(database, name):
    statement = STATEMENTS[name]
    parameters = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE asked AS {statement}")
        try:
            plan = await connection.fetch(f"EXPLAIN EXECUTE asked({', '.join(['NULL'] * parameters)})")
        finally:
            await connection.execute("DEALLOCATE asked")
    assert [line for (line,) in plan if "Seq Scan" in line] == []
