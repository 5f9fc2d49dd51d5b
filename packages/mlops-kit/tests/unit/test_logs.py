"""Log lines leave in order by a thread; where nobody reads them they are dropped, counted, and hold nothing up."""

import json
import logging
import os
import select
import threading

import pytest

from mlops_kit.serving import logs
from mlops_kit.serving.logs import JsonHandler, LineWriter

PATIENCE = 60


class Pipe:
    """A pipe whose reader may be late or gone."""

    def __init__(self):
        self.reading, self.writing = os.pipe()

    def fill(self):
        """Leave no room, as a reader does that has stopped."""
        os.set_blocking(self.writing, False)
        try:
            while True:
                os.write(self.writing, b"\n" * 4096)
        except BlockingIOError:
            os.set_blocking(self.writing, True)

    def read(self):
        """Close the writing end and return all that was written behind the filling."""
        os.close(self.writing)
        self.writing = None
        with os.fdopen(self.reading, "rb") as file:
            self.reading = None
            return file.read().lstrip(b"\n")

    def close(self):
        for end in (self.reading, self.writing):
            if end is not None:
                os.close(end)


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.close()


class ObservedWriter(LineWriter):
    """Sets an event when its thread has taken its lines and begins to write them."""

    def __init__(self, descriptor):
        super().__init__(descriptor)
        self.has_taken = threading.Event()

    def _write_piece(self, piece):
        self.has_taken.set()
        return super()._write_piece(piece)


def blocked(pipe):
    """Return a writer whose thread has taken its first line, waits for room for it, and takes no other before."""
    pipe.fill()
    writer = ObservedWriter(pipe.writing)
    writer.start()
    writer.put(b"first\n")
    assert writer.has_taken.wait(PATIENCE)
    return writer


def read_later(pipe, writer):
    """Read while the writer ends, and return what it wrote."""
    closing = threading.Thread(target=writer.close, args=(PATIENCE,))
    closing.start()
    found = b""
    readable = select.poll()
    readable.register(pipe.reading, select.POLLIN)
    while closing.is_alive() or readable.poll(0):
        if readable.poll(10):
            found += os.read(pipe.reading, 65536)
    closing.join()
    return found.lstrip(b"\n")


def test_order_is_kept_before_start_in_thread_and_after_close(pipe):
    writer = LineWriter(pipe.writing)
    writer.put(b"before\n")
    writer.start()
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.close(PATIENCE)
    writer.put(b"after\n")
    expected = ["before", *map(str, range(1000)), "after"]
    assert pipe.read().decode().split() == expected
    assert writer.dropped == 0


def test_full_queue_drops_counts_and_reports(pipe, monkeypatch):
    monkeypatch.setattr(logs, "_MOST_WAITING", 3)
    writer = blocked(pipe)
    for number in range(5):
        writer.put(b"%d\n" % number)
    assert writer.dropped == 2
    *lines, last = read_later(pipe, writer).splitlines()
    assert lines == [b"first", b"0", b"1", b"2"]
    report = json.loads(last)
    assert (report["level"], report["event"], report["count"]) == ("warning", "log_dropped", 2)


def test_close_is_bounded_when_nobody_reads(pipe):
    writer = blocked(pipe)
    writer.close(0.05)
    writer.put(b"too late\n")  # which must not wait, either
    assert read_later(pipe, writer) == b"first\ntoo late\n"


def test_reader_that_is_gone_costs_lines_only(pipe):
    os.close(pipe.reading)
    pipe.reading = None
    writer = LineWriter(pipe.writing)
    writer.put(b"before\n")
    writer.start()
    writer.put(b"one\n")
    writer.put(b"two\n")
    writer.close(PATIENCE)
    assert writer.dropped == 3


def test_close_without_start_does_nothing(pipe):
    LineWriter(pipe.writing).close()
    assert pipe.read() == b""


def test_pieces_are_whole_lines_that_a_pipe_takes_at_once():
    lines = [b"x" * length + b"\n" for length in (10, select.PIPE_BUF - 1, 300, 2 * 65536, 1, 1)]
    pieces = list(logs._pieces(lines))
    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= select.PIPE_BUF or piece.count(b"\n") == 1 for piece in pieces)
    assert len(pieces) < len(lines)


def test_library_records_are_json_with_their_traceback(capfdbinary):
    logger = logging.Logger("library.part")
    logger.addHandler(JsonHandler())
    try:
        raise ValueError("of no use")
    except ValueError:
        logger.exception("failed at %s", "work")
    logger.warning("plain")
    failed, plain = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert (failed["level"], failed["event"]) == ("error", "library")
    assert (failed["logger"], failed["message"]) == ("library.part", "failed at work")
    assert failed["trace"].startswith("Traceback (most recent call last):")
    assert failed["trace"].endswith("ValueError: of no use")
    assert "trace" not in plain


def test_details_that_are_none_are_left_out(capfdbinary):
    logs.log("info", "answered", rows=None, status=0)
    assert json.loads(capfdbinary.readouterr().out).keys() == {"time", "level", "event", "status"}
