"""A full mailbox in simulated time: nearly all of the allowance is used, and nothing beyond it."""

import pytest
from support.llm_backlog import World, answered

from posta_cli.bench.answering.measures import Allowed, LedgerCall, used_share
from posta_cli.bench.mailbox.goods import PRICE_LIST
from posta_cli.bench.mailbox.sample import letters

MINUTE_S = 60.0


def questions(count):
    """As long as the benchmark's are with what is looked up for them."""
    asked = [one for one in letters(2 * count) if one.kind != "frequent"][:count]
    return [f"{one.body[:500]}\n{PRICE_LIST[: (80, 250, 600)[one.uid % 3]]}" for one in asked]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rpm", "tpm", "refused_most"),
    [
        pytest.param(30, 6000, 0, id="tokens bind, and every answer tells the limit"),
        pytest.param(8, None, 5, id="requests bind, and only a refusal tells the limit"),
    ],
)
def test_two_workers_use_at_least_95_percent_of_the_allowance_and_never_more(rpm, tpm, refused_most):
    world = World(rpm=rpm, tpm=tpm, minute_s=MINUTE_S)
    texts = questions(140)
    found = answered(world, texts)
    assert len(found.waits) == len(texts)
    assert len(found.calls) == len(texts), "nothing is paid for twice"
    assert len(found.refused) <= refused_most
    assert all(at < found.calls[0][0] + MINUTE_S for at in found.refused), "refused while learning only"
    calls = [LedgerCall(at, 200, tokens) for at, tokens in found.calls]
    assert used_share(calls, allowed=Allowed(rpm=rpm, tpm=tpm, minute_s=MINUTE_S)) >= 0.95
