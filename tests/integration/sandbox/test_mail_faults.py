"""The mail proxies before a real mail server: what is struck, what is accepted, what is recorded."""

import asyncio
import imaplib
import smtplib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from posta_sandbox.app import create_app
from posta_sandbox.settings import SandboxSettings

pytestmark = pytest.mark.integration
CUSTOMER = "eva@example.test"


@dataclass
class Box:
    """A sandbox with mail, and what a test asks of it."""

    http: httpx.AsyncClient
    address: str
    password: str
    smtp_port: int
    imap_port: int

    async def fault(self, service: str, **fault: Any) -> None:
        body = {"count": 1} | fault
        assert (await self.http.put(f"/api/faults/{service}", json=body)).status_code == 200

    async def send(self, message_id: str, text: str = "hello\n.dot\n") -> None:
        await asyncio.to_thread(self._send, message_id, text)

    def _send(self, message_id: str, text: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Message-ID"] = self.address, CUSTOMER, message_id
        message.set_content(text)
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=5) as smtp:
            smtp.login(self.address, self.password)
            smtp.send_message(message)

    async def imap(self, talk: Callable[[imaplib.IMAP4], Any]) -> Any:
        return await asyncio.to_thread(self._imap, talk)

    def _imap(self, talk: Callable[[imaplib.IMAP4], Any]) -> Any:
        session = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=5)
        try:
            session.login(self.address, self.password)
            session.select("INBOX")
            return talk(session)
        finally:
            session.shutdown()

    async def received(self, message_id: str) -> list[dict[str, Any]]:
        found = (await self.http.get("/api/mail", params={"to": CUSTOMER})).json()
        return [m for m in found if m["message_id"] == message_id]

    async def calls(self, service: str) -> list[dict[str, Any]]:
        return (await self.http.get(f"/api/calls?service={service}")).json()


@pytest.fixture
async def box(mail) -> AsyncIterator[Box]:
    address, password = "posta@example.test", "a password for tests"
    settings = SandboxSettings(
        smtp_upstream_port=mail.smtp_port,
        imap_upstream_port=mail.imap_port,
        mail_address=address,
        mail_password=password,
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        ports = app.state.mail
        yield Box(http, address, password, ports.smtp.port, ports.imap.port)


async def test_a_customer_writes_and_is_answered_in_the_thread(box):
    letter = {"from": "Eva <eva@example.test>", "subject": "¿Cómo?", "text": "línea\n.punto"}
    written = (await box.http.post("/api/mail", json=letter)).json()
    inbox = (await box.http.get("/api/mail?box=inbox")).json()
    [arrived] = [m for m in inbox if m["message_id"] == written["message_id"]]
    assert (arrived["subject"], arrived["seen"]) == ("¿Cómo?", False)
    assert arrived["text"].splitlines() == ["línea", ".punto"]
    await box.send("<answer-1@posta>")
    [answer] = await box.received("<answer-1@posta>")
    assert answer["from"] == box.address
    [call] = await box.calls("smtp")
    assert call["status"] == 250
    assert call["hints"]["message_id"] == "<answer-1@posta>"


async def test_an_accepted_message_whose_answer_is_lost_has_arrived_once(box):
    await box.fault("smtp", kind="lost_answer")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await box.send("<lost@posta>")
    assert len(await box.received("<lost@posta>")) == 1
    [call] = await box.calls("smtp")
    assert (call["status"], call["fault"]) == (250, "lost_answer")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "5xx"}, 421),
        ({"kind": "5xx", "status": 550}, 550),
        ({"kind": "429"}, 450),
        ({"kind": "reset"}, None),
        ({"kind": "hang", "seconds": 0.05}, None),
    ],
)
async def test_a_message_struck_before_its_effect_does_not_arrive(box, fault, code):
    message_id = f"<struck-{fault['kind']}-{code}@posta>"
    await box.fault("smtp", **fault)
    with pytest.raises(smtplib.SMTPException) as caught:
        await box.send(message_id)
    assert getattr(caught.value, "smtp_code", None) == code
    assert await box.received(message_id) == []
    assert [c["status"] for c in await box.calls("smtp")] == [code]
    await box.send(message_id)
    assert len(await box.received(message_id)) == 1


async def test_a_server_that_is_down_says_so_at_the_connection(box):
    await box.fault("smtp", kind="5xx", at="connect")
    with pytest.raises(smtplib.SMTPConnectError):
        await box.send("<down@posta>")
    await box.fault("imap", kind="5xx", at="connect")
    with pytest.raises(imaplib.IMAP4.error):
        await box.imap(lambda session: session.noop())


@pytest.mark.parametrize("kind", ["reset", "truncated", "lost_answer", "5xx"])
async def test_an_imap_command_is_struck_and_the_next_session_works(box, kind):
    await box.http.post("/api/mail", json={"from": CUSTOMER, "subject": "x", "text": "a OK b"})

    def search(session: imaplib.IMAP4) -> Any:
        return session.uid("SEARCH", "ALL")

    await box.fault("imap", kind=kind, match="UID SEARCH")
    with pytest.raises((OSError, imaplib.IMAP4.error)):
        await box.imap(search)
    assert (await box.imap(search))[0] == "OK"
    struck = [c for c in await box.calls("imap") if c["fault"]]
    assert [(c["method"], c["fault"]) for c in struck] == [("UID SEARCH", kind)]


async def test_a_letter_that_quotes_the_protocol_passes_unharmed(box):
    text = "A1 OK done\r\n* BYE\r\n{5}\r\n.\r\n..\r\n"
    await box.http.post("/api/mail", json={"from": CUSTOMER, "subject": "quote", "text": text})

    def last(session: imaplib.IMAP4) -> bytes:
        uid = session.uid("SEARCH", "ALL")[1][0].split()[-1].decode()
        return session.uid("FETCH", uid, "(BODY.PEEK[TEXT])")[1][0][1]

    assert (await box.imap(last)).rstrip(b"\r\n") == text.encode().rstrip(b"\r\n")
    logins = [c for c in await box.calls("imap") if c["method"] == "LOGIN"]
    assert {c["path"] for c in logins} == {"***"}
