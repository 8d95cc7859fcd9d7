"""Shares between static members: what a share says of its making, and when it has to be made anew."""

from types import SimpleNamespace

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberMetadata

from posta.engine.assignor import Assignor, Process, process_of

A, B = Process("a", 1, "x"), Process("b", 2, "y")


def topics(**counts):
    """A client, or its metadata, that knows topics with so many partitions."""
    return SimpleNamespace(partitions_for_topic=lambda topic: set(range(counts.get(topic, 0))) or None)


def share_of(member, *, by, of, members=(A, B)):
    """The share of ``member`` as it arrives, made by ``by`` of the topics ``of``."""
    said = {one.instance_id: Assignor(one).metadata(["t"]) for one in members}
    share = Assignor(by).assign(topics(**of), said)[member.instance_id]
    return ConsumerProtocol.ASSIGNMENT.decode(share.encode())


def test_shares_are_the_same_as_those_of_ranges():
    said = {"a": Assignor(A).metadata(["t", "u"]), "b": Assignor(B).metadata(["t"])}
    made = Assignor(A).assign(topics(t=5, u=2), said)
    plain = RangePartitionAssignor.assign(topics(t=5, u=2), said)
    assert {name: share.assignment for name, share in made.items()} == {
        name: share.assignment for name, share in plain.items()
    }


def test_without_an_instance_id_nothing_is_added_to_what_aiokafka_says():
    said = Assignor().metadata(["t"])
    assert said.encode() == RangePartitionAssignor.metadata(["t"]).encode()
    assert Assignor().assign(topics(t=2), {"a": said})["a"].user_data == b""


@pytest.mark.parametrize(
    ("now", "outdated"),
    [
        pytest.param({"t": 3}, {}, id="as it was"),
        pytest.param({"t": 5}, {"t": 5}, id="partitions were added"),
        pytest.param({"t": 1}, {"t": 1}, id="made anew with fewer"),
        pytest.param({}, {}, id="not there, or not heard of yet"),
    ],
)
def test_the_leader_finds_its_shares_outdated_once_also_when_it_has_taken_them_over(now, outdated):
    restarted = Assignor(A)
    restarted.on_assignment(share_of(A, by=A, of={"t": 3}))
    assert restarted.outdated(topics(**now)) == outdated
    assert restarted.outdated(topics(**now)) == {}, "told once for each assignment"


def test_who_does_not_lead_leaves_it_to_the_leader():
    follower = Assignor(B)
    follower.on_assignment(share_of(B, by=A, of={"t": 3}))
    assert follower.outdated(topics(t=5)) == {}


def test_a_share_of_a_leader_that_says_nothing_is_never_outdated():
    member = Assignor(A)
    member.on_assignment(share_of(A, by=None, of={"t": 3}))
    assert member.outdated(topics(t=5)) == {}


@pytest.mark.parametrize(
    ("metadata", "process"),
    [
        pytest.param(Assignor(A).metadata(["t"]).encode(), A, id="a static member"),
        pytest.param(Assignor().metadata(["t"]).encode(), None, id="no static member, or an earlier version"),
        pytest.param(b"", None, id="not told by Kafka"),
        pytest.param(ConsumerProtocolMemberMetadata(0, [], b"\xff{").encode(), None, id="another client's"),
        pytest.param(ConsumerProtocolMemberMetadata(0, [], b"[1]").encode(), None, id="no object"),
    ],
)
def test_a_member_is_known_by_what_it_joined_with(metadata, process):
    assert process_of(metadata) == process
