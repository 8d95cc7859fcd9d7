"""The mail server's boxes, read over IMAP without a trace, and written to over SMTP."""

import asyncio
import contextlib
import imaplib
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from posta_sandbox.mail.letter import view

TIMEOUT_S = 5.0
MESSAGES_SHOWN = 500
"""Only the newest messages of a box are read."""


class MailUnavailable(Exception):
    """The mail server cannot be reached, or does not let us in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A mailbox's address and password."""

    address: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The mail server itself, past the fault-injecting proxies."""

    host: str
    smtp_port: int
    imap_port: int

    async def deliver(self, sender: str, recipient: str, raw: bytes) -> None:
        """Hand a message in. Raises MailUnavailable."""
        await asyncio.to_thread(self._deliver, sender, recipient, raw)

    async def messages(self, account: Account) -> list[dict[str, Any]]:
        """Return a box's newest messages, oldest first. Raises MailUnavailable."""
        return await asyncio.to_thread(self._messages, account)

    def _deliver(self, sender: str, recipient: str, raw: bytes) -> None:
        try:
            with smtplib.SMTP(self.host, self.smtp_port, timeout=TIMEOUT_S) as smtp:
                smtp.sendmail(sender, [recipient], raw)
        except (OSError, smtplib.SMTPException) as exc:
            raise MailUnavailable(f"the mail server did not take the message: {exc}") from exc

    def _messages(self, account: Account) -> list[dict[str, Any]]:
        try:
            with self._session(account) as imap:
                return _read(imap)
        except (OSError, imaplib.IMAP4.error) as exc:
            raise MailUnavailable(f"the mailbox could not be read: {exc}") from exc

    @contextlib.contextmanager
    def _session(self, account: Account) -> Iterator[imaplib.IMAP4]:
        imap = imaplib.IMAP4(self.host, self.imap_port, timeout=TIMEOUT_S)
        try:
            imap.login(account.address, account.password)
            yield imap
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                imap.logout()


def _read(imap: imaplib.IMAP4) -> list[dict[str, Any]]:
    imap.select("INBOX", readonly=True)
    _, found = imap.uid("SEARCH", "ALL")
    uids = (found[0] or b"").split()[-MESSAGES_SHOWN:]
    return [_fetch(imap, uid.decode()) for uid in uids]


def _fetch(imap: imaplib.IMAP4, uid: str) -> dict[str, Any]:
    _, data = imap.uid("FETCH", uid, "(FLAGS BODY.PEEK[])")
    raw = next((part[1] for part in data if isinstance(part, tuple)), b"")
    flags = b" ".join(p if isinstance(p, bytes) else p[0] for p in data if p)
    return view(uid, raw) | {"seen": b"\\Seen" in flags}
