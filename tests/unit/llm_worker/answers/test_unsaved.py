from llm_worker.answers.claims import Answer, Claim
from llm_worker.answers.unsaved import Kept, Unsaved


def test_the_oldest_answer_goes_when_there_are_too_many():
    unsaved = Unsaved(max_answers=2)
    for event_id in ("a", "b", "a", "c"):
        claim = Claim(event_id=event_id, fence=1, calls=1)
        unsaved.keep(Kept(claim=claim, answer=Answer(text=event_id, model="m")))
    assert unsaved.find("b") is None
    assert unsaved.find("a") is not None
    assert unsaved.find("c") is not None
