"""What a person is remembered by, /forget and a question passed on to a person, on the running system."""

import uuid

import pytest
from support.system import Posta, eventually

from posta_sandbox.discord.people import user

pytestmark = pytest.mark.e2e


def shown(posta: Posta, asked: dict) -> dict:
    """The interaction, once its answer stands in Discord."""
    return eventually(
        lambda: (found := posta.interaction(asked["id"]))["edits"] and found, within_s=60, why=posta.logs
    )


def remembered(posta: Posta, name: str) -> str:
    done = posta.system.posta("llm", "erase", "--user", user(name).id, "--dry-run")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("locale", "done"), [("en-US", "Done: "), ("es-ES", "Hecho: ")])
def test_who_uses_forget_is_told_so_in_private_and_is_forgotten(posta, locale, done):
    who = f"forgetful-{uuid.uuid4().hex[:8]}"
    shown(posta, posta.ask(f"What is a posthorn? {who}", user=who, channel="general", locale=locale))
    eventually(lambda: "1 questions" in remembered(posta, who), within_s=30, why=posta.logs)
    asked = posta.ask("", command="forget", options={}, user=who, channel="general", locale=locale)
    found = shown(posta, asked)
    assert found["edits"][-1]["content"].startswith(done)
    assert found["initial"]["body"]["data"]["flags"] == 64, "only the person sees it"
    assert "0 questions with their answers in 0 conversations" in remembered(posta, who)


def prompt_of(posta: Posta, question: str) -> str:
    """What the model was shown when it was asked this."""
    calls = [call for call in posta.calls("llm") if call["hints"].get("question") == question]
    detail = posta.http.get(f"{posta.sandbox}/api/calls/{calls[-1]['id']}").json()
    assert detail["kept"]
    return detail["request"]["body"]


def test_after_forget_no_prompt_holds_anything_of_before(posta):
    who, secret = f"forgetful-{uuid.uuid4().hex[:8]}", f"posthorn{uuid.uuid4().hex[:8]}"

    def ask(text: str) -> str:
        before = remembered(posta, who)
        shown(posta, posta.ask(text, user=who, channel="general"))
        eventually(lambda: remembered(posta, who) != before, within_s=30, why=posta.logs)
        return prompt_of(posta, text)

    ask(f"How do I clean a {secret}, please?")
    assert secret in ask("And how often do I have to polish it?"), "it is remembered until it is forgotten"
    shown(posta, posta.ask("", command="forget", options={}, user=who, channel="general"))
    prompt = ask("And what did it cost again, by the way?")
    assert secret not in prompt
    assert "polish" not in prompt
    assert "<conversation>\\n" not in prompt


def test_who_wants_a_person_is_told_so_and_the_operators_get_the_conversation(posta):
    who = f"puzzled-{uuid.uuid4().hex[:8]}"
    shown(posta, posta.ask(f"What is a posthorn? {who}", user=who, channel="general"))
    found = shown(posta, posta.ask("Please let me speak to a person", user=who, channel="general"))
    assert "pass this on to a person" in found["edits"][-1]["content"]
    eventually(
        lambda: any(who in str(message) and "posthorn" in str(message) for message in posta.messages("ops")),
        within_s=60,
        why=posta.logs,
    )
