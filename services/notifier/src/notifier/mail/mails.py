"""Delivers a reply by mail, in its thread and under a Message-ID that every attempt shares."""

import hashlib

from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Once
from notifier.mail.letter import compose
from notifier.mail.smtp import Smtp
from notifier.refusals import ContentRefused
from posta.domain.envelope import Event
from posta.domain.language import language_of
from posta.domain.payloads import EmailTarget, ReplyReady
from posta.errors import Permanent


class Mails:
    """Sends replies through ``smtp``; None: no mail server is set."""

    def __init__(self, smtp: Smtp | None, once: Once, *, address: str) -> None:
        self._smtp = smtp
        self._once = once
        self._address = address

    async def deliver(self, event: Event[ReplyReady], target: EmailTarget) -> None:
        """Send the reply. Raises ``Permanent`` without an account for it, and what ``Smtp.send`` raises."""
        smtp = self._smtp
        if smtp is None:
            raise Permanent("no mail server is set: set POSTA_MAIL__SMTP_HOST and replay")
        if target.account.lower() != self._address.lower():
            raise Permanent("the reply is to come from another account than POSTA_MAIL__ADDRESS names")
        if not event.data.text.strip():
            raise ContentRefused("the reply has no text")
        letter = compose(
            target,
            event.data.text,
            event_id=event.id,
            sent_at=event.time,
            language=language_of(event.data.locale),
        )

        async def send() -> str | None:
            await smtp.send(letter)
            return letter.message_id

        await self._once.deliver(
            Delivery(
                event_id=event.id,
                medium="email",
                message_id=letter.message_id,
                body_sha256=hashlib.sha256(letter.data).hexdigest(),
            ),
            send,
        )
