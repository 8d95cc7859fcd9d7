"""Twenty webhooks, many messages, two notifiers, in virtual time: what the limits allow is used.

The same with real processes is tests/chaos/test_notifier_pace.py; here no busy machine can hide a flaw.
"""

import heapq
import itertools
import random
from collections import Counter, deque

import pytest

from notifier.discord.endpoint import ADDRESS
from notifier.limits.buckets import Buckets, Target, Told
from notifier.limits.division import Claim, divide
from notifier.limits.slots import Slots

LEDGER_S = 0.004
"""Between two messages of one webhook: the first is noted, the second begun."""


class Window:
    """Discord's side of one limit: a fixed window that opens with its first call."""

    def __init__(self, limit, length_s):
        self.limit, self.length_s, self.end, self.used = limit, length_s, 0.0, 0

    def count(self, now):
        if now >= self.end:
            self.end, self.used = now + self.length_s, 0
        self.used += 1
        return self.used <= self.limit


class Simulation:
    """All of it, in events ordered by time."""

    def __init__(self, *, webhooks, messages, members, way_s, seed):
        self.chance, self.way_s = random.Random(seed), way_s
        self.left = dict.fromkeys(range(webhooks), messages // webhooks)
        self.member_of = {n: 0 if n < members[0] else 1 for n in range(webhooks)}
        claims = {str(n): Claim(wanted=50, weight=count) for n, count in enumerate(members)}
        self.slots = [Slots(part, valid_until=float("inf")) for _, part in sorted(divide(50, claims).items())]
        self.next_pump = [0.0, 0.0]
        self.buckets, self.lines = [Buckets(), Buckets()], [deque(), deque()]
        self.everything = Window(50, 1.0)
        self.windows = [Window(5, 2.0) for _ in range(webhooks)]
        self.refused, self.served, self.now = 0, Counter(), 0.0
        self.events, self.tie = [], itertools.count()

    def at(self, when, what, *of):
        heapq.heappush(self.events, (when, next(self.tie), what, of))

    def run(self, *, until_left=0):
        for webhook in self.left:
            self.at(0.0, self.try_to_send, webhook)
        while self.events and min(self.left.values()) > until_left:
            self.now, _, what, of = heapq.heappop(self.events)
            what(*of)
        return sum(self.served.values()) / self.now

    def target(self, webhook):
        return Target("POST webhook", str(webhook), scope=ADDRESS)

    def try_to_send(self, webhook):
        member = self.member_of[webhook]
        wait_s = self.buckets[member].wait_s(self.target(webhook), self.now)
        if wait_s > 0:
            self.at(self.now + wait_s, self.try_to_send, webhook)
            return
        self.lines[member].append(webhook)
        self.pump(member)

    def pump(self, member):
        line, slots = self.lines[member], self.slots[member]
        while line and slots.take(self.now):
            webhook = line.popleft()
            assert self.buckets[member].take(self.target(webhook), self.now) == 0
            there_s = self.way_s * self.chance.uniform(0.5, 1.5) / 2
            self.at(self.now + there_s, self.serve, webhook, self.now)
        if line and slots.wait_s(self.now) < 10 and self.next_pump[member] <= self.now:
            self.next_pump[member] = self.now + slots.wait_s(self.now) + 1e-6
            self.at(self.next_pump[member], self.pump, member)

    def serve(self, webhook, sent_at):
        window = self.windows[webhook]
        fine = self.everything.count(self.now) & window.count(self.now)
        self.refused += not fine
        self.served[webhook] += fine
        told = Told(
            limit=5,
            remaining=max(0, 5 - window.used),
            reset_after_s=window.end - self.now,
            reset_at=1000 + window.end,
        )
        back_s = self.way_s * self.chance.uniform(0.5, 1.5) / 2
        self.at(self.now + back_s, self.answer, webhook, told, sent_at)

    def answer(self, webhook, told, sent_at):
        member = self.member_of[webhook]
        self.buckets[member].answered(self.target(webhook), told, self.now)
        self.slots[member].answered(self.now, took_s=self.now - sent_at)
        self.left[webhook] -= 1
        self.at(self.now + LEDGER_S, self.try_to_send, webhook)
        self.pump(member)


@pytest.mark.slow
@pytest.mark.parametrize("way_s", [0.005, 0.02, 0.15], ids=["loopback", "near", "across the world"])
def test_what_is_allowed_is_used_fairly_and_nothing_is_refused(way_s):
    # For two minutes a long way is not believed: the last run is long enough to see the time after that, too.
    messages = 5_000 if way_s <= 0.02 else 12_000
    simulation = Simulation(webhooks=20, messages=messages, members=(13, 7), way_s=way_s, seed=7)
    rate = simulation.run()
    mean = sum(simulation.served.values()) / 20
    assert simulation.refused == 0
    assert max(abs(count / mean - 1) for count in simulation.served.values()) <= 0.10
    share = rate / 50
    print(f"{share:.1%} of the allowed rate, {way_s * 1000:.0f} ms there and back")
    assert share >= (0.95 if way_s <= 0.02 else 0.88)
