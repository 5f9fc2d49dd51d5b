"""What a connection writes in one step of the event loop is sent at once, in order, and before it closes."""

import asyncio
import socket

import pytest

from mlops_kit.serving.joined_writes import JoinedWrites


@pytest.fixture
def connected():
    """A function that runs a coroutine function with a transport, the calls of its `write`, and the client's socket."""

    def run(steps):
        async def main():
            ours, client = socket.socketpair()
            client.settimeout(10)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            calls, write = [], transport.write
            transport.write = lambda data: (calls.append(data), write(data))
            with client:
                await steps(JoinedWrites(transport, loop), calls, client)

        asyncio.run(main())

    return run


def test_writes_of_one_step_are_one_call(connected):
    async def steps(joined, calls, client):
        joined.write(b"head ")
        joined.write(b"body")
        assert calls == []
        await asyncio.sleep(0)
        assert calls == [b"head body"]
        joined.write(b", next")
        await asyncio.sleep(0)
        assert client.recv(100) == b"head body, next"
        assert len(calls) == 2

    connected(steps)


def test_closing_sends_first(connected):
    async def steps(joined, calls, client):
        joined.write(b"last words")
        joined.close()
        await asyncio.sleep(0)
        assert calls == [b"last words"]
        assert client.makefile("rb").read() == b"last words"

    connected(steps)


@pytest.mark.parametrize("lost_by", ["joined", "transport"])
def test_aborted_connection_is_not_written_to(connected, lost_by):
    async def steps(joined, calls, client):
        joined.write(b"too late")
        (joined if lost_by == "joined" else joined._transport).abort()
        await asyncio.sleep(0)
        assert joined.is_closing()
        assert calls == []
        assert client.recv(100) == b""

    connected(steps)


def test_everything_else_is_the_transports_own(connected):
    async def steps(joined, _calls, _client):
        assert joined.get_write_buffer_size() == 0
        assert joined.get_extra_info("socket") is not None
        joined.close()

    connected(steps)
