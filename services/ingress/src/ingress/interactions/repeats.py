"""Answers the same interaction the same way: Discord may deliver one several times."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

_KEPT_MOST = 20_000


class Repeats:
    """The newest interactions by id, with their answers or who is working on them."""

    def __init__(self, *, kept_most: int = _KEPT_MOST) -> None:
        self._answers: OrderedDict[str, asyncio.Future[bytes]] = OrderedDict()
        self._kept_most = kept_most

    async def once(self, interaction_id: str, work: Callable[[], Awaitable[tuple[bytes, bool]]]) -> bytes:
        """The answer of ``work``, which runs once for an id; ``work`` says whether its answer is to be kept.

        A repetition that comes meanwhile waits for it. When ``work`` fails, each one tries for itself.
        """
        known = self._answers.get(interaction_id)
        if known is not None:
            try:
                return await asyncio.shield(known)
            except asyncio.CancelledError:
                if not known.cancelled():
                    raise
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[interaction_id] = answer
        while len(self._answers) > self._kept_most:
            self._answers.popitem(last=False)
        try:
            body, is_final = await work()
        except BaseException:
            answer.cancel()
            self._forget(interaction_id, answer)
            raise
        answer.set_result(body)
        if not is_final:
            self._forget(interaction_id, answer)
        return body

    def _forget(self, interaction_id: str, answer: "asyncio.Future[bytes]") -> None:
        if self._answers.get(interaction_id) is answer:
            del self._answers[interaction_id]
