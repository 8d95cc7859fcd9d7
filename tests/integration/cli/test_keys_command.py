"""`posta keys` on a real PostgreSQL: a key's life from its making to its end."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from posta.auth import ApiKeys
from posta.postgres.api_keys import AmbiguousKey, KeyTable, NoSuchKey
from posta.postgres.keyring import KeyRing
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings
from posta_cli.__main__ import app
from posta_cli.errors import CommandError

pytestmark = pytest.mark.integration


@pytest.fixture
def posta(database_url, monkeypatch, tmp_path):
    """Run the command against a database with its tables."""
    asyncio.run(migrate(database_url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTA_DATABASE__URL", database_url)
    monkeypatch.setenv("POSTA_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")

    def run(*arguments):
        done = CliRunner().invoke(app, ["keys", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_a_key_is_made_listed_rotated_and_revoked(posta, database_url):
    made = posta("create", "backup", "--scope", "events:publish", "--source", "/db/*",
                 "--destination", "ops", "--expires", "90d")  # fmt: skip
    secret = made.split()[0]
    assert secret.startswith("posta_")
    (listed,) = json.loads(posta("list", "--json"))
    assert (listed["name"], listed["state"], listed["sources"]) == ("backup", "valid", ["/db/*"])
    assert secret not in json.dumps(listed)

    second = posta("rotate", "backup", "--overlap", "1h").split()[0]
    known = asyncio.run(known_to_a_service(database_url, secret, second))
    assert [who and who.name for who in known] == ["backup", "backup"]
    assert known[1].sources == ("/db/*",)
    assert known[1].destinations == ("ops",)

    with pytest.raises(CommandError, match="2 valid keys are named 'backup'"):
        posta("revoke", "backup")
    posta("revoke", listed["id"])
    posta("rotate", "backup", "--overlap", "0s")
    assert asyncio.run(known_to_a_service(database_url, secret, second)) == [None, None]
    states = sorted(row["state"] for row in json.loads(posta("list", "--all", "--json")))
    assert states == ["expired", "revoked", "valid"]
    assert len(posta("list").splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("create", "no blanks"), ("create", "x", "--scope", "all"), ("create", "x", "--expires", "soon"),
     ("create", "x", "--source", "a*b"), ("revoke", "nobody")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_remedy(posta, arguments):
    with pytest.raises(CommandError, match="→"):
        posta(*arguments)


async def test_the_hash_alone_is_in_the_database_and_its_use_is_noted(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=SecretStr(database_url)), application="test")
    try:
        table = KeyTable(database)
        made = await table.create("bot", scopes={"events:publish"})
        async with database.connection() as connection:
            row = await connection.fetchrow("SELECT api_key::text AS everything FROM api_key")
        assert made.secret not in row["everything"]
        assert made.secret not in repr(made)
        ring = KeyRing(ApiKeys.parse(""), table)
        await ring.refresh()
        assert ring.authenticate(made.secret)
        await ring.refresh()
        (listed,) = await table.rows()
        assert datetime.now(UTC) - listed.last_used_at < timedelta(minutes=5)
        with pytest.raises(NoSuchKey):
            await table.revoke("nobody")
        await table.create("bot", scopes={"events:publish"})
        with pytest.raises(AmbiguousKey, match=made.id):
            await table.rotate("bot", overlap=timedelta(0))
    finally:
        await database.close()


async def known_to_a_service(database_url, *secrets):
    database = Database(DatabaseSettings(url=SecretStr(database_url)), application="test")
    try:
        ring = KeyRing(ApiKeys.parse(""), KeyTable(database))
        await ring.refresh()
        return [ring.authenticate(secret) for secret in secrets]
    finally:
        await database.close()
