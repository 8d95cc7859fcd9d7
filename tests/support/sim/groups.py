"""The coordinator of one consumer group, as Kafka's classic protocol has it: members, rounds, commits.

    stable ──someone joins, leaves or is silent too long──▶ preparing ──all rejoined, or time over──▶ stable
                                                              (commits of the old generation still count)

Joining and syncing are one step here: when all have joined the leader's assignor is called at once. A static
member, one with an instance id, that joins anew takes its predecessor's place without a round; that one is
known no more. It is not told that it leads, even if it does (JoinGroup before version 9, as aiokafka's).
"""

import asyncio
import contextvars
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from posta.engine.fencing import FencedInstanceId


@dataclass(frozen=True)
class Joined:
    """The answers to a join and to the sync after it."""

    member_id: str
    generation: int
    leads: bool
    share: Any
    """What the leader's assignor made for this member."""


@dataclass
class Member:
    """One member as the coordinator knows it; times in seconds of the loop."""

    id: str
    assignor: Any
    metadata: Any
    """What the assignor says of the member, its topics first of all."""
    session_s: float
    rebalance_s: float
    seen: float
    instance_id: str | None = None
    share: Any = None
    joining: "asyncio.Future[Joined] | None" = field(default=None, repr=False)

    @property
    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(() if self.share is None else self.share.partitions())


class Group:
    """All that the coordinator remembers of a group."""

    def __init__(self, name: str, *, counts: Mapping[str, int], context: contextvars.Context) -> None:
        self.name = name
        self._counts = counts
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.commits: dict[TopicPartition, OffsetAndMetadata] = {}
        self.preparing = False
        self.leader = ""
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
        assignor: Any,
        topics: Iterable[str],
        session_s: float,
        rebalance_s: float,
        new_id: str = "",
        instance_id: str | None = None,
    ) -> "asyncio.Future[Joined]":
        """Join, or join again; the answer comes when the round is complete.

        An empty ``member_id`` is a newcomer's, who is known as ``new_id`` from then on.
        """
        if member_id and instance_id is not None and self._static.get(instance_id, member_id) != member_id:
            raise FencedInstanceId
        if member_id and member_id not in self.members:
            raise UnknownMemberIdError
        loop = asyncio.get_running_loop()
        joined_as = member_id or new_id
        member = self.members.get(joined_as)
        metadata = assignor.metadata(topics)
        answer: asyncio.Future[Joined] = loop.create_future()
        if member is None:
            member = Member(joined_as, assignor, metadata, session_s, rebalance_s, loop.time(), instance_id)
            before = self._replaced(instance_id, by=joined_as)
            self.members[joined_as] = member
            self._watch(member)
            if before is not None and not self.preparing:
                member.share = before.share
                answer.set_result(Joined(joined_as, self.generation, leads=False, share=before.share))
                return answer
        elif not self.preparing and joined_as != self.leader:
            # A follower who joins again as it was is only told what it has.
            answer.set_result(Joined(joined_as, self.generation, leads=False, share=member.share))
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
        before = self._remove(self._static.get(instance_id, ""))
        self._static[instance_id] = by
        if before is None:
            return None
        self.takeovers += 1
        if self.leader == before.id:
            self.leader = by
        if before.joining is not None and not before.joining.done():
            before.joining.set_exception(FencedInstanceId())
        return before

    def _remove(self, member_id: str) -> Member | None:
        member = self.members.pop(member_id, None)
        if member is not None and member.instance_id is not None:
            del self._static[member.instance_id]
        return member

    def leave(self, member_id: str) -> None:
        if self._remove(member_id) is not None:
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

    def described(self) -> tuple[Any, ...]:
        """As DescribeGroups answers: the members' metadata only while no round is under way."""
        members = [
            (member.id, "", "", b"" if self.preparing else member.metadata.encode(), b"")
            for member in self.members.values()
        ]
        state = "PreparingRebalance" if self.preparing else "Stable" if members else "Empty"
        return (0, self.name, state, "consumer", "range", members)

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
        self._limit_round()

    def _limit_round(self) -> None:
        longest_s = max(member.rebalance_s for member in self.members.values())
        loop = asyncio.get_running_loop()
        loop.call_later(longest_s, self._time_over, self._round, context=self._context)

    def _time_over(self, number: int) -> None:
        """Who has not joined again is left behind; a static member stays while its session lasts."""
        if not self.preparing or number != self._round:
            return
        for member in list(self.members.values()):
            if member.joining is None and member.instance_id is None:
                self._remove(member.id)
        if any(member.joining is not None for member in self.members.values()):
            self._complete()
        elif self.members:
            self._limit_round()
        else:
            self.preparing = False

    def _complete_if_all(self) -> None:
        if not self.members:
            self.preparing = False
        elif self.preparing and all(member.joining is not None for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        self.preparing = False
        self.generation += 1
        self.rebalances += 1
        joined = [member for member in self.members.values() if member.joining is not None]
        if self.leader not in {member.id for member in joined}:
            self.leader = joined[0].id
        shares = self.members[self.leader].assignor.assign(
            _Topics(self._counts), {member.id: member.metadata for member in self.members.values()}
        )
        for member in self.members.values():
            member.share = shares[member.id]
            future, member.joining = member.joining, None
            if future is None:
                continue
            member.seen = asyncio.get_running_loop().time()
            if not future.done():
                leads = member.id == self.leader
                future.set_result(Joined(member.id, self.generation, leads=leads, share=member.share))

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


@dataclass(frozen=True)
class _Topics:
    """What an assignor asks of a client's metadata."""

    counts: Mapping[str, int]

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.counts.get(topic)
        return None if count is None else set(range(count))
