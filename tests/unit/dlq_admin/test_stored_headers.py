from hypothesis import given
from hypothesis import strategies as st

from dlq_admin.stored_headers import dump_headers, load_headers

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\x00"))


@given(st.lists(st.tuples(TEXT, st.binary())).map(tuple))
def test_headers_come_back_byte_for_byte_and_postgres_takes_them(headers):
    stored = dump_headers(headers)
    assert load_headers(stored) == headers
    assert "\\u0000" not in stored
    assert "\x00" not in stored
