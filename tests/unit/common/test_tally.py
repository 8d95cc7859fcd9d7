"""Tallied metrics look to Prometheus exactly like the library's own."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from posta.telemetry.tally import TallyCounter, TallyHistogram

BUCKETS = (0.005, 0.1, 1, 2.5)


def without_created(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_a_counter_is_exposed_like_the_librarys():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = TallyCounter("posta_things_total", "Things.", ["group", "topic"], registry=ours)
    library = Counter("posta_things_total", "Things.", ["group", "topic"], registry=theirs)
    for labels in (("g", "a"), ("g", "b"), ("g", "a")):
        tally.labels(*labels).inc()
        library.labels(*labels).inc()
    assert without_created(ours) == without_created(theirs)


def test_a_histogram_is_exposed_like_the_librarys_at_and_beyond_its_bounds():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = TallyHistogram("posta_took_seconds", "Time.", ["group"], buckets=BUCKETS, registry=ours)
    library = Histogram("posta_took_seconds", "Time.", ["group"], buckets=BUCKETS, registry=theirs)
    for value in (0.0, 0.005, 0.05, 1, 2.5, 2.6, 100):
        tally.labels("g").observe(value)
        library.labels("g").observe(value)
    assert without_created(ours) == without_created(theirs)
