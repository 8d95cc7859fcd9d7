"""Wiring of the email poller: the only place where its objects meet."""

import asyncio
import random
from datetime import UTC, date, datetime

from email_poller.decision import TakingPolicy
from email_poller.imap import ImapMailbox
from email_poller.mailbox import Mailbox
from email_poller.mailbox_store import MailboxStore
from email_poller.outbox import Outbox
from email_poller.poller import Poller, PollPolicy
from email_poller.settings import EmailPollerSettings, MailSettings
from email_poller.taking import Taker, TakingLimits
from posta.errors import Unavailable
from posta.http.app import create_app
from posta.http.health import Health
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.postgres.pool import Database
from posta.tasks import end
from posta.telemetry.logs import get_logger
from posta.version import service_version

log = get_logger(__name__)
NAME = "email-poller"
_DRAIN_SHARE = 0.5
"""Of the grace period, for the mail under way; the rest is for disconnecting."""
_PROBE_S = 2.0


async def serve(settings: EmailPollerSettings, stop: asyncio.Event) -> None:
    """Poll until ``stop`` is set. Raises ``ConfigurationError`` before anything connects."""
    async with (
        ImapMailbox(settings.mail) as mailbox,
        Database(settings.database, application=NAME) as database,
        Producer(settings.kafka, client_id=NAME) as producer,
    ):
        poller = _poller(settings, mailbox, database, producer)
        health = Health()
        health.live("poller", poller.live_fault)
        health.ready("mailbox", poller.ready_fault)
        health.ready("postgres", lambda: _database_fault(database))
        health.ready("kafka", lambda: _kafka_fault(producer))
        app = create_app(title=NAME, version=service_version(), health=health)
        async with serving(app, settings.http):
            log.info("started", mailbox=settings.mail.mailbox, interval_s=settings.mail.poll_interval_s)
            await _run(poller, stop, drain_s=settings.shutdown.grace_s * _DRAIN_SHARE)


async def _run(poller: Poller, stop: asyncio.Event, *, drain_s: float) -> None:
    """Run until ``stop``; then the mail under way has ``drain_s``, and what it leaves is found again."""
    polling = asyncio.create_task(poller.run(stop), name="poll")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({polling}, timeout=drain_s)
        if polling.done():
            polling.result()
        else:
            log.warning("poll_cut_short", drain_s=drain_s)
    finally:
        await end(polling, stopping)


def _poller(
    settings: EmailPollerSettings, mailbox: Mailbox, database: Database, producer: Producer
) -> Poller:
    mail = settings.mail
    store = MailboxStore(database, account=mail.address, mailbox=mail.mailbox)
    return Poller(
        mailbox=mailbox,
        store=store,
        taker=Taker(
            mailbox=mailbox,
            store=store,
            limits=TakingLimits(max_bytes=mail.max_bytes, rescan_days=mail.rescan_days),
            policy=TakingPolicy(
                own_addresses=mail.own_addresses,
                answers_per_sender_per_hour=mail.answers_per_sender_per_hour,
            ),
            today=_today,
        ),
        outbox=Outbox(store, producer, timeout_s=settings.kafka.request_timeout_s),
        policy=poll_policy(mail),
        jitter=random.random,
    )


def poll_policy(mail: MailSettings) -> PollPolicy:
    """The loop's policy from the settings."""
    return PollPolicy(
        interval_s=mail.poll_interval_s,
        batch=mail.batch,
        mark_seen=mail.mark_seen,
        # One call may last six silences of the server, and a poll makes progress with each call.
        stalled_after_s=60 + 8 * mail.imap_timeout_s,
    )


def _today() -> date:
    return datetime.now(UTC).date()


async def _database_fault(database: Database) -> str | None:
    try:
        await database.ping()
    except Unavailable as exc:
        return str(exc)
    return None


async def _kafka_fault(producer: Producer) -> str | None:
    return None if await producer.ready(timeout_s=_PROBE_S) else "Kafka does not answer"
