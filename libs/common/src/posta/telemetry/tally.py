"""Counters and histograms for the hot path: plain numbers, read when Prometheus asks.

The client library locks for each step of each metric; the engine counts only from its event loop, so
it needs none of that, and a scrape from another thread reads whole numbers at worst a moment old.
Names, types and values are those of the library's own metrics.

Rule: only for what one thread counts; everything else takes the library's metrics.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Count:
    """One counter with its labels; add to ``value``."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, by: int = 1) -> None:
        """Count ``by`` more."""
        self.value += by


class Spread:
    """One histogram with its labels."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Per bucket, not cumulative; the last one is for what exceeds every bound."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class TallyCounter(Collector):
    """Like ``prometheus_client.Counter``; its name ends in ``_total``."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.label_names = tuple(labels)
        self._children: dict[tuple[str, ...], Count] = {}
        registry.register(self)

    def labels(self, *values: str) -> Count:
        """The counter with these labels, the same object each time; keep it."""
        return self._children.setdefault(values, Count())

    def describe(self) -> list[Metric]:
        """Name and type only."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Every child as it is now."""
        family = self._family()
        for values, child in list(self._children.items()):
            family.add_metric(values, child.value)
        yield family

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(
            self.name.removesuffix("_total"), self.documentation, labels=self.label_names
        )


class TallyHistogram(Collector):
    """Like ``prometheus_client.Histogram``; ``buckets`` are upper bounds, ascending, without infinity."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.label_names = tuple(labels)
        self._buckets = tuple(buckets)
        self._children: dict[tuple[str, ...], Spread] = {}
        registry.register(self)

    def labels(self, *values: str) -> Spread:
        """The histogram with these labels, the same object each time; keep it."""
        return self._children.setdefault(values, Spread(self._buckets))

    def describe(self) -> list[Metric]:
        """Name and type only."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Every child as it is now."""
        family = self._family()
        for values, child in list(self._children.items()):
            family.add_metric(values, _cumulative(child), child.total)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self.name, self.documentation, labels=self.label_names)


def _cumulative(child: Spread) -> list[tuple[str, float]]:
    so_far, found = 0, []
    for bound, count in zip((*child.bounds, float("inf")), list(child.counts), strict=True):
        so_far += count
        # It has no types; it writes a bound as the library does, so that both look the same.
        found.append((floatToGoString(bound), float(so_far)))  # type: ignore[no-untyped-call]
    return found
