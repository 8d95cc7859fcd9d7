import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.rendering.clip import CONTENT_LIMIT, clip, clip_content
from notifier.rendering.neutral import disarmed, one_line, readable


@given(st.text(max_size=400), st.integers(0, 300))
def test_a_cut_text_is_never_longer_than_its_limit(text, limit):
    assert len(clip(text, limit)) <= limit


@given(st.text(alphabet="ab `\n", max_size=400), st.integers(100, 300), st.sampled_from(["en", "es"]))
def test_content_is_never_longer_than_its_limit_and_never_leaves_a_fence_open(text, limit, language):
    cut = clip_content(text, language, limit=limit)
    assert len(cut) <= limit
    if len(text.strip()) > limit:
        assert cut.count("```") % 2 == 0
        assert "Discord" in cut


def test_what_fits_stays_as_it_is():
    assert clip("abc", 3) == "abc"
    assert clip_content(" x" * 900, "en") == ("x " * 900).strip()


def test_a_long_answer_is_cut_in_the_persons_language():
    assert clip_content("word " * 1000, "es").endswith("(recortado para caber en un mensaje de Discord)*")
    assert len(clip_content("x" * 5000, "en")) <= CONTENT_LIMIT


def test_a_cut_goes_back_to_white_space_that_is_near():
    assert clip("aaaa bbbb cccc dddd", 17) == "aaaa bbbb cccc…"
    assert clip("one two three", 12) == "one two thr…"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x1bc", "abc"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("safe\u202egpj.exe", "safegpj.exe"),
        ("\u2066x\u2069\u200e\u200f", "x"),
        ("\ud800x", "x"),
        ("👩\u200d🚀 fine\ttabs", "👩\u200d🚀 fine\ttabs"),
    ],
)
def test_readable_text_has_no_controls_and_turns_nothing_around(text, expected):
    assert readable(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[bank](https://evil.test)", "[bank] (https://evil.test)"),
        ("\\[bank](https://evil.test)", "\\[bank] (https://evil.test)"),
        ("[bank]\u200b(https://evil.test)", "[bank] (https://evil.test)"),
        ("a\u200bd\u00adm\ufeffin", "admin"),
        ("tag\U000e0041s", "tags"),
    ],
)
def test_disarmed_text_hides_nothing(text, expected):
    assert disarmed(text) == expected


@given(st.text())
def test_disarmed_text_never_holds_a_markdown_link(text):
    assert "](" not in disarmed(text)
    disarmed(text).encode()


def test_one_line_is_one_line():
    assert one_line(" a\n\n b\tc ") == "a b c"
