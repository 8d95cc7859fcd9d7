import email
from datetime import UTC, datetime
from email import policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.deliveries import email_reply

from notifier.mail.letter import compose, references, reply_id, reply_subject
from notifier.refusals import TargetGone

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_ID = "<" + "0100019a" * 12 + "-000000@email.amazonses.com>"


def composed(text="Hello.\n", **target):
    reply = email_reply(text=text, **target).data
    return compose(reply.target, reply.text, event_id="email:box:1:1/answer", sent_at=AT, language="en")


def raw_header(letter, name):
    """The header's line as it stands on the wire, unfolded by hand."""
    head = letter.data.split(b"\r\n\r\n", 1)[0].decode("ascii").replace("\r\n ", " ")
    (line,) = [line for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":")]
    return line.partition(":")[2].strip()


def parsed(letter):
    return email.message_from_bytes(letter.data, policy=policy.default)


def test_a_reply_carries_everything_that_threads_it_and_marks_it_as_automatic():
    letter = composed(in_reply_to="<b@x.test>", references=("<a@x.test>",), subject="Sky?")
    mail = parsed(letter)
    assert mail["From"] == "posta@example.test"
    assert mail["To"] == "Ana <customer@example.test>"
    assert mail["Subject"] == "Re: Sky?"
    assert mail["Date"].datetime == AT
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert raw_header(letter, "Message-ID") == letter.message_id
    assert raw_header(letter, "In-Reply-To") == "<b@x.test>"
    assert raw_header(letter, "References") == "<a@x.test> <b@x.test>"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content_charset() == "utf-8"


@pytest.mark.parametrize("length", [77, 78, 79, 200, 800])
def test_ids_of_any_length_come_back_as_they_were(length):
    long_id = "<" + "x" * (length - 9) + "@y.test>"
    letter = composed(in_reply_to=long_id, references=(LONG_ID, "<a@x.test>"))
    assert raw_header(letter, "In-Reply-To") == long_id
    assert raw_header(letter, "References").split() == [LONG_ID, "<a@x.test>", long_id]
    assert b"=?" not in letter.data.split(b"\r\n\r\n", 1)[0]


def test_a_long_thread_keeps_its_first_and_its_last_ids_in_lines_that_smtp_carries():
    known = tuple(f"<{n:0>90}@x.test>" for n in range(60))
    letter = composed(in_reply_to="<parent@x.test>", references=known)
    kept = raw_header(letter, "References").split()
    assert kept[0] == known[0]
    assert kept[-1] == "<parent@x.test>"
    assert len(kept) == 21
    assert max(len(line) for line in letter.data.split(b"\r\n")) <= 998


def test_references_name_no_id_twice_and_end_with_the_parent():
    assert references(("<a@x>", "<p@x>", "<a@x>", "not an id"), "<p@x>") == ["<a@x>", "<p@x>"]


@pytest.mark.parametrize(
    "hostile",
    ["<a@x.test>\r\nBcc: evil@x.test", "a@x.test", "<a b@x.test>", "<>", "", None, "<" + "a" * 2000 + "@x>"],
)
def test_a_parent_that_is_no_id_is_not_quoted(hostile):
    mail = parsed(composed(in_reply_to=hostile))
    assert mail["In-Reply-To"] is None
    assert mail["References"] is None
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "subject",
    [
        "Hi\r\nBcc: evil@x.test",
        "Hi\n",
        "=?UTF-8?Q?=0A?=Bcc: evil@x.test",
        "==??UTF-8?Q?=0ABcc: evil@x.test?=",
        "a\u2028Bcc: evil@x.test",
        "\x00\x85Bcc: evil@x.test",
    ],
)
def test_a_hostile_subject_adds_no_header(subject):
    letter = composed(subject=subject, to_name=subject)
    head = letter.data.split(b"\r\n\r\n", 1)[0]
    assert not [line for line in head.split(b"\r\n") if line.lower().startswith(b"bcc")]
    mail = parsed(letter)
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail.get_content().strip() == "Hello."


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(subject=st.text(max_size=300), name=st.text(max_size=80), text=st.text(max_size=300))
def test_whatever_was_written_the_mail_has_exactly_its_headers(subject, name, text):
    letter = composed(text=text, subject=subject, to_name=name)
    head, _, _ = letter.data.partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(
        b"From To Subject Date Message-ID In-Reply-To References Auto-Submitted X-Auto-Response-Suppress"
        b" Content-Type Content-Transfer-Encoding MIME-Version".split()
    )
    letter.data.decode("ascii")
    assert max(len(line) for line in letter.data.split(b"\r\n")) <= 998
    parsed(letter)["To"].addresses  # noqa: B018 - reading it is the test


def test_text_in_any_language_arrives_as_written():
    text = "¿Por qué?\n.\n.hidden dot\nFrom here\n" + "long " * 300
    mail = parsed(composed(text=text, subject="¿Qué tal? " * 15))
    assert mail.get_content().replace("\r\n", "\n").strip() == text.strip()
    assert mail["Subject"] == "Re: " + ("¿Qué tal? " * 15).strip()


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Sky", "Re: Sky"),
        ("RE: re: Aw: Sky", "Re: Sky"),
        ("", "Re: your message"),
        ("Re:", "Re: your message"),
        ("Regarding: x", "Re: Regarding: x"),
    ],
)
def test_a_subject_gets_one_prefix(subject, expected):
    assert reply_subject(subject, "en") == expected


def test_the_same_event_makes_the_same_bytes():
    assert composed() == composed()
    assert reply_id("a", "p@x.test") == reply_id("a", "p@x.test") != reply_id("b", "p@x.test")


@pytest.mark.parametrize(
    "to",
    ["", "x", "a@b\r\nRCPT TO:<evil@x.test>", "a b@x.test", "<a@x.test>", "ü@x.test", "a@", "a@x..test"],
)
def test_an_address_that_smtp_cannot_carry_is_a_target_that_is_gone(to):
    with pytest.raises(TargetGone):
        composed(to=to)


def test_a_domain_in_any_script_is_carried_in_its_ascii_form():
    assert composed(to="ana@español.test").recipient == "ana@xn--espaol-zwa.test"
