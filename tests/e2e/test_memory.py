"""A question passed on to a person, on the running system."""

import uuid

import pytest
from support.system import Posta, eventually

pytestmark = pytest.mark.e2e


def shown(posta: Posta, asked: dict) -> dict:
    """The interaction, once its answer stands in Discord."""
    return eventually(
        lambda: (found := posta.interaction(asked["id"]))["edits"] and found, within_s=60, why=posta.logs
    )


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
