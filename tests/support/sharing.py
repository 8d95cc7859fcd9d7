"""Stores answers as llm-worker does, so that others who ask the same are given them."""

from dataclasses import replace

from support.turns import new_turn

from llm_worker.answers.claims import Answer, Claim, Notes, Stored
from llm_worker.answers.postgres import PostgresAnswers
from posta.postgres.pool import Database


async def answer(
    database: Database,
    event_id: str,
    text: str = "It is cotton.",
    *,
    conversation: str | None = None,
    shared_for_s: float | None = 60.0,
) -> Stored | None:
    """Claim and store, with a turn of ``conversation`` (by default one of its own)."""
    answers = PostgresAnswers(database, owner="a test", lease_s=15.0)
    claim = await answers.claim(event_id)
    assert isinstance(claim, Claim), claim
    turn = replace(new_turn(conversation or f"of {event_id}", 1), event_id=event_id, answer=text)
    notes = Notes(turn=turn, shared_for_s=shared_for_s)
    return await answers.store(claim, Answer(text=text, model="m"), notes=notes)
