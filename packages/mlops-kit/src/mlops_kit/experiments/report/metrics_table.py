"""The table of metrics: measured, threshold, and the champion's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

Found = Mapping[str, Any]


def metrics(
    estimates: Mapping[str, Found], checks: list[dict[str, Any]], champion: Optional[Found]
) -> list[dict[str, Any]]:
    """Return a row for each metric of `estimates`: the estimate, its threshold and result, the champion's."""
    of_name = {check["name"]: check for check in checks}
    return [
        {
            "name": name,
            "found": found,
            "threshold": of_name.get(name, {}).get("threshold", "–"),
            "passed": of_name.get(name, {}).get("passed"),
            "champion": champion["metrics"][name] if champion else None,
        }
        for name, found in estimates.items()
    ]


def other_checks(
    estimates: Mapping[str, Found], checks: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the checks that are not of a metric on the whole test set."""
    return [check for check in checks if check["name"] not in estimates]
