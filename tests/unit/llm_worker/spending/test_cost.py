"""What a call costs: prices of a million tokens, cached ones apart, and what is believed when nobody says."""

import json
import uuid
from decimal import Decimal

import pytest

from llm_worker.providers.completion import Completion, Failed, Outcome, Usage
from llm_worker.providers.port import Result
from llm_worker.providers.rules import PriceRules
from llm_worker.providers.verdict import Response, judge
from llm_worker.spending.call import Call, Tab, cost_of, ended
from posta.errors import Transient

PRICE = PriceRules(input=Decimal("0.15"), cached_input=Decimal("0.075"), output=Decimal("0.60"))
CALL = Call(
    id=uuid.UUID(int=1), event_id="e", conversation="c", tenant="guild:1", provider="p", model="m",
    price=PRICE, most=Usage(tokens_in=900, tokens_out=150),
)  # fmt: skip


def failed(outcome, *, usage=None, sent_after_s=0.1):
    verdict = Failed(outcome=outcome, failure=Transient("no"), usage=usage)
    return Result(verdict=verdict, sent_after_s=sent_after_s)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(), "0"),
        (Usage(tokens_in=1_000_000), "0.15"),
        (Usage(tokens_out=1_000_000), "0.60"),
        (Usage(tokens_in=1000, tokens_cached=400, tokens_out=100), "0.00018"),
        (Usage(tokens_in=1, tokens_out=1), "0.00000075"),
    ],
)
def test_cost_is_exact_to_the_last_digit(usage, cost):
    assert cost_of(usage, PRICE) == Decimal(cost)


def test_without_a_price_of_their_own_cached_tokens_cost_what_others_do():
    price = PriceRules(input=Decimal(2), output=Decimal(0))
    assert cost_of(Usage(tokens_in=500_000, tokens_cached=500_000), price) == 1


def test_a_price_from_yaml_is_the_decimal_that_stands_there():
    assert PriceRules.model_validate({"input": 0.1, "output": 0.3}).output == Decimal("0.3")


def test_what_the_provider_counted_is_what_it_cost():
    said = Completion(text="Hi", model="m", tokens_in=40, tokens_cached=10, tokens_out=5)
    found = ended(CALL, Result(verdict=said))
    assert (found.outcome, found.is_estimated) == ("ok", False)
    assert found.usage == Usage(tokens_in=40, tokens_cached=10, tokens_out=5)


def test_what_the_provider_did_not_count_is_estimated_on_the_safe_side():
    found = ended(CALL, Result(verdict=Completion(text="Twelve chars", model="m")))
    assert found.is_estimated
    assert found.usage == Usage(tokens_in=900, tokens_out=4)


def test_more_cached_tokens_than_there_were_are_not_believed():
    found = ended(
        CALL, Result(verdict=Completion(text="Hi", model="m", tokens_in=4, tokens_cached=9, tokens_out=1))
    )
    assert found.usage.tokens_cached == 4


@pytest.mark.parametrize(
    "outcome",
    [Outcome.THROTTLED, Outcome.QUOTA_EXHAUSTED, Outcome.UNAUTHORIZED, Outcome.REFUSED, Outcome.SERVER_ERROR,
     Outcome.TOO_LARGE, Outcome.CONTEXT_TOO_LONG, Outcome.REDIRECTED],
)  # fmt: skip
def test_a_call_that_the_provider_turned_away_costs_nothing(outcome):
    assert ended(CALL, failed(outcome)).cost == 0


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.TRUNCATED, Outcome.CONNECTION])
def test_a_call_that_broke_off_is_believed_to_cost_the_most(outcome):
    found = ended(CALL, failed(outcome))
    assert (found.usage, found.is_estimated) == (CALL.most, True)


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.CONNECTION])
def test_a_request_that_was_never_on_the_wire_costs_nothing(outcome):
    assert ended(CALL, failed(outcome, sent_after_s=0.0)).cost == 0


def test_a_call_that_we_cut_off_is_believed_to_cost_the_most():
    found = ended(CALL, None)
    assert (found.outcome, found.usage, found.is_estimated) == ("cancelled", CALL.most, True)


@pytest.mark.parametrize(
    ("message", "finish", "outcome"),
    [
        ({"content": None, "refusal": "no"}, "stop", Outcome.CONTENT_REFUSED),
        ({"content": "half an ans"}, "content_filter", Outcome.CONTENT_REFUSED),
        ({"content": None}, "length", Outcome.CUT_OFF),
        ({"content": " "}, "stop", Outcome.NO_CONTENT),
        ({"content": None, "tool_calls": [{}]}, "tool_calls", Outcome.TOOL_CALLS),
    ],
)
def test_an_answer_that_cannot_be_used_costs_what_was_counted(message, finish, outcome):
    body = {
        "choices": [{"message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7},
    }
    verdict = judge(Response(status=200, headers={}, body=json.dumps(body).encode()), model="m", now=0)
    found = ended(CALL, Result(verdict=verdict, sent_after_s=0.1))
    assert (found.outcome, found.is_estimated) == (outcome.value, False)
    assert found.usage == Usage(tokens_in=30, tokens_out=7)


def test_a_call_that_was_reserved_for_and_never_made_comes_to_nothing():
    tab = Tab()
    tab.begin(CALL)
    (found,) = tab.close()
    assert (found.outcome, found.cost) == ("not_made", 0)
    tab.clear([found])
    assert tab.close() == ()


def test_a_call_that_ended_is_not_closed_as_never_made():
    tab = Tab()
    tab.begin(CALL)
    tab.end(ended(CALL, None))
    assert [one.outcome for one in tab.close()] == ["cancelled"]
