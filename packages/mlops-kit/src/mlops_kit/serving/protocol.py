"""HTTP on one connection: uvicorn's protocol, within bounds that it has not."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from http import HTTPStatus
from typing import Any, Optional

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .connections import Connections

# A head, or what follows a body, or what is sent ahead of an answer; the load balancer of AWS allows as much.
HEAD_BYTES = 65_536
_MOST_LINES = 100
_MOST_AHEAD = 16  # requests that wait for the answer to the one before
_PIECE = 16_384  # bytes that are parsed before the bounds are looked at


def bounded(pool: Connections) -> type[asyncio.Protocol]:
    """Return the protocol for uvicorn whose connections `pool` knows."""
    return type("Connection", (Bounded,), {"pool": pool})


class Bounded(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # httptools' or h11's, which is there
    """uvicorn's protocol of one connection, within bounds."""

    pool: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._ahead: deque[Any] = deque()  # uvicorn's cycles, the one that is answered first
        self._useless = 0  # bytes since the last that completed a head or belonged to a body
        self.pool.add(self)

    def connection_lost(self, error: Optional[Exception]) -> None:
        """End."""
        self.pool.remove(self)
        self._give_up()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, piece by piece, as long as it is within the bounds."""
        for start in range(0, len(data), _PIECE):
            self._take(data[start : start + _PIECE] if len(data) > _PIECE else data)
            if self.transport.is_closing():
                break
        self._settle(has_sent=True)

    def on_headers_complete(self) -> None:
        """Note a request that may have to wait for another's answer (httptools)."""
        super().on_headers_complete()
        self._ahead.append(self.cycle)

    def on_message_complete(self) -> None:
        """Note the end of a body, also of one that was answered before (httptools)."""
        super().on_message_complete()
        if self.cycle:
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Go on with what was sent ahead, or rest."""
        if self._ahead:
            self._ahead.popleft()
        super().on_response_complete()
        self._settle()

    def pause_writing(self) -> None:
        """Note that the answer waits to be read."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """Note that it was read."""
        super().resume_writing()
        self._settle()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, whose last answer may still wait to be read."""
        super().timeout_keep_alive_handler()
        self._settle()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.pool.refused(self, "not HTTP")
        self._give_up()
        super().send_400_response(msg)

    def abort(self) -> None:
        """End it without a word."""
        self._give_up()
        self.transport.abort()

    def is_late(self) -> None:
        """End a connection that has owed something for too long."""
        if self.transport.is_closing() or self.flow.write_paused:
            self.pool.refused(self, "an answer was not read")
            self.abort()
        elif self._is_answered:
            # Who has sent nothing asked nothing, and takes any answer for that to its next question.
            status = HTTPStatus.REQUEST_TIMEOUT if self._useless else None
            self._refuse("a head did not come", status)
        else:
            self._refuse("a body did not come")

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _may_answer(self) -> bool:
        """Whether no other answer, or the rest of one, is still to come."""
        if self._is_answered:
            return self.cycle is None or not self.cycle.more_body
        return not self.cycle.response_started and len(self._ahead) < 2

    def _take(self, piece: bytes) -> None:
        before = self.cycle
        length = len(before.body) if before else 0
        super().data_received(piece)
        if self.cycle is not before:
            self.pool.works(self)
            self._useless = 0
        elif before and (len(before.body) > length or (self._is_answered and before.more_body)):
            self._useless = 0
        else:
            self._useless += len(piece)
        is_asked = not (self._is_answered or self.cycle.more_body)
        if len(self.headers or ()) > _MOST_LINES or (self._useless > HEAD_BYTES and not is_asked):
            self._refuse("a head is too large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._useless > HEAD_BYTES or len(self._ahead) > 1 + _MOST_AHEAD:
            self._refuse("too much was sent ahead")

    def _settle(self, has_sent: bool = False) -> None:
        if self.transport.is_closing() or self.flow.write_paused:
            self.pool.owes(self)
        elif not self._is_answered:
            owes = self.cycle.more_body
            self.pool.owes(self) if owes else self.pool.works(self)
        elif has_sent or self.cycle is None or self.cycle.more_body:
            self.pool.owes(self)
        else:
            self.pool.rests(self)

    def _refuse(self, reason: str, status: Optional[HTTPStatus] = None) -> None:
        self.pool.refused(self, reason)
        if status and self._may_answer:
            self.transport.write(_answer(status, reason))
        self._give_up()
        self.transport.close()
        self._settle()

    def _give_up(self) -> None:
        """Have no request answered any more: uvicorn itself forgets those ahead of the last, and writes into nothing."""
        for cycle in (*self._ahead, self.cycle):
            if cycle and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()


def _answer(status: HTTPStatus, detail: str) -> bytes:
    body = json.dumps({"detail": detail}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
