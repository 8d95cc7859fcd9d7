"""The mail part of the API: write as a customer, look into the boxes."""

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from posta_sandbox.mail.box import Account, MailServer, MailUnavailable
from posta_sandbox.mail.letter import Letter, bare_address, compose
from posta_sandbox.mail.proxy import MailProxy
from posta_sandbox.problems import Problem

CUSTOMERS_KEPT = 200


class MailRequest(BaseModel):
    """A message as a customer writes it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str = Field(alias="from", min_length=3, max_length=320)
    subject: str = Field("", max_length=900)
    text: str = ""
    in_reply_to: str | None = None
    references: str | None = None
    message_id: str | None = None
    headers: dict[str, str] = {}
    envelope_from: str | None = None
    """Envelope sender where it is not the From address; empty is the null sender of bounces."""
    raw: str | None = None
    """A whole message, sent as it is instead of one made of the other fields."""


@dataclass(slots=True, kw_only=True)
class Mail:
    """The mail server, the account Posta answers for, and who wrote to it."""

    server: MailServer | None
    account: Account
    clock: Callable[[], float] = time.time
    customers: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    smtp: MailProxy | None = None
    imap: MailProxy | None = None

    def meet(self, address: str) -> None:
        """Remember a customer, so that their box can be shown."""
        if address.lower() == self.account.address.lower():
            return
        self.customers[address.lower()] = None
        self.customers.move_to_end(address.lower())
        while len(self.customers) > CUSTOMERS_KEPT:
            self.customers.popitem(last=False)

    def reachable_server(self) -> MailServer:
        """Return the mail server; raises a problem when this sandbox runs without one."""
        if self.server is None:
            raise Problem(
                503,
                "No mail server",
                "Start the sandbox with POSTA_SANDBOX__SMTP_UPSTREAM_PORT and "
                "POSTA_SANDBOX__IMAP_UPSTREAM_PORT set to a mail server's ports.",
            )
        return self.server

    async def box(self, address: str) -> list[dict[str, Any]]:
        """Return one customer's messages; a box that does not exist yet is empty.

        GreenMail makes a box with its first message, the address being login and password.
        """
        server = self.reachable_server()
        try:
            found = await server.messages(Account(address=address, password=address))
        except MailUnavailable:
            return []
        return [message | {"box": address} for message in found]


def mail_routes(mail: Mail) -> APIRouter:
    """Return the routes under /api/mail."""
    router = APIRouter(prefix="/api/mail")

    @router.post("", status_code=201)
    async def write(request: MailRequest) -> dict[str, Any]:
        server = mail.reachable_server()
        sender, message_id, raw = _written(request, mail)
        try:
            envelope = sender if request.envelope_from is None else request.envelope_from
            await server.deliver(envelope, mail.account.address, raw)
        except MailUnavailable as exc:
            raise Problem(502, "The message was not taken", str(exc)) from exc
        mail.meet(sender)
        return {"message_id": message_id, "from": sender, "to": mail.account.address}

    @router.get("")
    async def read(
        to: str | None = None, box: Literal["inbox", "customers"] | None = None
    ) -> list[dict[str, Any]]:
        if to is not None:
            return await mail.box(to.lower())
        messages = [] if box == "customers" else await _inbox(mail)
        if box != "inbox":
            for customer in list(mail.customers):
                messages += await mail.box(customer)
        return messages

    @router.get("/addresses")
    async def addresses() -> dict[str, Any]:
        return {
            "account": mail.account.address,
            "customers": list(reversed(mail.customers)),
            "smtp_port": mail.smtp.port if mail.smtp else None,
            "imap_port": mail.imap.port if mail.imap else None,
        }

    return router


def _written(request: MailRequest, mail: Mail) -> tuple[str, str | None, bytes]:
    try:
        sender = bare_address(request.sender)
        if request.raw is not None:
            return sender, request.message_id, request.raw.encode("utf-8", "surrogateescape")
        message_id = request.message_id or f"<{uuid.uuid4()}@sandbox.invalid>"
        letter = Letter(
            sender=request.sender,
            recipient=mail.account.address,
            subject=request.subject,
            text=request.text,
            message_id=message_id,
            in_reply_to=request.in_reply_to,
            references=request.references,
            headers=request.headers,
        )
        raw = compose(letter, mail.clock())
    except (ValueError, IndexError) as exc:
        raise Problem(422, "The request does not fit", f"not a mail message: {exc}") from exc
    return sender, message_id, raw


async def _inbox(mail: Mail) -> list[dict[str, Any]]:
    try:
        found = await mail.reachable_server().messages(mail.account)
    except MailUnavailable as exc:
        raise Problem(502, "The inbox cannot be read", str(exc)) from exc
    return [message | {"box": "inbox"} for message in found]
