"""The coordinator of one consumer group, as Kafka's classic protocol has it: members, rounds, commits.

    stable ──someone joins, leaves or is silent too long──▶ preparing ──all rejoined, or time over──▶ stable
                                                              (commits of the old generation still count)

Joining and syncing are one step here: the broker assigns by range itself. A static member, one with an
instance id, that joins anew takes its predecessor's place without a round; that one is known no more.
"""

import asyncio
import contextvars
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

Assignment = tuple[int, frozenset[TopicPartition]]


@dataclass
class Member:
    """One member as the coordinator knows it; times in seconds of the loop."""

    id: str
    topics: tuple[str, ...]
    session_s: float
    rebalance_s: float
    seen: float
    assigned: frozenset[TopicPartition] = frozenset()
    joining: "asyncio.Future[Assignment] | None" = field(default=None, repr=False)


class Group:
    """All that the coordinator remembers of a group."""

    def __init__(self, name: str, *, counts: Mapping[str, int], context: contextvars.Context) -> None:
        self.name = name
        self._counts = counts
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.commits: dict[TopicPartition, OffsetAndMetadata] = {}
        self.preparing = False
        self.rebalances = 0
        self.takeovers = 0
        """How often a static member took its predecessor's place, which is no round."""
        self._static: dict[str, str] = {}
        """The member that each instance id belongs to."""
        self._serial = itertools.count(1)
        self._context = context
        self._round = 0

    def join(
        self,
        member_id: str,
        *,
        topics: Iterable[str],
        session_s: float,
        rebalance_s: float,
        new_id: str = "",
        instance_id: str | None = None,
    ) -> "asyncio.Future[Assignment]":
        """Join, or join again; the answer comes when the round is complete.

        An empty ``member_id`` is a newcomer's, who is known as ``new_id`` from then on.
        """
        if member_id and member_id not in self.members:
            raise UnknownMemberIdError
        loop = asyncio.get_running_loop()
        joined_as = member_id or new_id
        member = self.members.get(joined_as)
        answer: asyncio.Future[Assignment] = loop.create_future()
        if member is None:
            member = Member(joined_as, tuple(topics), session_s, rebalance_s, loop.time())
            before = self._replaced(instance_id, by=joined_as)
            self.members[joined_as] = member
            self._watch(member)
            if before is not None and not self.preparing:
                member.assigned = before.assigned
                answer.set_result((self.generation, before.assigned))
                return answer
        member.seen = loop.time()
        member.joining = answer
        self._prepare()
        self._complete_if_all()
        return answer

    def _replaced(self, instance_id: str | None, *, by: str) -> Member | None:
        """The member that had the instance id until now, if there is one; nobody knows it any more."""
        if instance_id is None:
            return None
        before = self.members.pop(self._static.get(instance_id, ""), None)
        self._static[instance_id] = by
        self.takeovers += before is not None
        if before is not None and before.joining is not None and not before.joining.done():
            before.joining.set_exception(UnknownMemberIdError())
        return before

    def leave(self, member_id: str) -> None:
        if self.members.pop(member_id, None) is not None:
            self._prepare()
            self._complete_if_all()

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Raises what the coordinator answers when not all is well."""
        member = self._member(member_id, generation)
        member.seen = asyncio.get_running_loop().time()
        if self.preparing:
            raise RebalanceInProgressError

    def commit(
        self, member_id: str, generation: int, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        """Raises ``UnknownMemberIdError`` or ``IllegalGenerationError`` for a member of the past."""
        member = self._member(member_id, generation)
        member.seen = asyncio.get_running_loop().time()
        self.commits.update(offsets)

    def rebalance(self) -> None:
        """Begin a round, as when somebody joins."""
        self._prepare()

    def forgive_silence(self) -> None:
        """A coordinator that was away begins to wait for heartbeats anew."""
        now = asyncio.get_running_loop().time()
        for member in self.members.values():
            member.seen = now

    def _member(self, member_id: str, generation: int) -> Member:
        member = self.members.get(member_id)
        if member is None:
            raise UnknownMemberIdError
        if generation != self.generation:
            raise IllegalGenerationError
        return member

    def _prepare(self) -> None:
        if self.preparing or not self.members:
            return
        self.preparing = True
        self._round += 1
        longest_s = max(member.rebalance_s for member in self.members.values())
        loop = asyncio.get_running_loop()
        loop.call_later(longest_s, self._time_over, self._round, context=self._context)

    def _time_over(self, number: int) -> None:
        if self.preparing and number == self._round:
            for member in list(self.members.values()):
                if member.joining is None:
                    del self.members[member.id]
            self._complete_if_all()

    def _complete_if_all(self) -> None:
        if not self.members:
            self.preparing = False
            return
        if not self.preparing or any(member.joining is None for member in self.members.values()):
            return
        self.preparing = False
        self.generation += 1
        self.rebalances += 1
        for member, assigned in self._by_range():
            future, member.joining, member.assigned = member.joining, None, assigned
            member.seen = asyncio.get_running_loop().time()
            if future is not None and not future.done():
                future.set_result((self.generation, assigned))

    def _by_range(self) -> list[tuple[Member, frozenset[TopicPartition]]]:
        """Each topic's partitions in ascending runs over its readers, in the order of their ids."""
        shares: dict[str, set[TopicPartition]] = {member_id: set() for member_id in self.members}
        topics = {topic for member in self.members.values() for topic in member.topics}
        for topic in sorted(topics):
            readers = sorted(m.id for m in self.members.values() if topic in m.topics)
            share, rest = divmod(self._counts.get(topic, 0), len(readers))
            first = 0
            for place, reader in enumerate(readers):
                size = share + (place < rest)
                shares[reader] |= {TopicPartition(topic, n) for n in range(first, first + size)}
                first += size
        return [(member, frozenset(shares[member.id])) for member in self.members.values()]

    def _watch(self, member: Member) -> None:
        """Look whenever the member's session could be over."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            if self.members.get(member.id) is not member:
                return
            left_s = member.seen + member.session_s - loop.time()
            if member.joining is None and left_s <= 0:
                self.leave(member.id)
                return
            loop.call_later(max(left_s, 0.1), look, context=self._context)

        loop.call_later(member.session_s, look, context=self._context)
