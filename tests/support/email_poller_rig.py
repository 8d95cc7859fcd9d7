"""A mailbox on a real server, and the email poller as a process among real Kafka and PostgreSQL."""

import imaplib
import json
import re
import secrets
import smtplib
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from support.engine_rig import Rig
from support.processes import ServiceProcess, service

from posta.domain.envelope import Event, decode
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta.topics import EMAIL_RECEIVED

PASSWORD = "very secret mail password"


class Account:
    """A fresh account on the session's mail server, and another client that looks into it."""

    def __init__(self, mail: Any) -> None:
        self.address = f"posta-{secrets.token_hex(4)}@example.test"
        self.smtp_port: int = mail.smtp_port
        self.imap_port: int = mail.imap_port
        body = json.dumps({"email": self.address, "login": self.address, "password": PASSWORD}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{mail.api_port}/api/user",
            data=body,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
            pass

    @contextmanager
    def client(self) -> Iterator[imaplib.IMAP4]:
        """A logged-in connection."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=10) as client:
            client.login(self.address, PASSWORD)
            yield client

    def append(self, raw: bytes, *, seen: bool = False, mailbox: str = "INBOX") -> int:
        """Put a mail into the mailbox as it is; returns its UID."""
        with self.client() as client:
            flags = r"(\Seen)" if seen else ""
            status, answer = client.append(mailbox, flags, imaplib.Time2Internaldate(time.time()), raw)
            assert status == "OK", answer
            named = re.search(rb"APPENDUID \d+ (\d+)", answer[0])
            assert named is not None, answer
            return int(named[1])

    def send(self, raw: bytes, *, sender: str = "ana@example.test") -> None:
        """Deliver a mail by SMTP, as a customer's provider does."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as smtp:
            smtp.sendmail(sender, [self.address], raw)

    def unseen(self, mailbox: str = "INBOX") -> list[int]:
        with self.client() as client:
            client.select(mailbox, readonly=True)
            return [int(uid) for uid in client.uid("SEARCH", "UNSEEN")[1][0].split()]


@dataclass
class World:
    """What surrounds the poller under test."""

    account: Account
    kafka: Rig
    database_url: str
    env: dict[str, str]
    log: Path

    @contextmanager
    def poller(self, **env: str) -> Iterator[ServiceProcess]:
        """A poller, ready, for the block."""
        with service("email_poller", {**self.env, **env}, self.log) as process:
            yield process

    def unready(self, **env: str) -> ServiceProcess:
        """A poller that has only been started; the caller closes it."""
        return ServiceProcess("email_poller", {**self.env, **env}, self.log).start()

    async def records(self, count: int, *, timeout_s: float = 30) -> list["ConsumerRecord[bytes, bytes]"]:
        """At least ``count`` records of the topic; fails when there are fewer in time."""
        records = await self.kafka.read(EMAIL_RECEIVED.name, count=count, timeout_s=timeout_s)
        assert len(records) >= count, f"{len(records)} of {count} events; the poller said:\n{self.tail()}"
        return records

    async def events(self, count: int, *, timeout_s: float = 30) -> list[Event[Any]]:
        """The same, decoded."""
        records = await self.records(count, timeout_s=timeout_s)
        return [decode(key=r.key, value=r.value, headers=r.headers) for r in records]

    async def sql(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def states(self) -> list[tuple[str, str | None]]:
        """(state, why) of every mail taken, in the order of UIDVALIDITY and UID."""
        rows = await self.sql("SELECT state, why FROM mail_taken ORDER BY uidvalidity, uid")
        return [(row["state"], row["why"]) for row in rows]

    def until(self, holds: Callable[[], bool], *, within_s: float = 20) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"did not come true; the poller said:\n{self.tail()}"
            time.sleep(0.05)

    def said(self, event: str) -> int:
        """How many log lines say ``event``."""
        return self.log.read_text(errors="replace").count(f'"event": "{event}"') if self.log.exists() else 0

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])


def mail_environment(account: Account, *, imap_port: int | None = None) -> Mapping[str, str]:
    """The variables by which a poller finds the account."""
    return {
        "POSTA_MAIL__ADDRESS": account.address,
        "POSTA_MAIL__USERNAME": account.address,
        "POSTA_MAIL__PASSWORD": PASSWORD,
        "POSTA_MAIL__IMAP_HOST": "127.0.0.1",
        "POSTA_MAIL__IMAP_PORT": str(imap_port or account.imap_port),
        "POSTA_MAIL__IMAP_SECURITY": "plain",
        "POSTA_MAIL__IMAP_TIMEOUT_S": "2",
        "POSTA_MAIL__POLL_INTERVAL_S": "0.2",
    }


@asynccontextmanager
async def world(
    mail: Any, bootstrap_servers: str, topic_prefix: str, database_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    """Topics, tables and an account made; the poller not yet started."""
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix, partitions=2)
    await apply(settings, (EMAIL_RECEIVED,))
    await migrate(database_url)
    account = Account(mail)
    env = {
        **mail_environment(account),
        "POSTA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
        "POSTA_KAFKA__REQUEST_TIMEOUT_S": "5",
        "POSTA_DATABASE__URL": database_url,
        "POSTA_MAIL__ANSWERS_PER_SENDER_PER_HOUR": "1000",
    }
    async with Producer(settings, client_id="rig") as producer:
        yield World(
            account=account,
            kafka=Rig(settings=settings, producer=producer),
            database_url=database_url,
            env=env,
            log=tmp_path / "email_poller.log",
        )
