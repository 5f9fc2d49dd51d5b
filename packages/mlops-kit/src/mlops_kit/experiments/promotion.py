"""The basis of a promotion: the result of make compare for exactly these two versions."""

from __future__ import annotations

import json
from pathlib import Path

from mlops_kit.core.errors import UserError

COMPARISON = Path("reports/compare.json")
WORSE = "worse"

# Tags of the promoted version.
RESTS_ON_TAG = "promoted.on"
REASON_TAG = "promoted.reason"

_NOTHING = "nothing was compared"


def rests_on(name: str, champion: str, challenger: str, reason: str) -> str:
    """Return the comparison of the two versions of the model `name`, in a sentence; or that nothing was compared.

    Raises:
        UserError: The challenger was worse and no reason is given, or as `compared`.
    """
    result, sentence = compared(name, champion, challenger)
    if result == WORSE and not reason:
        raise UserError(
            f"version {challenger} of {name} is {sentence} ({COMPARISON}): leave it, or make promote with"
            ' REASON="…", which is kept'
        )
    return sentence


def compared(name: str, champion: str, challenger: str) -> tuple[str, str]:
    """Return the result for the two versions of the model `name` and its sentence; the result is "" if nothing was compared.

    Raises:
        UserError: The report is damaged.
    """
    try:
        report = json.loads(COMPARISON.read_text(encoding="utf-8"))
        about = (report["model"], report["champion"], report["challenger"])
        result, sentence = str(report["result"]), str(report["sentence"])
    except FileNotFoundError:
        return "", _NOTHING
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{COMPARISON} is damaged: make compare writes it again") from None
    if about != (name, champion, challenger):
        return "", _NOTHING
    return result, sentence
