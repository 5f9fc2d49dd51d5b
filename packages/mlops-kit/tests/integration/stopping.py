"""Start the service many times, stop each start right after an answer, and print as JSON what went wrong.

    python stopping.py MODEL_DIR STARTS

The service is imported and made once, and each start is a fork of this process: a whole start takes seconds. Its log
is a pipe of one page (on Linux), which is anything from empty to full when the signal comes, and is read after that.
"""

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from mlops_kit.artifact import predictor
from mlops_kit.core import project
from mlops_kit.serving import server
from mlops_kit.serving.settings import load_serve

from ml_template.__main__ import PROJECT

PATIENCE = 10  # seconds until what must come counts as never coming
SET_PIPE_SIZE = 1031  # fcntl.F_SETPIPE_SZ, which Python 3.9 lacks
MOST_REQUESTS = 31  # the lines of about twenty fill a page
REQUEST, ANSWER = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b'{"status":"alive"}'


def main():
    project.use(PROJECT)
    folder, starts = sys.argv[1:]
    model, settings = predictor.load(Path(folder)), load_serve()
    made = server.Service(model, settings.limits, "")
    server.Service = lambda *_: made
    config = uvicorn.Config(made.observed, log_config=None)
    config.load()  # which imports, and each start would again
    config.get_loop_factory()
    gc.freeze()  # else each start looks through it all again
    found = [
        stop_one(model, 1 + number % MOST_REQUESTS, 0.005 * (number % 3))
        for number in range(int(starts))
    ]
    print(json.dumps([wrong for wrong in found if wrong]))


def stop_one(model, requests, delay):
    """Return what is wrong with one start that is stopped so many seconds after so many answers, or an empty string."""
    log, write_end = os.pipe()
    if sys.platform == "linux":
        fcntl.fcntl(write_end, SET_PIPE_SIZE, 4096)
    process = os.fork()
    if not process:
        os.dup2(write_end, sys.stdout.fileno())
        os.close(log)
        os.close(write_end)
        server._serve(model)
        sys.exit(0)
    os.close(write_end)
    try:
        first = read_until(log, b"\n")
        place = urlsplit(json.loads(first)["url"])
        with socket.create_connection((place.hostname, place.port)) as connection:
            for number in range(requests):
                connection.sendall(REQUEST)
                if read_until(connection.fileno(), ANSWER) is None:
                    return f"request {number + 1} was not answered"
            time.sleep(delay)  # without any the signal comes before the line is written
            os.kill(process, signal.SIGTERM)
        rest = read_until(log)
        if rest is None:
            return f"SIGTERM after {requests} requests did not end it"
        _, status = os.waitpid(process, 0)
        process = 0
        events = [json.loads(line)["event"] for line in (first + rest).splitlines()]
        expected = sorted(["serving", *["answered"] * requests, "draining", "ended"])
        return "" if (status, sorted(events)) == (0, expected) else f"{status}, {events}"
    finally:
        os.close(log)
        if process:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def read_until(descriptor, end=None):
    """Read until `end`, or without it all there is; return None if that takes too long."""
    deadline, text = time.monotonic() + PATIENCE, b""
    while end is None or not text.endswith(end):
        left = max(0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], left)[0]:
            return None
        part = os.read(descriptor, 65536)
        if not part:
            break
        text += part
    return text


if __name__ == "__main__":
    main()
