"""The errors that users see: one sentence each, exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn


class UserError(Exception):
    """Something a user can mend: its text is the whole message that the command line prints.

    The text names the file, key or variable, the value found and what is accepted.
    """

    exit_code = 2


def one_line(error: BaseException) -> str:
    """Return a library's message without its line breaks, as a part of a sentence."""
    return " ".join(str(error).split())


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return " (did you mean 'x'?)" for the names of `known` closest to `name`, or an empty string."""
    close = get_close_matches(
        str(name), [str(candidate) for candidate in known], n=most, cutoff=0.5
    )
    return f" (did you mean {' or '.join(repr(match) for match in close)}?)" if close else ""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Exit with one sentence: exit code 2, or the error's own, for an error that a user can mend; 70 for a fault.

    A fault must not pass for a failed check, which is exit code 1. With DEBUG set, errors are raised.
    """
    try:
        yield
    except UserError as error:
        _refuse(error, str(error), error.exit_code)
    except OSError as error:
        place = error.filename2 or error.filename  # of a copy where it goes to
        where = f"{place}: " if place else ""
        _refuse(error, f"{where}{error.strerror or error}", 2)
    except Exception as error:
        fault = f"unexpected {type(error).__name__}: {one_line(error)} (DEBUG=1 shows where)"
        _refuse(error, fault, 70)


def _refuse(error: Exception, sentence: str, code: int) -> NoReturn:
    if os.environ.get("DEBUG"):
        raise error
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
