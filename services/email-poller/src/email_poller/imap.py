"""The mailbox on a real IMAP server: imap-tools in a thread of its own, each wait bounded.

imap-tools and imaplib block, so all calls run in one thread and never two at once. A thread cannot
be cancelled: the socket's timeout ends each silence, and a call that takes too long in all has its
socket shut down under it, after which the next call connects anew.
"""

import asyncio
import contextlib
import imaplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import TracebackType
from typing import Any, Self, TypeVar

from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from opentelemetry.trace import SpanKind

from email_poller.imap_response import Refusal, literal_of, refusal, sizes_in, uid_set
from email_poller.mailbox import DEPENDENCY, Criteria, MessageRefused, Refused, Selected
from email_poller.settings import MailSettings
from posta.errors import ConfigurationError, Unavailable
from posta.telemetry import names, tracing
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CHUNK = 200
_LEAVE_S = 1.0
_WHOLE_CALL = 6
"""A call may take this many times the socket's timeout in all, as for a large mail on a slow line."""


class ImapMailbox:
    """One mailbox of one account; connects when first used, and again after any failure."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._tls = _tls_context(settings)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        self._box: BaseMailBox | None = None
        self._under_way: asyncio.Future[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye if the connection is idle; otherwise cut it, because its thread cannot be stopped."""
        box, self._box = self._box, None
        idle = self._under_way is None or self._under_way.done()
        if box is not None:
            if not (idle and kind is None):
                _cut(box)
            leaving = self._thread.submit(_leave, box, polite=idle and kind is None)
            await asyncio.wait([asyncio.wrap_future(leaving)], timeout=_LEAVE_S)
            _cut(box)
        # A thread that still hangs, in a connection attempt, ends with the socket's timeout.
        self._thread.shutdown(wait=False)

    async def select(self) -> Selected:
        """See ``Mailbox``."""
        return await self._call("select", self._select)

    async def search(self, criteria: Criteria) -> list[int]:
        """See ``Mailbox``."""
        return await self._call("search", lambda: _search(self._opened(), criteria))

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """See ``Mailbox``."""
        return await self._call("fetch_sizes", lambda: _sizes(self._opened(), uids))

    async def fetch(self, uid: int) -> bytes | None:
        """See ``Mailbox``."""
        return await self._call("fetch", lambda: _fetch(self._opened(), uid))

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """See ``Mailbox``."""
        await self._call("store", lambda: _mark_seen(self._opened(), uids))

    async def _call(self, command: str, work: Callable[[], T]) -> T:
        """Run ``work`` in the thread, count it and map what it raises; a failure closes the connection."""
        started = time.monotonic()
        outcome = "error"
        attributes: dict[str, str | int] = {
            "server.address": self._settings.imap_host,
            "server.port": self._settings.imap_port,
        }
        try:
            with tracing.child_span(f"imap {command}", kind=SpanKind.CLIENT, attributes=attributes):
                result = await self._in_thread(work)
            outcome = "ok"
        except MessageRefused:
            outcome = "refused"
            raise
        except Refused:
            outcome = "refused"
            self._drop()
            raise
        except BaseException:  # cancelled too: what the server sends later belongs to no one
            self._drop()
            raise
        else:
            return result
        finally:
            names.UPSTREAM_REQUESTS.labels(DEPENDENCY, outcome).inc()
            names.UPSTREAM_SECONDS.labels(DEPENDENCY).observe(time.monotonic() - started)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._blocking, work)
        self._under_way = future
        future.add_done_callback(_retrieved)
        limit_s = self._settings.imap_timeout_s * _WHOLE_CALL
        done, _ = await asyncio.wait([future], timeout=limit_s)
        if not done:
            raise Unavailable(DEPENDENCY, f"a call took longer than {limit_s:g} s")
        return future.result()

    def _blocking(self, work: Callable[[], T]) -> T:
        """In the thread: do the work, and let no foreign exception out."""
        try:
            return work()
        except imaplib.IMAP4.abort as exc:
            raise Unavailable(DEPENDENCY, self._told(exc)) from exc
        except UnexpectedCommandStatusError as exc:
            raise self._refused(exc, otherwise=Refusal.STOP) from exc
        except imaplib.IMAP4.error as exc:  # also readonly, and BAD
            raise self._refused(exc, otherwise=Refusal.WAIT) from exc
        except ssl.SSLCertVerificationError as exc:
            raise Refused(f"its certificate is not trusted: {exc.verify_message}") from exc
        except (OSError, EOFError, ImapToolsError) as exc:
            raise Unavailable(DEPENDENCY, self._told(exc)) from exc
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            # imaplib on an answer it cannot read.
            raise Unavailable(DEPENDENCY, f"unreadable answer ({self._told(exc)})") from exc

    def _refused(self, error: Exception, *, otherwise: Refusal) -> Unavailable:
        told = self._told(error)
        if refusal(told, otherwise=otherwise) is Refusal.STOP:
            return Refused(told)
        return Unavailable(DEPENDENCY, told)

    def _told(self, error: Exception) -> str:
        """The error as text, without the password, whatever the server may have echoed."""
        text = f"{type(error).__name__}: {error}"[:300]
        secret = self._settings.password.get_secret_value()
        return text.replace(secret, "[redacted]") if secret else text

    def _connected(self) -> BaseMailBox:
        """A connection that is logged in."""
        given, timeout_s = self._settings, self._settings.imap_timeout_s
        box: BaseMailBox
        if given.imap_security == "ssl":
            box = MailBox(given.imap_host, given.imap_port, timeout=timeout_s, ssl_context=self._tls)
        elif given.imap_security == "starttls":
            box = _StartTls(given.imap_host, given.imap_port, timeout=timeout_s, ssl_context=self._tls)
        else:
            box = MailBoxUnencrypted(given.imap_host, given.imap_port, timeout=timeout_s)
        password = given.password.get_secret_value()
        try:
            if (given.username + password).isascii():
                box.login(given.username, password, initial_folder=None)
            else:
                box.login_utf8(given.username, password, initial_folder=None)
        except BaseException:
            _leave(box, polite=False)
            raise
        log.info("imap_connected", host=given.imap_host, mailbox=given.mailbox)
        return box

    def _select(self) -> Selected:
        box = self._box
        if box is not None:
            try:
                return _selected(box, self._settings.mailbox)
            except (imaplib.IMAP4.abort, OSError):
                # Servers end connections that were idle for a while; that is no failure yet.
                _leave(box, polite=False)
        self._box = box = self._connected()
        return _selected(box, self._settings.mailbox)

    def _opened(self) -> BaseMailBox:
        """The connection that ``select`` opened: a new one might show another UIDVALIDITY."""
        if self._box is None:
            raise Unavailable(DEPENDENCY, "the connection is gone; select comes first")
        return self._box

    def _drop(self) -> None:
        """End the connection from outside the thread; the thread lets go of it when it is free."""
        box, self._box = self._box, None
        if box is not None:
            _cut(box)
            self._thread.submit(_leave, box, polite=False)


def _selected(box: BaseMailBox, mailbox: str) -> Selected:
    try:
        box.folder.set(mailbox)
    except imaplib.IMAP4.readonly:
        box.folder.set(mailbox, readonly=True)
    uidvalidity, uidnext = (_number(box.client.response(name)) for name in ("UIDVALIDITY", "UIDNEXT"))
    if uidvalidity is None:
        raise Unavailable(DEPENDENCY, "the server gives the mailbox no UIDVALIDITY")
    if uidnext is None:
        uidnext = max(_search(box, Criteria(above_uid=0)), default=0) + 1
    return Selected(uidvalidity=uidvalidity, uidnext=uidnext)


def _number(response: tuple[str, list[Any]]) -> int | None:
    found = response[1]
    return int(found[-1]) if found and found[-1] is not None else None


def _search(box: BaseMailBox, criteria: Criteria) -> list[int]:
    words = [f"UID {criteria.above_uid + 1}:*"]
    if criteria.unseen:
        words.append("UNSEEN")
    if criteria.since is not None:
        words.append(f"SINCE {_imap_date(criteria.since)}")
    found = box.uids(" ".join(words), charset=None)
    # ``n:*`` with n above the highest UID means the highest one (RFC 3501 §6.4.8).
    return sorted({uid for uid in map(int, found) if uid > criteria.above_uid})


def _imap_date(day: date) -> str:
    """RFC 3501 date, with English months whatever the process's locale."""
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"


def _sizes(box: BaseMailBox, uids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for at in range(0, len(uids), _CHUNK):
        status, data = box.client.uid("FETCH", uid_set(uids[at : at + _CHUNK]), "(UID RFC822.SIZE)")
        if status != "OK":
            raise imaplib.IMAP4.error(f"FETCH RFC822.SIZE: {data!r:.200}")
        found |= sizes_in(data)
    return found


def _fetch(box: BaseMailBox, uid: int) -> bytes | None:
    status, data = box.client.uid("FETCH", str(uid), "(UID BODY.PEEK[])")
    if status != "OK" and refusal(repr(data), otherwise=Refusal.STOP) is Refusal.STOP:
        raise MessageRefused(f"the server does not hand over UID {uid}: {data!r:.200}")
    if status != "OK":
        raise imaplib.IMAP4.error(f"FETCH: {data!r:.200}")
    return literal_of(data, uid)


def _mark_seen(box: BaseMailBox, uids: Sequence[int]) -> None:
    # Not imap-tools' flag(): it expunges what other clients have marked as deleted.
    status, data = box.client.uid("STORE", uid_set(uids), "+FLAGS.SILENT", r"(\Seen)")
    if status != "OK":
        raise MessageRefused(f"the server does not set \\Seen: {data!r:.200}")


def _leave(box: BaseMailBox, *, polite: bool) -> None:
    """In the thread: close the connection, ``polite`` with a LOGOUT before."""
    with contextlib.suppress(imaplib.IMAP4.error, ImapToolsError, OSError):
        if polite:
            box.logout()
    with contextlib.suppress(OSError):
        box.client.shutdown()


def _cut(box: BaseMailBox) -> None:
    """Shut the socket down at once; a thread that waits on it gets an error.

    Not closed here: closing takes a lock of the file object that the waiting thread holds.
    """
    with contextlib.suppress(OSError):
        box.client.socket().shutdown(socket.SHUT_RDWR)


class _StartTls(MailBoxStartTls):
    """imap-tools' own leaves the socket open when the server offers no TLS."""

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4(self._host, self._port, self._timeout)
        try:
            client.starttls(self._ssl_context)
        except BaseException:
            client.shutdown()
            raise
        return client


def _retrieved(future: "asyncio.Future[Any]") -> None:
    """Look at the error of a call whose caller has gone, or asyncio would report it as lost."""
    if not future.cancelled():
        future.exception()


def _tls_context(settings: MailSettings) -> ssl.SSLContext | None:
    """A context that checks the server's name; imaplib's own default checks nothing."""
    if settings.imap_security == "plain":
        return None
    try:
        context = ssl.create_default_context()
        if settings.imap_ca_file is not None:
            context.load_verify_locations(settings.imap_ca_file)
    except OSError as exc:
        raise ConfigurationError(
            f"POSTA_MAIL__IMAP_CA_FILE: cannot read certificates from {settings.imap_ca_file}: {exc.strerror}"
        ) from None
    return context
