"""Turns of conversations as tests make them."""

from llm_worker.conversation.turn import NewTurn


def new_turn(conversation: str, number: int, *, person: str = "discord:2", tokens: int = 30) -> NewTurn:
    """``q<number>`` with its answer, of an event of its own."""
    return NewTurn(
        conversation=conversation,
        person=person,
        language="en",
        event_id=f"{conversation}/{number}",
        question=f"q{number}",
        answer=f"a{number}",
        tokens=tokens,
    )
