"""All purses of one worker, and the task that carries their news to the books."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from llm_worker.budget.books import Books
from llm_worker.budget.purse import Purse
from llm_worker.budget.shares import SharePolicy
from llm_worker.budget.visit import Rules, View
from llm_worker.circuit.breaker import Circuit
from llm_worker.providers.lineup import Lineup, Model
from posta.background import alongside
from posta.errors import Failure
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_CANARY_MARGIN_S = 15.0
"""Beyond the longest call: a canary is lost only when it cannot be under way any more."""
_CLOSE_S = 2.0
_CIRCUITS = {"closed": 0, "half_open": 1, "open": 2}


class Purses:
    """One purse per bucket; models that share a bucket share its purse."""

    def __init__(
        self,
        lineup: Lineup,
        books: Books,
        *,
        owner: str,
        keep_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._books = books
        self._owner = owner
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._news = asyncio.Event()
        self._freed = asyncio.Event()
        self._purses: dict[str, Purse] = {}
        self.use(lineup)

    @property
    def lineup(self) -> Lineup:
        """The models as they are now."""
        return self._lineup

    def use(self, lineup: Lineup) -> None:
        """Keep to these models and limits from now on; purses of models that are gone end their calls."""
        self._lineup = lineup
        shares = SharePolicy(share=lineup.fairness.share, burst=lineup.fairness.burst)
        circuit = replace(lineup.circuit, canary_s=lineup.longest_call_s + _CANARY_MARGIN_S)
        # Of models that share a bucket the first one's limits count.
        for bucket, model in {
            model.bucket: model for model in reversed(tuple(lineup.models.values()))
        }.items():
            rules = Rules(allowance=model.allowance, circuit=Circuit(circuit), shares=shares)
            if bucket in self._purses:
                self._purses[bucket].use(rules)
            else:
                self._purses[bucket] = Purse(
                    bucket,
                    self._books,
                    rules,
                    owner=self._owner,
                    keep_s=self._keep_s,
                    monotonic=self._monotonic,
                )
        shortest_s = min(model.allowance.minute_s for model in lineup.models.values())
        self._every_s = shortest_s / 60
        self.look_again_s = shortest_s / 20
        """How long a refusal is believed: by then calls that ended may have given room back."""

    def of(self, model: Model) -> Purse:
        """The purse that pays for ``model``."""
        return self._purses[model.bucket]

    def is_full_everywhere(self) -> bool:
        """Whether no model has room for anybody, as far as is known without asking."""
        return all(self.of(model).refusal() is not None for model in self._lineup.models.values())

    @property
    def in_flight(self) -> dict[str, int]:
        """Calls of this process under way, by model."""
        return {name: self.of(model).in_flight for name, model in self._lineup.models.items()}

    def settled(self, purse: Purse) -> None:
        """A call of ``purse`` ended: what it did not use may be room for whoever waits."""
        if purse.is_urgent_news:
            self._news.set()
        self._freed.set()

    async def freed(self, within_s: float) -> None:
        """Return when a call of this process ends, or after so many seconds."""
        self._freed.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._freed.wait()
        except TimeoutError:
            pass  # nobody here gave anything back; room ages out all the same

    async def look(self) -> Mapping[str, View]:
        """Every model's book as it is now. Raises ``Unavailable``."""
        for purse in self._purses.values():
            await purse.look()
        return self.views()

    def views(self) -> dict[str, View]:
        """Every model's book as of this worker's last visit; models never visited are left out."""
        found = {name: self.of(model).view for name, model in self._lineup.models.items()}
        return {name: view for name, view in found.items() if view is not None}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry news for the block; at its end give back what is leased."""
        try:
            async with alongside(self._carry, name="llm purses"):
                yield
        finally:
            for purse in self._purses.values():
                try:
                    async with asyncio.timeout(_CLOSE_S):
                        await purse.close()
                except (Failure, TimeoutError) as exc:
                    log.warning("lease_not_returned", bucket=purse.bucket, reason=type(exc).__name__)

    async def _carry(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()
            except TimeoutError:
                pass  # the time to look around has come
            self._news.clear()
            for purse in self._purses.values():
                if purse.is_dirty:
                    await self._tell(purse)
            self._show()

    async def _tell(self, purse: Purse) -> None:
        try:
            await purse.look()
        except Failure as exc:
            log.warning("llm_book_away", bucket=purse.bucket, reason=str(exc))
        except Exception:
            # A defect here must not end the task that keeps everybody's book right.
            log.exception("llm_book_broken", bucket=purse.bucket)

    def _show(self) -> None:
        for name, view in self.views().items():
            names.LLM_CIRCUIT.labels(name).set(_CIRCUITS[view.circuit])
            for window in view.windows:
                names.LLM_USED.labels(name, window.name).set(window.used)
                if window.limit is not None:
                    names.LLM_LIMIT.labels(name, window.name).set(window.limit)
