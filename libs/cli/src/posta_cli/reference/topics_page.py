"""topics.md: every topic, who writes and reads it, how long it is kept, and what its records carry."""

from collections.abc import Iterable

from posta import topics
from posta.kafka import producer
from posta.kafka.producer import NULL_VALUE_HEADER
from posta.settings import KafkaSettings
from posta.topics import Group, Topic
from posta_cli.reference import docstrings, record_headers
from posta_cli.reference.markdown import code, codes, one_line, page, table
from posta_cli.reference.record_headers import RecordHeader

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))

_INTRODUCTION = """\
`posta.topics` declares these topics; `posta topics plan` compares a cluster with them and
`posta topics apply` creates what is missing. `POSTA_KAFKA__TOPIC_PREFIX` goes in front of every
topic's and group's name."""

_KEYS = """\
A record's key decides its partition, and records of one key are handled one after the other. The key of a
question is its conversation, so that one person's questions are answered in order; the key of a delivery is
its destination, so that one member of the group paces what goes there."""


def render() -> str:
    """Return the page."""
    return page(
        "Topics",
        _INTRODUCTION,
        _partitions(),
        "## Sources\n\n" + _KEYS,
        _topics(topics.SOURCES),
        "## Groups",
        table(("group", "reads", "retry lanes", "dead letters"), map(_group_row, topics.GROUPS)),
        *(part for group in topics.GROUPS if group.lane_delays_s for part in _group(group)),
        "## Record headers",
        "Every header is UTF-8 text. When a name repeats, the last one counts.",
        "### Of every event\n\nCloudEvents 1.0, Kafka's binary content mode; the value is the data as JSON.",
        _headers(record_headers.of_events()),
        "### Of a record that failed\n\nAdded behind the original's own headers, which stay as they were, in "
        "retry lanes and in dead-letter topics.",
        _headers(record_headers.of_deliveries()),
        "### Of a dead letter",
        _headers(record_headers.of_dead_letters()),
        f"{code(NULL_VALUE_HEADER)}: "
        + one_line(docstrings.of_constants(producer)["NULL_VALUE_HEADER"])
        + " Kafka's client refuses a record with neither key nor value, so such a one is published so.",
    )


def _partitions() -> str:
    defaults = KafkaSettings()
    return (
        f"Every topic has the same number of partitions (`POSTA_KAFKA__PARTITIONS`, {defaults.partitions} by "
        "default) and range assignment, so that one member of a group owns partition *i* of all topics the "
        "group reads: a key's retries and its fresh records meet in one process. Changing the number later "
        "moves keys between partitions; it is done only by `posta topics apply --grow`. Each topic is "
        f"kept in `POSTA_KAFKA__REPLICATION_FACTOR` copies ({defaults.replication_factor} by default; "
        "3 in production)."
    )


def _group(group: Group) -> tuple[str, ...]:
    return (
        f"### {group.name}: retries and dead letters",
        _topics((*group.lanes, group.dlq)),
    )


def _group_row(group: Group) -> tuple[str, ...]:
    lanes = codes(lane.name for lane in group.lanes)
    return (
        code(group.name),
        codes(topic.name for topic in group.reads),
        lanes or "none: it never gives up",
        code(group.dlq.name) if group.lane_delays_s else "none",
    )


def _topics(listed: Iterable[Topic]) -> str:
    return table(
        ("topic", "key", "written by", "read by", "kept", "largest record"),
        (
            (
                code(topic.name),
                topic.key,
                ", ".join(topic.written_by),
                ", ".join(topic.read_by),
                _duration(topic.retention_s),
                f"{topic.max_message_bytes} bytes",
            )
            for topic in listed
        ),
    )


def _headers(listed: Iterable[RecordHeader]) -> str:
    return table(
        ("header", "meaning", "example"),
        ((code(one.name), one.meaning, code(one.example)) for one in listed),
    )


def _duration(seconds: int) -> str:
    """``7 d``, or ``7 d 10 min`` for what does not come out even."""
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)
