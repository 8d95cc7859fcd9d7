import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.text import ELLIPSIS, cap, sanitize

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        pytest.param("  a b \n", "a b", id="outer space goes"),
        pytest.param("a\r\nb\rc\u2028d", "a\nb\nc\nd", id="line ends become one kind"),
        pytest.param("a\x00b\x1b[31mc\x7f\x9b", "ab[31mc", id="controls go"),
        pytest.param("a\tb", "a\tb", id="a tab stays"),
        pytest.param("a\ud800b", "ab", id="a lone surrogate cannot be sent"),
        pytest.param("abc\u202efdp.exe", "abcfdp.exe", id="bidi overrides go"),
        pytest.param("a\n\n\n \n\nb", "a\n\nb", id="piles of blank lines shrink"),
        pytest.param("👩‍👩‍👧 año", "👩‍👩‍👧 año", id="joined emoji and accents stay"),
    ],
)
def test_text_is_made_safe_without_changing_what_it_says(text, clean):
    assert sanitize(text) == clean


@given(ANY_TEXT)
def test_safe_text_can_be_encoded_and_is_safe_already(text):
    clean = sanitize(text)
    assert clean.encode().decode() == clean
    assert "\x00" not in clean
    assert sanitize(clean) == clean


def test_a_short_text_is_left_alone():
    assert cap("short", 5) == "short"


def test_a_cut_falls_on_a_space_and_shows():
    assert cap("one two three four", 12) == "one two…"


def test_a_word_without_end_is_cut_inside():
    assert cap("x" * 300, 100) == "x" * 99 + ELLIPSIS


def test_a_joined_emoji_is_not_torn_apart():
    assert cap("x" * 96 + "👩‍👩‍👧" + "y" * 20, 100) == "x" * 96 + ELLIPSIS


@given(st.text(max_size=300), st.integers(2, 120))
def test_a_capped_text_fits_and_begins_as_the_original(text, max_chars):
    short = cap(text, max_chars)
    assert len(short) <= max_chars
    assert short == text or text.startswith(short.removesuffix(ELLIPSIS))
