"""HTTP on one connection: uvicorn's protocol class, with limits that uvicorn lacks."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from http import HTTPStatus
from typing import Any, Optional

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .connections import Connections
from .joined_writes import JoinedWrites

# Limits a head, and what is sent after a body or pipelined; AWS's load balancer allows as much.
HEAD_BYTES = 65_536
_MOST_LINES = 100
_MOST_AHEAD = 16  # pipelined requests
_PIECE = 16_384  # bytes that are parsed before the limits are checked


def bounded(pool: Connections) -> type[asyncio.Protocol]:
    """Return a protocol class for uvicorn that keeps its connections in `pool`."""
    return type("Connection", (Bounded,), {"pool": pool})


class Bounded(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # httptools' or h11's, whichever is installed
    """uvicorn's protocol, an object for each connection, with limits."""

    pool: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Add the connection to the pool."""
        super().connection_made(JoinedWrites(transport, self.loop))
        self._ahead: deque[Any] = deque()  # uvicorn's request/response cycles, the next one first
        self._useless = 0  # bytes since the last one that completed a head or belonged to a body
        self.pool.add(self)

    def connection_lost(self, error: Optional[Exception]) -> None:
        """Remove the connection from the pool."""
        self.pool.remove(self)
        self._give_up()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Parse received data, piece by piece, while it is within the limits."""
        for start in range(0, len(data), _PIECE):
            self._take(data[start : start + _PIECE] if len(data) > _PIECE else data)
            if self.transport.is_closing():
                break
        self._settle(has_sent=True)

    def on_headers_complete(self) -> None:
        """Add a request to the pipeline (httptools)."""
        super().on_headers_complete()
        self._ahead.append(self.cycle)

    def on_message_complete(self) -> None:
        """Record the end of a body, also after its response (httptools)."""
        super().on_message_complete()
        if self.cycle:
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Continue with the next pipelined request, or become idle."""
        if self._ahead:
            self._ahead.popleft()
        super().on_response_complete()
        self._settle()

    def pause_writing(self) -> None:
        """Mark the connection as pending: the client does not read."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """Continue: the client has read."""
        super().resume_writing()
        self._settle()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whose last response may be unread."""
        super().timeout_keep_alive_handler()
        self._settle()

    def send_400_response(self, _msg: str) -> None:
        """Respond to invalid HTTP, if a response is still possible, which h11 does not check."""
        self._refuse("this is not HTTP", HTTPStatus.BAD_REQUEST)

    def abort(self) -> None:
        """Close it without a response."""
        self._give_up()
        self.transport.abort()

    def time_out(self) -> None:
        """Close a connection that has been pending for too long."""
        if self.transport.is_closing() or self.flow.write_paused:
            self.pool.refused(self, "an answer was not read")
            self.abort()
        elif self._is_answered:
            # A client that has sent nothing would take a response for the one to its next request.
            status = HTTPStatus.REQUEST_TIMEOUT if self._useless else None
            self._refuse("a head did not come", status)
        else:
            self._refuse("a body did not come")

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _may_answer(self) -> bool:
        """Return whether a response can be sent now: no earlier one is due or incomplete."""
        if self._is_answered:
            return self.cycle is None or not self.cycle.more_body
        return not self.cycle.response_started and len(self._ahead) < 2

    def _take(self, piece: bytes) -> None:
        before = self.cycle
        length = len(before.body) if before else 0
        super().data_received(piece)
        if self.cycle is not before:
            self.pool.set_in_work(self)
            self._useless = 0
        elif before and (len(before.body) > length or (self._is_answered and before.more_body)):
            self._useless = 0
        else:
            self._useless += len(piece)
        in_work = not (self._is_answered or self.cycle.more_body)
        if len(self.headers or ()) > _MOST_LINES or (self._useless > HEAD_BYTES and not in_work):
            self._refuse("a head is too large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._useless > HEAD_BYTES or len(self._ahead) > 1 + _MOST_AHEAD:
            self._refuse("too much was sent ahead")

    def _settle(self, has_sent: bool = False) -> None:
        if self.transport.is_closing() or self.flow.write_paused:
            self.pool.set_pending(self)
        elif not self._is_answered:
            pending = self.cycle.more_body
            self.pool.set_pending(self) if pending else self.pool.set_in_work(self)
        elif has_sent or self.cycle is None or self.cycle.more_body:
            self.pool.set_pending(self)
        else:
            self.pool.set_idle(self)

    def _refuse(self, reason: str, status: Optional[HTTPStatus] = None) -> None:
        self.pool.refused(self, reason)
        if status and self._may_answer:
            self.transport.write(_answer(status, reason))
        self._give_up()
        self.transport.close()
        self._settle()

    def _give_up(self) -> None:
        """Cancel all requests: uvicorn itself cancels only the last one, and would write to a closed connection."""
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
