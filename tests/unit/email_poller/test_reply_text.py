from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_poller.parse import parse
from email_poller.reply_text import reply_text

REPLIES = Path(__file__).resolve().parents[4] / "shared/fixtures/email/talon/tests/fixtures/standard_replies"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("Yes.\n\nOn Fri, Nov 20, 2026 at 10:00, Posta wrote:\n> Sure?\n", "Yes.", id="english"),
        pytest.param(
            "Sí.\n\nEl vie, 20 nov 2026 a las 10:00, Posta escribió:\n> ¿Seguro?", "Sí.", id="spanish"
        ),
        pytest.param(
            "Yes.\n\nOn Fri, Nov 20, 2026 at 10:00, Posta\n<posta@example.test> wrote:\n\n> Sure?",
            "Yes.",
            id="wrapped",
        ),
        pytest.param("Yes.\n\n> Sure?\n> Really?", "Yes.", id="only marks"),
        pytest.param(
            "> Sure?\nYes.\n> Really?\nNo.", "> Sure?\nYes.\n> Really?\nNo.", id="answers in between"
        ),
        pytest.param("Yes.\n\n-----Original Message-----\nFrom: Posta\nSure?", "Yes.", id="outlook"),
        pytest.param(
            "Yes.\n\nFrom: Posta <p@x>\nSent: Friday\nTo: Ana\n\nSure?", "Yes.", id="outlook header"
        ),
        pytest.param(
            "Sí.\n\nDe: Posta\nEnviado el: viernes\nPara: Ana\n\n¿Seguro?", "Sí.", id="outlook spanish"
        ),
        pytest.param("Hello?\n-- \nAna\nACME", "Hello?", id="signature"),
        pytest.param(
            "On Monday my boss wrote:\nplease fix it. How?", None, id="prose that only sounds like it"
        ),
        pytest.param("From: here\nI go to there", None, id="prose with a colon"),
        pytest.param("> all of it is quoted", None, id="nothing but a quote"),
        pytest.param("El lunes cierra a las 10:00:\n¿y el martes?", None, id="a time in prose"),
        pytest.param("Hello", None, id="nothing to cut"),
        pytest.param("", None, id="nothing at all"),
    ],
)
def test_what_was_written_now_is_kept(text, written):
    assert reply_text(text) == (text if written is None else written)


def test_text_below_the_quote_keeps_it():
    text = "On Fri, Nov 20, 2026, Posta wrote:\n> Sure?\nYes."
    assert reply_text(text).endswith("Yes.")


@given(st.text(alphabet="On wrote:El\n> -From:2026", max_size=80))
def test_something_is_always_left_and_all_of_it_was_there(text):
    left = reply_text(text)
    assert left in text
    assert bool(left) == bool(text.strip())


@pytest.mark.skipif(not REPLIES.is_dir(), reason="the collected mails are not on this machine")
@pytest.mark.parametrize(
    "name",
    ["aol", "apple_mail", "apple_mail_2", "comcast", "gmail", "hotmail", "outlook", "sparrow", "yahoo"],
)
def test_a_real_reply_is_only_its_own_word(name):
    assert reply_text(parse((REPLIES / f"{name}.eml").read_bytes()).text) == "Hello"
