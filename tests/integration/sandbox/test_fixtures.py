"""The shared servers of tests/conftest.py."""

import asyncpg
import httpx
import pytest

pytestmark = pytest.mark.integration


async def test_each_test_gets_an_empty_database_of_its_own(database_url):
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE TABLE mine (id int)")
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    finally:
        await connection.close()
    assert [row["tablename"] for row in tables] == ["mine"]


async def test_the_next_test_does_not_see_what_the_last_one_made(database_url):
    connection = await asyncpg.connect(database_url)
    try:
        count = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname='public'")
    finally:
        await connection.close()
    assert count == 0


async def test_the_mail_server_knows_both_accounts(mail):
    async with httpx.AsyncClient(trust_env=False) as api:
        users = (await api.get(f"http://127.0.0.1:{mail.api_port}/api/user")).json()
    assert {user["login"] for user in users} >= {"posta@example.test", "customer@example.test"}
