"""`python -m posta.setup` on a real cluster and a real database, as a container runs it."""

import asyncio
import os
import sys

import pytest

from posta.kafka.topics import plan
from posta.postgres.migrations import declared, status
from posta.settings import KafkaSettings
from posta.topics import all_topics

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(kafka, topic_prefix, database_url):
    return {
        "PATH": os.environ["PATH"],
        "POSTA_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
        "POSTA_KAFKA__PARTITIONS": "1",
        "POSTA_DATABASE__URL": database_url,
    }


async def run_setup(environment, folder):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "posta.setup",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_the_first_run_makes_everything_and_the_second_changes_nothing(
    environment, topic_prefix, database_url, tmp_path
):
    code, lines, err = await run_setup(environment, tmp_path)
    assert (code, err) == (0, "")
    assert {line.split(":")[0] for line in lines} == {
        *(f"topic {topic_prefix}{topic.name}" for topic in all_topics()),
        *(f"migration {migration.name}" for migration in declared()),
    }
    assert await run_setup(environment, tmp_path) == (0, [], "")
    settings = KafkaSettings(
        bootstrap_servers=environment["POSTA_KAFKA__BOOTSTRAP_SERVERS"],
        topic_prefix=topic_prefix,
        partitions=1,
    )
    assert await plan(settings) == []
    assert (await status(database_url)).pending == ()


async def test_two_at_once_do_not_get_in_each_others_way(environment, database_url, tmp_path):
    ends = await asyncio.gather(*(run_setup(environment, tmp_path) for _ in range(2)))
    assert [(code, err) for code, _, err in ends] == [(0, ""), (0, "")]
    applied = [line for _, lines, _ in ends for line in lines if line.startswith("migration")]
    assert sorted(applied) == sorted(f"migration {one.name}: applied" for one in declared())
    assert (await status(database_url)).pending == ()


async def test_a_database_that_is_away_is_named_and_ends_it_with_1(environment, tmp_path):
    away = environment | {"POSTA_DATABASE__URL": "postgresql://posta:hunter2@127.0.0.1:1/posta"}
    code, _, err = await run_setup(away, tmp_path)
    assert code == 1
    assert err.startswith("setup: postgres is unavailable")
    assert "hunter2" not in err
