"""What a purse has to tell the book at its next visit: what was used or given back, how calls ended."""

from collections.abc import Callable
from dataclasses import replace

from llm_worker.budget.lease import Lease, Reservation
from llm_worker.budget.visit import Spent, Visit
from llm_worker.circuit.breaker import Proof, Report
from llm_worker.providers.told import Told


class News:
    """Gathered between two visits; ``monotonic`` tells how long ago a provider said something."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._spent: list[Spent] = []
        self._reports: list[Report] = []
        self._told: list[tuple[Told, float]] = []
        """With the time at which it was told."""
        self._questions: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there are any that the book should hear soon."""
        return bool(self._spent or self._reports or self._told)

    @property
    def is_urgent(self) -> bool:
        """Something failed, or a limit was told by a refusal."""
        return any(r.failed or r.canary for r in self._reports) or any(
            told.retry_after_s is not None for told, _ in self._told
        )

    def asked(self, tenant: str) -> None:
        """A question of ``tenant`` got its turn."""
        self._questions[tenant] = self._questions.get(tenant, 0) + 1

    def spent(self, reservation: Reservation, *, begun: float, tokens: int) -> None:
        """Its call was on its way at ``begun`` (monotonic) and came to ``tokens``."""
        last = reservation.last
        self._spent.append(
            Spent(
                leased_until=reservation.leased_until,
                used_at=last.at + max(0.0, begun - last.begun),
                leased_calls=1,
                leased_tokens=reservation.need.tokens,
                tokens=tokens,
            )
        )

    def unused(self, reservation: Reservation) -> None:
        """Its call was not made."""
        self._back(reservation.leased_until, calls=1, tokens=reservation.need.tokens)
        if reservation.canary is not None:
            self._reports.append(Report(canary=(reservation.canary, Proof.NOTHING)))

    def returned(self, lease: Lease) -> None:
        """What is left of it is not needed."""
        if not lease.calls and not lease.tokens:
            return
        self._back(lease.grant.use_until, calls=lease.calls, tokens=lease.tokens)
        if lease.calls and lease.grant.canary is not None:
            self._reports.append(Report(canary=(lease.grant.canary, Proof.NOTHING)))

    def ended(self, reservation: Reservation, report: Report) -> None:
        """How its call ended; what went well is summed up."""
        if reservation.canary is not None:
            proof = Proof.FAILED if report.failed else Proof.LIVED if report.ok else Proof.NOTHING
            self._reports.append(Report(canary=(reservation.canary, proof)))
        elif report.failed or not self._reports or self._reports[-1].failed or self._reports[-1].canary:
            self._reports.append(report)
        else:
            self._reports[-1] = replace(self._reports[-1], ok=self._reports[-1].ok + report.ok)

    def heard(self, told: Told, at: float) -> None:
        """What the provider said of its limits, at that monotonic time."""
        self._told.append((told, at))

    def carried(self, visit: Visit) -> Visit:
        """``visit`` with all of it.

        It is not told again: if the answer to the visit is lost, the book errs on the safe side.
        """
        now = self._monotonic()
        visit = replace(
            visit,
            spent=tuple(self._spent),
            reports=tuple(self._reports),
            told=tuple(replace(told, age_s=max(0.0, now - at)) for told, at in self._told),
            questions=self._questions,
        )
        self._spent, self._reports, self._told, self._questions = [], [], [], {}
        return visit

    def _back(self, leased_until: float, *, calls: int, tokens: int) -> None:
        self._spent.append(
            Spent(leased_until=leased_until, used_at=None, leased_calls=calls, leased_tokens=tokens)
        )
