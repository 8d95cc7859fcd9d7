from pathlib import Path

import pytest

from email_poller.automatic import automatic_reason
from email_poller.ignored import Ignored
from email_poller.parse import parse

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "email"
OWN = frozenset({"posta@example.test", "help@example.test"})
OUR_ID = "<posta." + "a" * 40 + "@example.test>"


def reason(*fields: str, sender: str = "Ana <ana@example.test>") -> Ignored | None:
    raw = "\r\n".join([f"From: {sender}", *fields, "", "Hello?"]).encode()
    return automatic_reason(parse(raw), own_addresses=OWN)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("Auto-Submitted: auto-replied", Ignored.AUTO_SUBMITTED),
        ("auto-submitted: (a comment) AUTO-GENERATED; owner-email=x", Ignored.AUTO_SUBMITTED),
        ("Auto-Submitted: auto-notified", Ignored.AUTO_SUBMITTED),
        ("Return-Path: <>", Ignored.NULL_RETURN_PATH),
        ("Return-Path: < > (empty)", Ignored.NULL_RETURN_PATH),
        ("List-Id: <list.example.test>", Ignored.MAILING_LIST),
        ("List-Unsubscribe: <https://example.test/>", Ignored.MAILING_LIST),
        ("Precedence: bulk", Ignored.PRECEDENCE),
        ("Precedence: Auto_Reply", Ignored.PRECEDENCE),
        ("Content-Type: multipart/report; boundary=b", Ignored.REPORT),
        ("X-Apple-Action: VACATION/1", Ignored.VACATION),
        ("X-Autoreply: yes", Ignored.VACATION),
        ("Subject: Auto: away", Ignored.SUBJECT),
        ("Subject: Automatic reply: your mail", Ignored.SUBJECT),
        ("Subject: Out of Office: Re: hello", Ignored.SUBJECT),
        ("Subject: =?utf-8?Q?Respuesta_autom=C3=A1tica:_hola?=", Ignored.SUBJECT),
        ("Subject: Undeliverable: hello", Ignored.SUBJECT),
        (f"Message-ID: {OUR_ID}", Ignored.SENT_BY_US),
    ],
)
def test_a_machine_is_known_by_its_header(field, why):
    assert reason(field) is why


@pytest.mark.parametrize(
    "address",
    [
        "MAILER-DAEMON@example.test", "postmaster@mx.example.test", "noreply@shop.test", "no-reply@shop.test",
        "do_not_reply@shop.test", "owner-list@lists.test", "list-request@lists.test", "bounces+123@shop.test",
    ],
)  # fmt: skip
def test_a_machine_is_known_by_its_address(address):
    assert reason(sender=address) is Ignored.MACHINE_SENDER


@pytest.mark.parametrize("address", ["posta@example.test", "POSTA@Example.test", "help+x@example.test"])
def test_our_own_mail_is_never_answered(address):
    assert reason(sender=address) is Ignored.OWN_ADDRESS


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No (really)",
        "Auto-Submitted:",
        "X-Auto-Response-Suppress: All",
        "Return-Path: <ana@example.test>",
        "Precedence: first-class",
        "Subject: Automatic transmission fluid",
        "Subject: Auto insurance: how much?",
        "Subject: Re: Out of memory",
        "In-Reply-To: " + OUR_ID,
        "Message-ID: <posta." + "a" * 40 + "@elsewhere.test>",
        "Message-ID: <q@example.test>",
        "X-Autoreply: no",
    ],
)
def test_a_person_is_not_taken_for_a_machine(field):
    assert reason(field) is None


@pytest.mark.parametrize("address", ["rooted@example.test", "reply@example.test", "norepl.y@example.test"])
def test_an_address_that_only_resembles_a_machine_is_a_person(address):
    assert reason(sender=address) is None


REPORTS = FIXTURES / "imap_tools" / "tests" / "messages" / "multipart_report_emails"


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the collected mails are not on this machine")
def test_real_bounces_are_never_answered():
    for path in REPORTS.glob("*.eml"):
        assert automatic_reason(parse(path.read_bytes()), own_addresses=OWN) is not None, path.name
