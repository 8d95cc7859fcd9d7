"""Stand-ins for tests: a provider that follows a script, and a store of answers in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from llm_worker.claims import Answer, Answered, Busy, Claim
from llm_worker.completion import Completion
from llm_worker.prompt import Prompt
from posta.errors import Unavailable


class FakeProvider:
    """Raises or returns what its script says, in order, and then a fixed completion for ever."""

    def __init__(self, *script: Completion | BaseException) -> None:
        self._script = list(script)
        self.calls: list[tuple[Prompt, float]] = []

    async def complete(self, prompt: Prompt, *, timeout_s: float) -> Completion:
        """See ``llm_worker.handler.Provider``."""
        self.calls.append((prompt, timeout_s))
        step = self._script.pop(0) if self._script else Completion(text="An answer.", model="fake-1")
        if isinstance(step, BaseException):
            raise step
        return step


@dataclass(slots=True)
class _Row:
    owner: str
    fence: int
    lease_until: float
    calls: int
    answer: Answer | None = None


@dataclass(slots=True)
class FakeTable:
    """The rows that the fake stores of several processes share."""

    rows: dict[str, _Row] = field(default_factory=dict)


class FakeAnswers:
    """``llm_worker.claims.Answers`` in memory; while ``away`` every method raises ``Unavailable``."""

    def __init__(self, table: FakeTable, *, owner: str, lease_s: float, clock: Callable[[], float]) -> None:
        self._rows = table.rows
        self._owner = owner
        self._lease_s = lease_s
        self._clock = clock
        self.away = False

    async def claim(self, event_id: str) -> Claim | Answered | Busy:
        """See ``Answers``."""
        self._reach()
        now = self._clock()
        row = self._rows.get(event_id)
        if row is None:
            row = self._rows[event_id] = _Row(self._owner, 0, 0.0, 0)
        elif row.answer is not None:
            return Answered(answer=row.answer)
        elif row.owner != self._owner and row.lease_until > now:
            return Busy(lease_left_s=row.lease_until - now)
        row.owner, row.lease_until = self._owner, now + self._lease_s
        row.fence += 1
        row.calls += 1
        return Claim(event_id=event_id, fence=row.fence, calls=row.calls)

    async def renew(self, claim: Claim) -> bool:
        """See ``Answers``."""
        row = self._held(claim)
        if row is None or row.answer is not None:
            return False
        row.lease_until = self._clock() + self._lease_s
        return True

    async def release(self, claim: Claim) -> None:
        """See ``Answers``."""
        row = self._held(claim)
        if row is not None and row.answer is None:
            row.lease_until = self._clock()

    async def store(self, claim: Claim, answer: Answer) -> bool:
        """See ``Answers``."""
        row = self._held(claim)
        if row is None:
            return False
        row.answer = answer
        return True

    def _held(self, claim: Claim) -> _Row | None:
        self._reach()
        row = self._rows.get(claim.event_id)
        held = row is not None and (row.owner, row.fence) == (self._owner, claim.fence)
        return row if held else None

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("postgres", "the fake is away")
