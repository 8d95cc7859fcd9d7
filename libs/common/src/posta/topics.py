"""Every topic Posta uses: the one declaration that services, command, docs and tests read.

Every topic that one group reads has the same number of partitions and is assigned by range, so
that one member owns partition *i* of all of them: a key's retries and its fresh records meet there.
"""

from dataclasses import dataclass

from posta.domain.lanes import DEFAULT_DELAYS_S, lane_label

DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic, without the prefix that a deployment may put in front of its name."""

    name: str
    key: str
    """What the record key is."""
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    retention_s: int = 7 * DAY_S
    """Must be far longer than the longest outage: what ages out is lost."""
    max_message_bytes: int = 1_048_588


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A consumer group: what it reads, and the lanes it retries through."""

    name: str
    reads: tuple[Topic, ...]
    lane_delays_s: tuple[int, ...] = DEFAULT_DELAYS_S

    @property
    def lanes(self) -> tuple[Topic, ...]:
        """One delay topic per lane, shortest delay first."""
        return tuple(
            Topic(
                name=lane_topic(self.name, delay),
                key="the original key",
                written_by=(self.name,),
                read_by=(self.name,),
                retention_s=7 * DAY_S + delay,
                max_message_bytes=2 * 1_048_588,
            )
            for delay in self.lane_delays_s
        )

    @property
    def dlq(self) -> Topic:
        """Where the group's dead letters go."""
        return Topic(
            name=dlq_topic(self.name),
            key="the original key",
            written_by=(self.name,),
            read_by=("dlq-admin",),
            retention_s=30 * DAY_S,
            max_message_bytes=2 * 1_048_588,
        )


def lane_topic(group: str, delay_s: int) -> str:
    """``<group>.retry.<delay>``."""
    return f"{group}.retry.{lane_label(delay_s)}"


def dlq_topic(group: str) -> str:
    """``<group>.dlq``."""
    return f"{group}.dlq"


DISCORD_INTERACTIONS = Topic(
    name="discord.interactions",
    key="conversation id",
    written_by=("ingress",),
    read_by=("llm-worker",),
)
EMAIL_RECEIVED = Topic(
    name="email.received",
    key="conversation id (mail thread)",
    written_by=("email-poller",),
    read_by=("llm-worker",),
)
EVENTS_PUBLISHED = Topic(
    name="events.published",
    key="destination id",
    written_by=("ingress", "llm-worker", "notifier"),
    read_by=("notifier",),
)
REPLIES_READY = Topic(
    name="replies.ready",
    key="destination id (an interaction's conversation, a mail's thread)",
    written_by=("llm-worker", "notifier"),
    read_by=("notifier",),
)

SOURCES = (DISCORD_INTERACTIONS, EMAIL_RECEIVED, EVENTS_PUBLISHED, REPLIES_READY)

LLM_WORKER = Group(name="llm-worker", reads=(DISCORD_INTERACTIONS, EMAIL_RECEIVED))
NOTIFIER = Group(name="notifier", reads=(REPLIES_READY, EVENTS_PUBLISHED))
DLQ_ADMIN = Group(name="dlq-admin", reads=(LLM_WORKER.dlq, NOTIFIER.dlq), lane_delays_s=())
"""Indexes dead letters; it never gives one up, so it has neither lanes nor a dead-letter topic."""

GROUPS = (LLM_WORKER, NOTIFIER, DLQ_ADMIN)


def all_topics() -> tuple[Topic, ...]:
    """Every topic of the system, sources first."""
    retrying = tuple(group for group in GROUPS if group.lane_delays_s)
    lanes = tuple(lane for group in retrying for lane in group.lanes)
    return SOURCES + lanes + tuple(group.dlq for group in retrying)
