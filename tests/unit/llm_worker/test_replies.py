from datetime import timedelta

import pytest
from support.questions import AT, discord_question, email_question

from llm_worker.replies import DISCORD_MAX_CHARS, answer_reply, apology_reply
from posta.domain.ids import reference_number
from posta.domain.payloads import DiscordTarget, EmailTarget


def test_an_answer_on_discord_carries_what_delivers_it():
    asked = discord_question(locale="es-ES", key="discord:g:p")
    reply = answer_reply(asked, "Porque sí.", at=AT)
    assert (reply.id, reply.key, reply.expires_at) == ("discord:1/answer", "discord:g:p", asked.expires_at)
    assert reply.data.question_id == asked.id
    assert (reply.data.kind, reply.data.text, reply.data.locale) == ("answer", "Porque sí.", "es-ES")
    assert reply.data.target == DiscordTarget(
        interaction_id="1",
        application_id="99",
        token=asked.data.token.get_secret_value(),
        user_id=asked.data.person.id,
        channel_id=asked.data.channel_id,
        guild_id=asked.data.guild_id,
        ephemeral=asked.data.ephemeral,
    )


@pytest.mark.parametrize(
    ("thread", "references"),
    [
        pytest.param({}, ("<m1@example.test>",), id="the first mail"),
        pytest.param(
            {"references": ("<a@x>", "<b@x>")}, ("<a@x>", "<b@x>", "<m1@example.test>"), id="a thread"
        ),
        pytest.param({"in_reply_to": "<a@x>"}, ("<a@x>", "<m1@example.test>"), id="no References"),
        pytest.param({"references": ("<a@x>",), "message_id": None}, ("<a@x>",), id="no Message-ID"),
    ],
)
def test_an_answer_by_mail_goes_on_with_the_thread(thread, references):
    asked = email_question(subject="Sky", **thread)
    target = answer_reply(asked, "Because.", at=AT).data.target
    assert target == EmailTarget(
        account="posta@example.test",
        to="ana@example.test",
        to_name="Ana",
        subject="Sky",
        in_reply_to=asked.data.message_id,
        references=references,
    )


def test_a_long_answer_is_left_whole_for_notifier_to_split_and_a_huge_one_cut_visibly():
    long, huge = "word " * 1000, "word " * 5000
    for question in (discord_question(), email_question()):
        assert answer_reply(question, long, at=AT).data.text == long.strip()
        cut = answer_reply(question, huge, at=AT).data.text
        assert len(cut) <= DISCORD_MAX_CHARS
        assert cut.endswith("word…")


@pytest.mark.parametrize(
    ("locale", "beginning"),
    [("en-GB", "I am sorry: I could not answer"), ("es-MX", "Lo siento: no he podido responder")],
)
@pytest.mark.parametrize("question", [discord_question, email_question])
def test_an_apology_speaks_the_persons_language_and_names_the_reference(question, locale, beginning):
    asked = question(locale=locale)
    reply = apology_reply(asked, at=AT)
    assert reply is not None
    assert reply.id == f"{asked.id}/apology"
    assert reply.data.kind == "apology"
    assert reply.data.text.startswith(beginning)
    assert reference_number(asked.id) in reply.data.text


def test_a_dead_interaction_token_can_carry_no_apology():
    asked = discord_question()
    assert asked.expires_at is not None
    assert apology_reply(asked, at=asked.expires_at) is None
    assert apology_reply(asked, at=asked.expires_at - timedelta(seconds=1)) is not None


def test_an_apology_by_mail_never_expires():
    asked = email_question()
    reply = apology_reply(asked, at=AT + timedelta(days=9))
    assert reply is not None
    assert reply.expires_at is None
