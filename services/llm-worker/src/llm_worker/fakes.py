"""Stand-ins for tests: a provider that follows a script, stores of answers and of books in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from llm_worker.answers.claims import Answer, Answered, Busy, Claim, Notes, OverBudget, Stored
from llm_worker.budget.attend import attend
from llm_worker.budget.book import Book, book_of
from llm_worker.budget.books import LastVisit, Visited
from llm_worker.budget.steady import Seen
from llm_worker.budget.visit import Rules, Visit
from llm_worker.conversation.turn import NewTurn
from llm_worker.providers.completion import Completion, Failed, Usage
from llm_worker.providers.port import Request, Result
from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.call import Call, Ended
from posta.errors import Unavailable


class FakeProvider:
    """Answers what its script says, in order, and then a fixed completion for ever; see ``Provider``."""

    def __init__(self, *script: Completion | Failed | BaseException) -> None:
        self._script = list(script)
        self.calls: list[Request] = []

    def script(self, *steps: Completion | Failed | BaseException) -> None:
        """Do these next."""
        self._script.extend(steps)

    async def ask(self, request: Request) -> Result:
        """See ``llm_worker.providers.port.Provider``."""
        self.calls.append(request)
        step = self._script.pop(0) if self._script else Completion(text="An answer.", model="fake-1")
        if isinstance(step, BaseException):
            raise step
        return Result(verdict=step)


class FakeBooks:
    """``llm_worker.budget.books.Books`` in memory; ``clock`` is the database's, ``away`` takes it away."""

    def __init__(self, clock: Callable[[], float], *, monotonic: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._monotonic = monotonic or clock
        self.books: dict[str, Book] = {}
        self.visits = 0
        self.away = False

    async def visit(self, bucket: str, visit: Visit, rules: Rules, *, last: LastVisit | None) -> Visited:
        """See ``Books``."""
        if self.away:
            raise Unavailable("postgres", "the fake is away")
        self.visits += 1
        begun = self._monotonic()
        book = book_of(self.books[bucket].to_json()) if bucket in self.books else Book()
        if last is not None:
            visit = replace(visit, seen=Seen(at=last.at, passed_s=begun - last.begun))
        answer, view = attend(book, visit, rules, database_now=self._clock())
        self.books[bucket] = book
        return Visited(answer=answer, view=view, last=LastVisit(at=view.at, begun=begun))


@dataclass(slots=True)
class _Row:
    owner: str
    fence: int
    lease_until: float
    calls: int
    answer: Answer | None = None
    scratch: str | None = None


@dataclass(slots=True)
class _Spent:
    """One call, as the books of money have it."""

    call: Call
    outcome: str = "begun"
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    is_used: bool = False


@dataclass(slots=True)
class FakeTable:
    """The rows that the fake stores of several processes share; their calls are all of one day."""

    rows: dict[str, _Row] = field(default_factory=dict)
    calls: dict[UUID, _Spent] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    turns: dict[str, NewTurn] = field(default_factory=dict)
    """By event; none of them is summarised."""

    def spent(self, tenant: str) -> tuple[Decimal, int]:
        """What counts against the tenant's budget."""
        its = [one for one in self.calls.values() if one.call.tenant == tenant]
        return sum((one.cost for one in its), Decimal(0)), sum(one.usage.tokens for one in its)

    def reserve(self, call: Call) -> bool:
        """Reserve what it may cost, if its tenant's budget allows that."""
        cost, tokens = self.spent(call.tenant)
        cost, tokens = cost + call.most_cost, tokens + call.most.tokens
        limit = call.limit
        if (limit.cost is not None and cost > limit.cost) or (
            limit.tokens is not None and tokens > limit.tokens
        ):
            self.refused[call.tenant] = self.refused.get(call.tenant, 0) + 1
            return False
        self.calls[call.id] = _Spent(call, usage=call.most, cost=call.most_cost)
        return True

    def warns(self, call: Call) -> bool:
        """Whether its tenant's warning is due for the first time."""
        cost, tokens = self.spent(call.tenant)
        most_cost, most_tokens = call.limit.warnings
        due = (most_cost is not None and cost >= most_cost) or (
            most_tokens is not None and tokens >= most_tokens
        )
        if not due or call.tenant in self.warned:
            return False
        self.warned.add(call.tenant)
        return True

    def remember(self, turn: NewTurn) -> int:
        """Add the turn, once for each event; the tokens of its conversation."""
        self.turns.setdefault(turn.event_id, turn)
        return sum(one.tokens for one in self.turns.values() if one.conversation == turn.conversation)

    def settle(self, ended: Sequence[Ended], *, used: UUID | None) -> None:
        """Enter what calls came to, once."""
        for one in ended:
            spent = self.calls[one.call.id]
            if spent.outcome in {"begun", "lost"}:
                spent.outcome, spent.usage, spent.cost = one.outcome, one.usage, one.cost
                spent.is_used = one.call.id == used


class FakeAnswers:
    """``llm_worker.answers.claims.Answers`` in memory; while ``away`` every method raises ``Unavailable``."""

    def __init__(self, table: FakeTable, *, owner: str, lease_s: float, clock: Callable[[], float]) -> None:
        self._table = table
        self._rows = table.rows
        self._owner = owner
        self._lease_s = lease_s
        self._clock = clock
        self.away = False

    async def find(self, event_id: str) -> Answer | None:
        """See ``Answers``."""
        self._reach()
        row = self._rows.get(event_id)
        return None if row is None else row.answer

    async def claim(
        self, event_id: str, *, scratch: str | None = None, call: Call | None = None
    ) -> Claim | Answered | Busy | OverBudget:
        """See ``Answers``."""
        self._reach()
        now = self._clock()
        row = self._rows.get(event_id)
        if row is None:
            row = self._rows[event_id] = _Row(self._owner, 0, 0.0, 0)
        elif row.answer is not None:
            if scratch is None or row.scratch == scratch:
                return Answered(answer=row.answer)
            row.answer = None
        elif row.owner != self._owner and row.lease_until > now:
            return Busy(lease_left_s=row.lease_until - now)
        row.owner, row.lease_until = self._owner, now + self._lease_s
        row.scratch = scratch or row.scratch
        row.fence += 1
        if call is not None and not self._table.reserve(call):
            claim = Claim(event_id=event_id, fence=row.fence, calls=row.calls)
            return OverBudget(claim=claim, first=self._table.refused[call.tenant] == 1)
        row.calls += 1
        warns = call is not None and self._table.warns(call)
        return Claim(event_id=event_id, fence=row.fence, calls=row.calls, warns=warns)

    async def again(self, claim: Claim, *, call: Call | None = None, ended: Sequence[Ended] = ()) -> bool:
        """See ``Answers``."""
        row = self._held(claim)
        self._table.settle(ended, used=None)
        if row is None or row.answer is not None:
            return False
        if call is not None and not self._table.reserve(call):
            raise BudgetUsedUp(call.tenant)
        row.calls += 1
        return True

    async def renew(self, claim: Claim) -> bool:
        """See ``Answers``."""
        row = self._held(claim)
        if row is None or row.answer is not None:
            return False
        row.lease_until = self._clock() + self._lease_s
        return True

    async def release(self, claim: Claim, *, ended: Sequence[Ended] = ()) -> None:
        """See ``Answers``."""
        row = self._held(claim)
        self._table.settle(ended, used=None)
        if row is not None and row.answer is None:
            row.lease_until = self._clock()

    async def store(
        self,
        claim: Claim,
        answer: Answer,
        *,
        ended: Sequence[Ended] = (),
        used: UUID | None = None,
        notes: Notes | None = None,
    ) -> Stored | None:
        """See ``Answers``."""
        row = self._held(claim)
        self._table.settle(ended, used=None if row is None else used)
        if row is None:
            return None
        row.answer = answer
        return Stored(open_tokens=None if notes is None else self._table.remember(notes.turn))

    def _held(self, claim: Claim) -> _Row | None:
        self._reach()
        row = self._rows.get(claim.event_id)
        held = row is not None and (row.owner, row.fence) == (self._owner, claim.fence)
        return row if held else None

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("postgres", "the fake is away")
