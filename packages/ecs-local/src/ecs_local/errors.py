"""The errors that users see: one sentence each, exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class UserError(Exception):
    """An error that a user can fix: its text is the whole message that the command line prints."""


@contextmanager
def ends_in_a_sentence() -> Iterator[None]:
    """End the process with one line on stderr: exit code 2 for errors that a user can fix, 70 for a bug.

    With DEBUG set, errors are raised.
    """
    try:
        yield
    except UserError as error:
        _refuse(error, str(error), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _refuse(error, f"{where}{error.strerror or error}", 2)
    except Exception as error:
        text = " ".join(str(error).split())
        _refuse(error, f"unexpected {type(error).__name__}: {text} (DEBUG=1 shows where)", 70)


def _refuse(error: Exception, sentence: str, code: int) -> NoReturn:
    if os.environ.get("DEBUG"):
        raise error
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
