import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.rendering.split import split_answer, split_markdown

WORDS = st.text(alphabet="abcñé😀 .", min_size=1, max_size=30)
LINES = st.one_of(
    WORDS,
    st.just(""),
    st.builds("- {}".format, WORDS),
    st.builds("{}. {}".format, st.integers(1, 99), WORDS),
    st.sampled_from(["```", "```python", "# A heading", "> quoted", "[here](https://example.org/a_(b))"]),
    st.builds("x = {}".format, st.integers(0, 10**6)),
)


def content(parts):
    """Everything but white space, fences and their language, which a split may add or set apart."""
    return re.sub(r"\s+|```|python", "", "\n".join(parts))


@given(st.lists(LINES, max_size=40).map("\n".join), st.integers(40, 200))
def test_no_part_is_too_long_or_blank_or_leaves_a_code_block_open_and_nothing_is_lost(text, limit):
    parts = split_markdown(text, limit)
    assert all(len(part.strip()) > 0 and len(part) <= limit for part in parts)
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert content(parts) == content([text])


@given(st.text(max_size=600), st.integers(30, 100))
def test_any_text_at_all_keeps_the_limit(text, limit):
    assert all(len(part) <= limit for part in split_markdown(text, limit))


@pytest.mark.slow
@given(st.lists(WORDS, min_size=20, max_size=60), st.integers(60, 120))
def test_a_link_is_in_one_part(words, limit):
    link = "[the manual](https://example.org/manual)"
    for place in range(0, len(words), 5):
        words.insert(place, link)
    parts = split_markdown(" ".join(words), limit)
    assert sum(part.count(link) for part in parts) == words.count(link)


def test_short_text_is_one_part_as_it_is():
    assert split_markdown("Hello\n\n- a\n- b", 2000) == ["Hello\n\n- a\n- b"]


def test_a_code_block_that_fits_is_moved_whole_into_the_next_message():
    code = "```python\n" + "x = 1\n" * 10 + "```"
    before, after = split_markdown("p" * 60 + "\n\n" + code, 100)
    assert before == "p" * 60
    assert after == code


def test_a_long_code_block_is_closed_and_opened_again_in_its_language():
    parts = split_markdown("```python\n" + "\n".join(f"line_{n} = {n}" for n in range(40)) + "\n```", 120)
    assert len(parts) > 3
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
    assert (
        "".join(part[9:-3] for part in parts).split()
        == " ".join(f"line_{n} = {n}" for n in range(40)).split()
    )


def test_a_list_that_fits_stays_whole_and_a_longer_one_is_split_between_items():
    items = "\n".join(f"- item {n}" for n in range(8))
    assert split_markdown("intro " * 8 + "\n\n" + items, 100)[-1] == items
    long = "\n".join(f"{n}. " + "word " * 6 for n in range(12))
    for part in split_markdown(long, 100):
        assert re.match(r"\d+\. ", part)


def test_a_spoiler_is_never_cut_open():
    text = "word " * 15 + "||the butler did it, in the library|| " + "word " * 15
    assert any("||the butler did it, in the library||" in part for part in split_markdown(text, 90))


def test_an_emoji_of_several_code_points_is_not_torn():
    family = "👨\u200d👩\u200d👧"
    for part in split_markdown(family * 40, 50):
        assert not part.startswith("\u200d")
        assert not part.endswith("\u200d")


@pytest.mark.parametrize(("language", "word"), [("en", "continues"), ("es", "continúa")])
def test_what_does_not_fit_into_so_many_messages_becomes_a_file(language, word):
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 30 for n in range(40))
    split = split_answer(text, language, limit=400, most=3)
    assert len(split.parts) == 3
    assert word in split.parts[-1]
    assert all(len(part) <= 400 for part in split.parts)
    assert content([*split.parts[:-1], split.parts[-1].rsplit("\n", 1)[0], split.rest]) == content([text])


def test_an_answer_that_fits_has_no_file():
    assert split_answer("Yes.", "en").rest is None
