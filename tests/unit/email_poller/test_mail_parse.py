import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_tools import MailMessage

from email_poller.headers import decode_text, decoded
from email_poller.parse import MAX_TEXT_CHARS, parse

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "email"


def mail(*lines: str, body: str = "Hello?") -> bytes:
    return "\r\n".join([*lines, "", body]).encode()


def alternative(plain: str, html: str) -> bytes:
    return mail(
        "From: ana@example.test",
        'Content-Type: multipart/alternative; boundary="b"',
        body=(
            f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{plain}\r\n"
            f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--\r\n"
        ),
    )


def test_a_plain_mail_is_read_whole():
    read = parse(
        mail(
            "From: =?utf-8?Q?Jos=C3=A9?= <jose@example.test>",
            "Subject: =?iso-8859-1?Q?=BFCu=E1nto?= cuesta",
            "Message-ID: <q1@example.test>",
            "In-Reply-To: <p@example.test>",
            "References: <root@example.test>\r\n <p@example.test>",
            "Content-Type: text/plain; charset=utf-8",
        )
    )
    assert (read.sender.address, read.sender.name) == ("jose@example.test", "José")
    assert read.subject == "¿Cuánto cuesta"
    assert (read.message_id, read.in_reply_to) == ("<q1@example.test>", "<p@example.test>")
    assert read.references == ("<root@example.test>", "<p@example.test>")
    assert read.text == "Hello?"


def test_plain_text_is_preferred_unless_it_is_empty():
    assert parse(alternative("plain", "<p>html</p>")).text == "plain"
    assert parse(alternative(" \r\n", "<p>html</p>")).text == "html"


def test_html_loses_script_style_and_comments_and_keeps_its_lines():
    html = (
        "<html><head><title>t</title><style>p {color: red}</style></head><body><!-- no -->"
        "<script>alert('x')</script><p>One&nbsp;&amp; two</p><div>three<br>four</div></body></html>"
    )
    assert parse(alternative("", html)).text == "One & two\n\nthree\nfour"


def test_what_an_html_mail_quotes_is_marked_as_quoted():
    html = "<div>Now</div><blockquote>Then<blockquote>Before</blockquote></blockquote>"
    assert [line for line in parse(alternative("", html)).text.split("\n") if line] == [
        "Now",
        "> Then",
        "> > Before",
    ]


def test_a_text_attachment_is_not_the_question():
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nSee the log.\r\n"
        "--b\r\nContent-Type: text/plain; name=log.txt\r\nContent-Disposition: attachment\r\n\r\n"
        "secret log\r\n--b--\r\n"
    )
    read = parse(mail('Content-Type: multipart/mixed; boundary="b"', body=body))
    assert read.text == "See the log."


def test_a_forwarded_mail_counts_only_when_nothing_is_written_beside_it():
    def forwarding(text):
        body = (
            f"--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"
            "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@example.test\r\n\r\nInner\r\n--b--\r\n"
        )
        return parse(mail('Content-Type: multipart/mixed; boundary="b"', body=body)).text

    assert forwarding("Outer") == "Outer"
    assert forwarding("") == "Inner"


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        pytest.param("día".encode(), "uft-8", "día", id="a misspelt name"),
        pytest.param("día".encode("latin-1"), "x-unknown", "día", id="an invented name"),
        pytest.param("día".encode("latin-1"), "utf-8", "día", id="a wrong name"),
        pytest.param("日本".encode("shift_jis"), "shift_jis", "日本", id="shift_jis"),
        pytest.param("한국".encode("cp949"), "ks_c_5601-1987", "한국", id="korean"),
        pytest.param(b"plain", "idna", "plain", id="a codec that is no charset"),
        pytest.param(b"706c61696e", "hex", "706c61696e", id="a codec that decodes to bytes"),
        pytest.param("día".encode("utf-7"), "unicode-1-1-utf-7", "día", id="utf-7"),
    ],
)
def test_a_charset_is_taken_for_what_it_means(data, charset, text):
    assert decode_text(data, charset) == text


@pytest.mark.parametrize(
    "field",
    [
        "From: a <>, b@example.test",
        'From: "undisclosed" : ana@example.test;',
        "From: (c):",
        "From: =?utf-8?Q?a=0Ab?= <ana@example.test>",
        "From: ana@example.test, \x00",
        "Message-ID: <[..]>",
        "Content-Type: text/plain; name*",
        "Content-Type: text/plain; charset*=x''%FF",
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/mixed; boundary=",
        "Content-Transfer-Encoding: x-uuencode",
        "Content-Disposition: attachment; filename*0*=utf-8''%",
        "Subject: =?utf-8?B?abc?=",
        "Subject: =?nonsense?Q?=FF?=",
        "References: <a@b <c@d> e@f>",
    ],
)
def test_headers_that_make_the_standard_library_raise_are_read_as_far_as_they_go(field):
    read = parse(mail(field, "X-After: 1"))
    assert read.fields.text("X-After") == "1"
    assert "\n" not in read.subject


def test_a_line_break_hidden_in_a_subject_becomes_a_space():
    read = parse(mail("Subject: =?UTF-8?Q?Hi=0D=0ABcc:_evil@example.test?="))
    assert read.subject == "Hi Bcc: evil@example.test"


def test_an_address_is_found_only_where_it_is_unambiguous():
    assert parse(mail("From: Big Bug bb@bug.test")).sender.address == "bb@bug.test"
    assert parse(mail("From: a@x.test b@y.test c d")).sender is None
    assert parse(mail("From: nobody")).sender is None


def test_ids_that_are_none_are_left_out_and_a_long_thread_keeps_its_root():
    ids = [f"<m{n}@example.test>" for n in range(60)]
    read = parse(mail("Message-ID: no id", "References: " + " ".join(["<bad>", *ids])))
    assert read.message_id is None
    assert read.references == (ids[0], *ids[-20:])


def test_the_same_mail_hashes_equal_whatever_the_way_it_took():
    question = (
        "From: ana@example.test",
        "Message-ID: <q@example.test>",
        "Date: Fri, 20 Nov 2026 10:00:00 +0000",
    )
    first = parse(mail("Received: from a", *question))
    again = parse(mail("Received: from b", "Received: from c", *question))
    other = parse(mail("Received: from a", *question, body="Something else"))
    assert first.content_hash == again.content_hash != other.content_hash


def nested(depth: int) -> bytes:
    parts = [f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(depth)]
    return (
        b"From: ana@example.test\r\n" + "".join(parts).encode() + b"Content-Type: text/plain\r\n\r\ndeep\r\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(nested(3000), id="3000 levels of parts"),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 3000 + b"x", id="3000 forwarded levels"),
        pytest.param(
            mail('Content-Type: multipart/mixed; boundary="b"', body="--b\r\n\r\nx\r\n" * 20_000), id="wide"
        ),
        pytest.param(mail("Content-Type: text/html", body="<" * 400_000), id="brackets"),
        pytest.param(mail("Content-Type: text/html", body="<!--" * 100_000), id="comments"),
        pytest.param(mail("Content-Type: text/html", body="<a b='" * 60_000), id="attributes"),
        pytest.param(mail("Content-Type: text/html", body="<blockquote>" * 30_000 + "x"), id="quotes"),
        pytest.param(mail("Content-Type: text/html", body="<![" * 1000 + "x"), id="declarations"),
        pytest.param(mail("Subject: " + "=?utf-8?Q?a?= " * 50_000), id="encoded words"),
        pytest.param(mail("From: " + "(" * 100_000), id="comments in From"),
        pytest.param(mail("From: " + "<a" * 100_000), id="brackets in From"),
        pytest.param(mail("Auto-Submitted: " + "(" * 100_000), id="comments in Auto-Submitted"),
        pytest.param(mail(body="x\n" * 300_000), id="lines"),
        pytest.param(mail(*(f"X-{n}: 1" for n in range(50_000))), id="fields"),
    ],
)
def test_a_mail_made_to_hurt_is_read_within_seconds(raw):
    started = time.perf_counter()
    read = parse(raw)
    assert time.perf_counter() - started < 5
    assert len(read.text) <= MAX_TEXT_CHARS


def test_what_is_too_deep_still_has_its_headers():
    assert parse(nested(3000)).sender.address == "ana@example.test"


@given(st.binary(max_size=2000))
def test_random_bytes_are_always_a_mail(raw):
    read = parse(raw)
    read.text.encode()
    read.subject.encode()
    assert "\x00" not in read.text + read.subject


FIELD_NAMES = (
    "From",
    "Subject",
    "Message-ID",
    "References",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Date",
)


@given(
    st.lists(
        st.tuples(st.sampled_from(FIELD_NAMES), st.text(max_size=60) | st.binary(max_size=40)), max_size=8
    ),
    st.binary(max_size=300),
)
def test_random_headers_are_always_readable(fields, body):
    def raw(value):
        return value if isinstance(value, bytes) else value.encode("utf-8", "replace")

    read = parse(
        b"".join(name.encode() + b": " + raw(value) + b"\r\n" for name, value in fields) + b"\r\n" + body
    )
    for name in FIELD_NAMES:
        read.fields.text(name).encode()
    assert read.sender is None or "@" in read.sender.address


@given(st.text(max_size=80))
def test_a_decoded_header_is_one_line_of_encodable_text(text):
    shown = decoded(text)
    shown.encode()
    assert not set(shown) & set("\r\n\x00\u2028")


MAILS = sorted(FIXTURES.rglob("*.eml")) if FIXTURES.is_dir() else []


@pytest.mark.slow
@pytest.mark.skipif(not MAILS, reason="the collected mails are not on this machine")
def test_real_mails_are_read_and_have_text_where_another_parser_finds_some():
    silent = []
    for path in MAILS:
        raw = path.read_bytes()
        read = parse(raw)
        other = MailMessage([(b"", raw)])
        if other.text.strip() and not read.text:
            silent.append(path.name)
        if other.from_values and "@" in other.from_values.email and "(" not in other.from_:
            assert read.sender is not None, path.name
            assert read.sender.address.lower() == other.from_values.email.lower().split()[-1], path.name
    assert silent == []


@pytest.mark.skipif(not MAILS, reason="the collected mails are not on this machine")
def test_real_mails_that_were_damaged_on_the_way_are_still_read():
    chance = random.Random(7)
    for path in MAILS:
        raw = bytearray(path.read_bytes()[:20_000])
        for _ in range(20):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        parse(bytes(raw)).text.encode()
        parse(bytes(raw[: chance.randrange(len(raw))]))
