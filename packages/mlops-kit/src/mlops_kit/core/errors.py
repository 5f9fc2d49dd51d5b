"""The errors that users see: one sentence each, exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn


class UserError(Exception):
    """An error that the user can fix; its text is the whole message that the command line prints.

    The text names the file, key or variable, the value found and what is accepted.
    """

    exit_code = 2


def one_line(error: BaseException) -> str:
    """Return an exception's message without line breaks, to be part of a sentence."""
    return " ".join(str(error).split())


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return " (did you mean 'x'?)" with up to `most` names of `known` similar to `name`, or an empty string.

    >>> did_you_mean("max_itr", ["max_iter", "max_bins"])
    " (did you mean 'max_iter'?)"
    """
    close = get_close_matches(
        str(name), [str(candidate) for candidate in known], n=most, cutoff=0.5
    )
    return f" (did you mean {' or '.join(repr(match) for match in close)}?)" if close else ""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an error in one sentence and exit: with code 2, or the UserError's own; with 70 for a bug.

    70 is EX_SOFTWARE of sysexits.h: a bug must not be taken for a failed check, which exits with 1. If DEBUG is set, the
    exception is raised instead.
    """
    try:
        yield
    except UserError as error:
        _refuse(error, str(error), error.exit_code)
    except OSError as error:
        place = error.filename2 or error.filename  # of a copy or rename, the destination
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
