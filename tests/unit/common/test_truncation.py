"""A dead letter in part: what is kept, and what points to the rest."""

import hashlib

from posta.domain.envelope import Wire, header
from posta.domain.truncation import shortened

WIRE = Wire(
    key=b"k" * 5000,
    value=b"v" * 100_000,
    headers=(("ce_id", b"1"), ("bomb", b"x" * 500_000), ("posta-original-offset", b"7")),
)


def test_each_form_keeps_less_and_all_point_to_the_whole():
    forms = list(shortened(WIRE))
    assert [len(form.value) for form in forms] == [65536, 4096, 0, 0]
    for form in forms:
        assert header(form.headers, "posta-original-size") == "100000"
        assert header(form.headers, "posta-original-sha256") == hashlib.sha256(WIRE.value).hexdigest()
        assert header(form.headers, "posta-truncated") == str(len(form.value))
        assert header(form.headers, "posta-original-offset") == "7"
        assert header(form.headers, "ce_id") == "1"
        assert WIRE.value.startswith(form.value)


def test_the_last_form_is_small_whatever_the_original_brought_along():
    last = list(shortened(WIRE))[-1]
    assert len(last.key) == 1024
    assert sum(len(name) + len(value) for name, value in last.headers) < 10_000


def test_a_record_without_key_and_value_has_a_pointer_too():
    for form in shortened(Wire(key=None, value=None, headers=())):
        assert form.key is None
        assert header(form.headers, "posta-original-size") == "0"
