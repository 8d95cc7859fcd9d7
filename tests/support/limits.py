"""Discord's limits for tests: nothing is shared, nothing is scarce, unless the test says so."""

import time

from notifier.discord.endpoint import ADDRESS, BOT
from notifier.limits.buckets import Buckets
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.limits import Limits
from notifier.limits.refusals_budget import RefusalBudget
from notifier.limits.slots import Slots


def own_limits(*, clock=time.monotonic, wall_clock=time.time, slots=1000, refusals=1000):
    """The limits of a process that is alone."""
    scopes = {
        name: GlobalLimit(Slots(slots, valid_until=float("inf")), most_waiting=100, clock=clock)
        for name in (ADDRESS, BOT)
    }
    budget = RefusalBudget(most=refusals)
    return Limits(Buckets(), scopes, budget, clock=clock, wall_clock=wall_clock)
