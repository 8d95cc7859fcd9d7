"""The simulation reports an engine that is broken on purpose, by the invariant that it breaks."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

import pytest
from support.sim.patches import everywhere
from support.sim.scenario import seeded
from support.sim.world import Broken, run

from posta.domain import commit_metadata, failure, key_order, keyqueue, retry, watermark
from posta.engine import handover, outlet
from posta.kafka.producer import PublishFailed

Defect = Callable[[], Any]
_MOST_SEEDS = 60


@contextmanager
def planted(*patches: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        yield


def the_newest_is_committed() -> Any:
    newest = property(lambda mark: mark._position)
    return planted(patch.object(watermark.Watermark, "committable", newest))


def more_is_named_finished_than_is() -> Any:
    honest = commit_metadata.encode
    return planted(
        *everywhere(honest, lambda mark, finished, **options: honest(mark, {*finished, mark + 1}, **options))
    )


def it_is_finished_before_it_is_published() -> Any:
    def careless(self: outlet.Outlet, topic: str, wire: Any, partition: Any, **options: Any) -> Any:
        async def once() -> None:
            with suppress(PublishFailed):
                await self._producer.publish(topic, [wire], timeout_s=0.5, partition=options.get("to"))

        return asyncio.ensure_future(once())

    return planted(patch.object(outlet.Outlet, "post", careless))


def the_order_of_keys_is_ignored() -> Any:
    honest = keyqueue.KeyQueues.push

    def impatient(self: keyqueue.KeyQueues[Any], link: Any) -> None:
        link.line = None
        honest(self, link)

    return planted(patch.object(keyqueue.KeyQueues, "push", impatient))


def a_line_lets_the_second_go_first() -> Any:
    honest = key_order.KeyOrder.next

    def rash(self: key_order.KeyOrder[Any], key: bytes, now: float) -> Any:
        line = self._lines.get(key)
        follower = None if line is None or line.busy is not None else line.first_off(now)
        if line is not None and follower is not None and follower is not line.head():
            return key_order.Handle(key_order._start(line, follower))
        return honest(self, key, now)

    return planted(patch.object(key_order.KeyOrder, "next", rash))


def not_before_is_ignored() -> Any:
    honest = retry.decide

    def hasty(*args: Any, now: float, **options: Any) -> Any:
        found = honest(*args, now=now, **options)
        return found if isinstance(found, retry.DeadLetter) else _at_once(found, now)

    return planted(*everywhere(honest, hasty))


def _at_once(wait: retry.Wait, now: float) -> retry.Wait:
    return retry.Wait(not_before=now, attempt=wait.attempt, error_class=wait.error_class)


def attempts_are_not_counted() -> Any:
    honest = retry.decide

    def forgetful(*args: Any, attempt: int, **options: Any) -> Any:
        return honest(*args, attempt=max(1, attempt) + 1, **options)

    return planted(*everywhere(honest, forgetful))


def an_old_assignment_still_counts() -> Any:
    async def keep(_handover: handover.Handover, _partitions: Any, _consumer: Any) -> None:
        """Nothing is drained, committed, cancelled or forgotten."""

    return planted(patch.object(handover.Handover, "_hand_back", keep))


def what_waits_is_finished_when_it_is_revoked() -> Any:
    honest = handover.Handover._hand_back

    async def careless(self: handover.Handover, partitions: Any, consumer: Any) -> None:
        for partition in partitions:
            for offset in list(partition.watermark._pending):
                partition.watermark.finished(offset)
            partition.unsaved = True
        await honest(self, partitions, consumer)

    return planted(patch.object(handover.Handover, "_hand_back", careless))


def a_copy_differs_from_its_original() -> Any:
    honest = failure.with_headers
    return planted(*everywhere(honest, lambda original, added: honest(original, {**added, "ce_more": "1"})))


@pytest.mark.parametrize(
    ("defect", "invariants"),
    [
        pytest.param(the_newest_is_committed, {"I6"}, id="a watermark that commits the newest"),
        pytest.param(more_is_named_finished_than_is, {"I6"}, id="metadata that names too much"),
        pytest.param(it_is_finished_before_it_is_published, {"I6", "I1"}, id="finished before published"),
        pytest.param(the_order_of_keys_is_ignored, {"I3"}, id="key order ignored"),
        pytest.param(a_line_lets_the_second_go_first, {"I3"}, id="ordered retries overtaken"),
        pytest.param(not_before_is_ignored, {"I7"}, id="not-before ignored"),
        pytest.param(an_old_assignment_still_counts, {"I2", "I3", "I6"}, id="an old generation counts"),
        pytest.param(what_waits_is_finished_when_it_is_revoked, {"I6"}, id="revoked records finished"),
        pytest.param(a_copy_differs_from_its_original, {"I5"}, id="a copy that differs"),
        pytest.param(attempts_are_not_counted, {"I4"}, id="attempts jump"),
    ],
)
def test_a_planted_defect_is_reported(defect: Defect, invariants: set[str]):
    with defect():
        for seed in range(_MOST_SEEDS):
            try:
                run(seeded(seed))
            except Broken as exc:
                print(f"seed {seed}: {exc.broken[0]}")
                if exc.which & invariants:
                    return
    pytest.fail(f"{_MOST_SEEDS} runs did not show it")
