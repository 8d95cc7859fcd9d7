"""Hands a mail to the SMTP server, and tells each way that ends from the others."""

import asyncio
import ssl
import time

import aiosmtplib
from opentelemetry.trace import SpanKind

from notifier.mail.letter import Letter
from notifier.mail.smtp_verdict import AddressGone, AgainLater, MailRefused, NotLetIn, judge_reply
from notifier.refusals import ContentRefused, OutcomeUnknown, TargetGone
from notifier.settings import MailSettings
from posta.errors import Failure, Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import span

log = get_logger(__name__)
UPSTREAM = "smtp"
NOT_LET_IN_RETRY_S = 600.0
"""Wait after a refused login: the queue must not burn while an operator corrects the account."""
_QUIT_S = 2.0


class Smtp:
    """One account's way out; at most ``smtp_connections`` mails at once."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.smtp_connections)

    async def send(self, letter: Letter) -> None:
        """Return when the server has taken responsibility for ``letter``.

        Raises ``Transient``, ``OutcomeUnknown`` (it may have taken it), ``TargetGone`` or ``ContentRefused``.
        """
        started = time.monotonic()
        outcome = "failed"
        attributes: dict[str, str | int] = {
            "server.address": self._settings.smtp_host,
            "server.port": self._settings.smtp_port,
        }
        async with self._slots:
            with span("send mail", kind=SpanKind.CLIENT, attributes=attributes):
                try:
                    await self._deliver(letter)
                    outcome = "ok"
                except Failure as exc:
                    outcome = type(exc).__name__.lower()
                    raise
                finally:
                    names.UPSTREAM_REQUESTS.labels(UPSTREAM, outcome).inc()
                    names.UPSTREAM_SECONDS.labels(UPSTREAM).observe(time.monotonic() - started)

    async def _deliver(self, letter: Letter) -> None:
        client = self._client(letter)
        try:
            await self._connect(client)
            await self._transfer(client, letter)
            await _say_goodbye(client)
        finally:
            client.close()

    def _client(self, letter: Letter) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.username or None,
            password=settings.password.get_secret_value() if settings.username else None,
            use_tls=settings.smtp_security == "ssl",
            start_tls=settings.smtp_security == "starttls",
            # Not the library's default, which asks DNS and blocks the loop.
            local_hostname=letter.sender.rpartition("@")[2],
            timeout=settings.smtp_connect_timeout_s,
        )

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            async with asyncio.timeout(self._settings.smtp_connect_timeout_s):
                await client.connect()
        except aiosmtplib.SMTPResponseException as exc:
            # Not chained: some servers repeat the login line, and with it the password.
            raise _shut_out(exc.code) from None
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as exc:
            # TimeoutError is an OSError. Nothing of the mail has left yet.
            raise Transient(f"the mail server cannot be reached: {type(exc).__name__}") from exc

    async def _transfer(self, client: aiosmtplib.SMTP, letter: Letter) -> None:
        try:
            errors, _ = await client.sendmail(
                letter.sender,
                [letter.recipient],
                letter.data,
                timeout=self._settings.smtp_timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as exc:
            raise _refusal(exc.recipients[0]) from exc
        except aiosmtplib.SMTPResponseException as exc:
            raise _refusal(exc) from exc
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as exc:
            raise OutcomeUnknown(f"the mail server's answer is missing: {type(exc).__name__}") from exc
        for reply in errors.values():
            raise _failure(reply.code, reply.message)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """QUIT. The mail is delivered, whatever becomes of this."""
    try:
        await client.quit(timeout=_QUIT_S)
    except (aiosmtplib.SMTPException, OSError) as exc:
        log.debug("smtp_quit_unanswered", error=type(exc).__name__)


def _shut_out(code: int) -> Failure:
    """A refusal before any mail was named: it can be no mail's fault, whatever the code."""
    reason = f"the mail server answered {code} to our greeting or login"
    if code < 500:  # noqa: PLR2004 - 5xx is permanent
        return Transient(reason)
    log.error("smtp_login_refused", code=code, hint="check POSTA_MAIL__USERNAME and POSTA_MAIL__PASSWORD")
    return Transient(reason, retry_after_s=NOT_LET_IN_RETRY_S)


def _refusal(error: aiosmtplib.SMTPResponseException) -> Failure:
    return _failure(error.code, error.message)


def _failure(code: int, text: str) -> Failure:
    match judge_reply(code, text):
        case NotLetIn():
            return _shut_out(code)
        case AgainLater(reason):
            return Transient(reason)
        case AddressGone(reason):
            return TargetGone(reason)
        case MailRefused(reason):
            return ContentRefused(reason)
