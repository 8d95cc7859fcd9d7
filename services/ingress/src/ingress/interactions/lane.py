"""A connection on which interactions have a lane of their own; all else goes to the whole HTTP parser.

    between requests --a plain interaction--> answering --answered--> between requests
           |  ^                                   |
           |  '------------ answered -------------+--shutting down--> closed
           '--anything else--> the whole parser, until it is between requests again

Half of the processor time of an acknowledged interaction was parser and framework; see ADR 7. What may come
this way is told by ``wire``; how it is answered, traced and counted by ``reception``.
"""

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ingress.interactions.reception import Reception
from ingress.interactions.wire import Arrival, Foreign, Incomplete, head, read

_CLOSE = (b"connection", b"close")


class InteractionsLane(H11Protocol):
    """One connection, as uvicorn's server makes, watches and ends them."""

    def __init__(
        self,
        reception: Reception,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._reception = reception
        self._held = b""
        """What came and was given to nobody yet."""
        self._answering = False
        self._is_ending = False
        self._met_parser = False

    def data_received(self, data: bytes) -> None:
        """Take what came: a part of a request, one, or several."""
        self._unset_keepalive_if_required()
        if self._answering:
            # The next request before the answer; it waits, and the sender with it.
            self._held += data
            self.flow.pause_reading()
        elif self._met_parser and not self._is_between_requests():
            super().data_received(data)
        else:
            self._take(self._held + data)

    def shutdown(self) -> None:
        """End when what is under way is answered."""
        if self._answering:
            self._is_ending = True
        else:
            super().shutdown()

    def _is_between_requests(self) -> bool:
        idle = self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE
        return idle and not self.conn.trailing_data[0]

    def _take(self, data: bytes) -> None:
        self._held = b""
        match read(data, max_body_bytes=self._reception.max_body_bytes):
            case Arrival(size=size) as arrival:
                self._held = data[size:]
                self._answering = True
                task = self.loop.create_task(self._answer(arrival))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            case Incomplete():
                self._held = data
            case Foreign():
                self._met_parser = True
                super().data_received(data)

    async def _answer(self, arrival: Arrival) -> None:
        try:
            answer = await self._reception.answer(arrival)
        except BaseException:
            self.transport.close()
            raise
        finally:
            self._answering = False
        closes = self._is_ending or _CLOSE in answer.headers
        headers = [*self.server_state.default_headers, *answer.headers]
        if closes and _CLOSE not in answer.headers:
            headers.append(_CLOSE)
        if not self.transport.is_closing():
            self.transport.write(head(answer.status, headers, length=len(answer.body)) + answer.body)
        if closes:
            self.transport.close()
        self.on_response_complete()
        if self._held and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._take(self._held)
