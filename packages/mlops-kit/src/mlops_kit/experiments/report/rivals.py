"""Champion and challenger side by side, as each was measured on its own test set."""

from __future__ import annotations

from typing import Any

from mlops_kit.core.errors import UserError

from .. import promotion, runs


def rivals(client: Any, name: str, first: Any, second: Any) -> dict[str, Any] | None:
    """Return both versions of the model `name` and a row for each metric, or None if one of them or its run is missing.

    `first` is the champion and `second` the challenger, or None. `compared` is the sentence of make compare about these two.

    Raises:
        UserError: The report of make compare is damaged.
    """
    if first is None or second is None or first.version == second.version:
        return None
    try:
        champion, challenger = (
            runs.find(client, each.run_id).estimates() for each in (first, second)
        )
    except UserError:  # a run was deleted, and the report may be on another one
        return None
    versions = str(first.version), str(second.version)
    return {
        "versions": versions,
        "metrics": [
            {"name": each, "champion": champion.get(each), "challenger": challenger.get(each)}
            for each in dict.fromkeys([*champion, *challenger])
        ],
        "compared": promotion.compared(name, *versions)[1],
    }
