"""The errors that users see: one sentence each, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something a user can mend: its text is the whole message that the command line prints.

    The text names the file, key or variable, the value found and what is accepted.
    """


def one_line(error: BaseException) -> str:
    """Return a library's message without its line breaks, to stand in a sentence."""
    return " ".join(str(error).split())


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return " (did you mean 'x'?)" for the names of `known` closest to `name`, or an empty string."""
    close = get_close_matches(
        str(name), [str(candidate) for candidate in known], n=most, cutoff=0.5
    )
    return f" (did you mean {' or '.join(repr(match) for match in close)}?)" if close else ""
