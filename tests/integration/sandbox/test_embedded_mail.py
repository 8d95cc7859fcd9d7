"""A real mail server: what goes in by SMTP comes out by IMAP, for who knows the password."""

import imaplib
import smtplib
from email.message import EmailMessage

import httpx
import psutil
import pytest

from posta_sandbox.embedded.greenmail import EmbeddedMail

pytestmark = pytest.mark.integration

ADDRESS = "posta@example.test"
PASSWORD = "correct horse: battery, staple"


@pytest.fixture
async def own_mail(tmp_path):
    async with EmbeddedMail(tmp_path / "mail", users={ADDRESS: PASSWORD}) as mail:
        yield mail


def test_a_message_sent_by_smtp_is_read_by_imap(own_mail):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "someone@example.test", ADDRESS, "Hola"
    message.set_content("¿Qué tal?")
    with smtplib.SMTP("127.0.0.1", own_mail.smtp_port, timeout=5) as smtp:
        smtp.login(ADDRESS, PASSWORD)
        smtp.send_message(message)
    with imaplib.IMAP4("127.0.0.1", own_mail.imap_port, timeout=5) as imap:
        imap.login(ADDRESS, PASSWORD)
        assert imap.select("INBOX") == ("OK", [b"1"])
        _, parts = imap.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")
    assert b"Hola" in parts[0][1]


def test_a_wrong_password_opens_no_mailbox(own_mail):
    imap = imaplib.IMAP4("127.0.0.1", own_mail.imap_port, timeout=5)
    with pytest.raises(imaplib.IMAP4.error):
        imap.login(ADDRESS, "guess")
    imap.shutdown()


def test_passwords_are_neither_on_the_command_line_nor_in_the_log(own_mail):
    assert PASSWORD not in " ".join(psutil.Process(own_mail.pid).cmdline())
    assert PASSWORD not in own_mail.log.read_text()


def test_a_client_that_just_leaves_costs_no_processor_time(own_mail):
    imap = imaplib.IMAP4("127.0.0.1", own_mail.imap_port, timeout=5)
    imap.login(ADDRESS, PASSWORD)
    imap.select("INBOX")
    imap.shutdown()  # the socket closes without LOGOUT, as when a process is killed
    server = psutil.Process(own_mail.pid)
    server.cpu_percent()
    assert server.cpu_percent(interval=1.0) < 50


async def test_ports_and_accounts_are_the_same_after_a_restart(own_mail):
    ports = own_mail.smtp_port, own_mail.imap_port, own_mail.api_port
    await own_mail.stop()
    assert own_mail.pid is None
    await own_mail.start()
    assert (own_mail.smtp_port, own_mail.imap_port, own_mail.api_port) == ports
    async with httpx.AsyncClient(trust_env=False) as api:
        users = (await api.get(f"http://127.0.0.1:{own_mail.api_port}/api/user")).json()
    assert [user["login"] for user in users] == [ADDRESS]
