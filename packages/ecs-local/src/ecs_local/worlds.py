"""Behaviours that AWS's documentation leaves open: questions and the emulator's possible answers, the default first."""

from __future__ import annotations

from collections.abc import Sequence

ALARMS_AT_START = "alarms-at-start"
HOOKS_ON_FIRST = "hooks-on-first"
_ANSWERS = {
    # Does an alarm in state ALARM when a deployment begins count for that deployment?
    ALARMS_AT_START: ("watched", "ignored"),
    # Do lifecycle hooks run on the first deployment of a service?
    HOOKS_ON_FIRST: ("run", "skipped"),
}


class Worlds:
    """The chosen answers."""

    def __init__(self) -> None:
        self._chosen = {question: answers[0] for question, answers in _ANSWERS.items()}

    def choose(self, answers: dict[str, str]) -> dict[str, str]:
        """Set these answers, and keep the others; return all.

        Raises:
            ValueError: There is no such question or answer; the message lists the accepted ones.
        """
        for question, answer in answers.items():
            if question not in _ANSWERS:
                raise ValueError(f"{question} is no question; accepted: {', '.join(_ANSWERS)}")
            if answer not in _ANSWERS[question]:
                accepted = ", ".join(_ANSWERS[question])
                raise ValueError(f"{question} is {answer!r}; accepted: {accepted}")
        self._chosen.update(answers)
        return dict(self._chosen)

    def is_chosen(self, question: str, answer: str) -> bool:
        """Return whether `answer` is the chosen answer to `question`."""
        return self._chosen[question] == answer


def read(words: Sequence[str]) -> dict[str, str]:
    """Return the answers in `--question=answer` options.

    Raises:
        ValueError: A word is none of them; the message lists the accepted ones.
    """
    found = {}
    for word in words:
        question, _, answer = word.removeprefix("--").partition("=")
        if not word.startswith("--") or question not in _ANSWERS:
            accepted = (f"--{name}={'|'.join(one)}" for name, one in _ANSWERS.items())
            raise ValueError(f"the option is {word!r}; accepted: {', '.join(accepted)}")
        found[question] = answer
    Worlds().choose(found)
    return found
