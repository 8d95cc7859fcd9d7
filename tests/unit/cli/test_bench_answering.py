"""What the answering benchmark reads out of a run, by ledgers whose truth is known."""

import pytest

from posta_cli.bench.answering.backlog import Run
from posta_cli.bench.answering.measures import (
    Allowed,
    LedgerCall,
    after_learning,
    per_hour,
    refused_share,
    used_share,
)
from posta_cli.bench.answering.naive import Said, messages, pause_s
from posta_cli.bench.answering.naive_worker import NaiveResult
from posta_cli.bench.answering.run import outcomes_of
from posta_cli.bench.figures import AtMostTimes
from posta_cli.bench.mailbox.goods import GOODS
from posta_cli.bench.mailbox.sample import letters
from posta_cli.bench.report import Report, as_json

ALLOWED = Allowed(rpm=8, tpm=None, minute_s=6.0)


def calls(*times, status=200, tokens=0):
    return [LedgerCall(at, status, tokens) for at in times]


def every_window(windows, each, *, length_s=6.0, tokens=0):
    times = [window * length_s for window in range(windows) for _ in range(each)]
    return calls(*times, tokens=tokens)


@pytest.mark.parametrize(
    ("made", "share"),
    [
        pytest.param(every_window(11, 8), 1.0, id="all of it"),
        pytest.param(every_window(11, 4), 0.5, id="half of it"),
        pytest.param(every_window(1, 8) + every_window(11, 4), 0.5, id="the first window does not count"),
        pytest.param(every_window(101, 8, length_s=12.0), 0.5, id="every other minute"),
        pytest.param(calls(1.0), 0.0, id="one call"),
        pytest.param([], 0.0, id="none"),
    ],
)
def test_what_was_used_of_the_allowance(made, share):
    assert used_share(made, allowed=ALLOWED) == pytest.approx(share, abs=0.01)


def test_at_each_moment_the_limit_that_binds_counts():
    allowed = Allowed(rpm=30, tpm=6000, minute_s=6.0)
    large = every_window(11, 12, tokens=500)
    small = calls(*(66 + window * 6.0 for window in range(10) for _ in range(30)), tokens=50)
    assert used_share(large, allowed=allowed) == pytest.approx(1.0)
    assert used_share(large + small, allowed=allowed) == pytest.approx(1.0)
    assert used_share(every_window(11, 6, tokens=500), allowed=allowed) == pytest.approx(0.5)


def test_refused_calls_use_nothing():
    made = every_window(11, 8) + calls(*range(60), status=429)
    assert used_share(made, allowed=ALLOWED) == pytest.approx(1.0)


def test_what_is_refused_within_the_first_minute_is_learning():
    made = calls(0.0, 1.0) + calls(2.0, 5.9, 6.0, status=429) + calls(7.0)
    assert refused_share(made) == 0.5
    assert refused_share(after_learning(made, minute_s=6.0)) == 0.5
    assert len(after_learning(made, minute_s=6.0)) == 2
    assert refused_share([]) == 0


def test_mails_an_hour_are_of_the_providers_time():
    assert per_hour(8, seconds=6.0, minute_s=6.0) == pytest.approx(480)


def test_a_naive_worker_sleeps_longer_with_each_refusal():
    assert [pause_s(n, minute_s=60) for n in (1, 2, 3, 4)] == [30, 60, 120, 120]
    assert pause_s(1, minute_s=6) == 3


def test_a_naive_prompt_holds_the_whole_mail_all_that_was_said_and_every_price():
    letter = next(one for one in letters(60) if one.kind == "follow_up")
    prompt = messages(letter, [Said("Asked before?", "Answered before.")], "Be brief.")
    assert [one["role"] for one in prompt] == ["system", "user", "assistant", "user"]
    assert all(goods.name in prompt[0]["content"] for goods in GOODS)
    assert letter.body in prompt[-1]["content"]


def run_of(*, naive_tokens):
    mails = letters(20)
    return Run(
        letters=mails,
        allowed=ALLOWED,
        calls=every_window(2, 8),
        naive=NaiveResult(answered=10, calls=20, refused=10, tokens=naive_tokens, first_at=0.0, last_at=12.0),
        naive_calls=calls(*range(10)) + calls(*range(10), status=429),
        called=frozenset(range(1, 13)),
        tokens=6000,
        begun=0.0,
        ended=12.0,
        waits_s={letter.uid: 6.0 if letter.uid <= 12 else 0.6 for letter in mails},
        cpu_s=1.0,
        peak_mib=80.0,
        complete=True,
    )


@pytest.mark.parametrize(("naive_tokens", "met"), [(6000, True), (5000, False)])
def test_the_report_compares_both_and_judges_every_target(naive_tokens, met):
    outcomes = outcomes_of("8rpm", run_of(naive_tokens=naive_tokens))
    report = Report(name="llm", date="", size="", machine={}, versions={}, outcomes=outcomes)
    speed, tokens, refused = as_json(report)["scenarios"]
    assert (speed["ours"]["median"], speed["peers"]["naive"]["median"]) == (600, 300)
    assert speed["notes"]["mails that needed a call, %"]["max"] == 60
    assert speed["notes"]["the middle mail without a call waited, minutes"]["max"] == pytest.approx(0.1)
    assert (tokens["ours"]["median"], tokens["met"]) == (300, met)
    assert (refused["ours"]["median"], refused["peers"]["naive"]["median"]) == (0, 50)


def test_at_most_so_many_times_needs_the_peer():
    target = AtMostTimes(0.5, "naive")
    assert target.is_met({"posta": 1.0, "naive": 2.0}) is True
    assert target.is_met({"posta": 1.1, "naive": 2.0}) is False
    assert target.is_met({"posta": 1.0}) is None
