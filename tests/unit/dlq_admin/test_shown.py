import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_admin.shown import Form, Reveal, show_bytes, show_headers, show_text, spell_out

SECRET = "aW50ZXJhY3Rpb24_s3cret"


def test_json_is_indented_and_masked():
    shown = show_bytes(b'{"token":"%s","text":"\xc3\xa9"}' % SECRET.encode())
    assert shown.form is Form.JSON
    assert json.loads(shown.text) == {"token": "[redacted]", "text": "é"}
    assert "\n" in shown.text
    assert not shown.is_cut


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, Form.NONE),
        (b"", Form.TEXT),
        (b"plain", Form.TEXT),
        (b"{", Form.TEXT),
        (b"\xff\xfe\xfd", Form.HEX),
        (b"[" * 100_000, Form.TEXT),
        (b"1" * 5000, Form.TEXT),
        (b"NaN", Form.JSON),
        (b'"\\ud800"', Form.JSON),
        ('{"a": 1}'.encode("utf-16"), Form.JSON),
    ],
)
def test_bytes_take_the_form_that_fits(value, form):
    shown = show_bytes(value)
    assert shown.form is form
    shown.text.encode()


@pytest.mark.parametrize(
    "value",
    [
        b'{"token": "%s", "n": 1' % SECRET.encode(),
        b'\xff{"token": "%s"}' % SECRET.encode(),
        json.dumps({"token": SECRET}).encode("utf-16"),
        b'{"token": "%s", "n": %s}' % (SECRET.encode(), b"1" * 5000),
        b'{"token": "%s", "n": %s}' % (SECRET.encode(), b"[" * 5000),
        b'{"text": "%s", "token": "%s"}' % (b"x" * 300_000, SECRET.encode()),
        b'{"token": "%s", "text": "%s"}' % (SECRET.encode(), b"x" * 300_000),
    ],
)
def test_a_secret_stays_hidden_in_what_cannot_be_parsed(value):
    for reveal in Reveal:
        text = show_bytes(value, reveal=reveal).text
        assert SECRET not in text
        assert SECRET.encode().hex(" ") not in text
        assert SECRET[:8].encode().hex(" ") not in text


@pytest.mark.slow
def test_a_secret_is_hidden_wherever_the_cut_falls():
    for before in range(256 * 1024 - 60, 256 * 1024, 6):
        value = b"x" * (before - 11) + b' "token": "%s"' % (b"S3CRET" * 20)
        assert "S3CRET" not in show_bytes(value).text


def test_what_is_too_long_is_cut_and_says_so():
    shown = show_bytes(b"x" * 2_000_000)
    assert (shown.form, shown.is_cut, shown.size_bytes) == (Form.TEXT, True, 2_000_000)
    assert len(shown.text) <= 64 * 1024
    shown = show_bytes("é".encode() * 150_000 + b"x")
    assert (shown.form, shown.is_cut) == (Form.TEXT, True)
    shown = show_bytes(b"\xff" * 2_000_000)
    assert (shown.form, shown.is_cut) == (Form.HEX, True)
    assert len(shown.text) < 64 * 1024


def test_bytes_that_are_no_text_are_dumped_in_hex():
    assert show_bytes(b"\xff\x00A").text == "000000  ff 00 41" + " " * 39 + "  ..A"


@given(st.binary(max_size=400))
def test_any_bytes_can_be_shown(value):
    for reveal in Reveal:
        shown = show_bytes(value, reveal=reveal)
        assert shown.size_bytes == len(value)
        shown.text.encode()


def test_addresses_are_for_inspectors():
    assert "ada@example.org" not in show_bytes(b'"ada@example.org"').text
    assert "ada@example.org" in show_bytes(b'"ada@example.org"', reveal=Reveal.INSPECTED).text


@pytest.mark.parametrize(
    ("name", "value", "masked", "inspected"),
    [
        ("ce_id", b"discord:1", "discord:1", "discord:1"),
        ("posta-reason", b"to ada@example.org", "to a***@example.org", "to ada@example.org"),
        ("authorization", b"abc", "[redacted]", "[redacted]"),
        ("x-own", b"ada", "[3 bytes, shown to inspectors only]", "ada"),
        ("ce_subject", b"\xff", "\ufffd", "\ufffd"),
    ],
)
def test_headers_of_others_are_for_inspectors_and_secrets_for_nobody(name, value, masked, inspected):
    headers = ((name, value),)
    assert show_headers(headers) == ((name, masked),)
    assert show_headers(headers, reveal=Reveal.INSPECTED) == ((name, inspected),)


def test_characters_that_hide_or_reorder_text_are_spelt_out():
    assert spell_out("a\u202eb\x00c\x1b[31m\nd\te") == "a\\u202eb\\u0000c\\u001b[31m\nd\te"
    assert show_text(None) == ""
