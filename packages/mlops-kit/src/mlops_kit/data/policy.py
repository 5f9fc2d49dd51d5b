"""Select the features: leave out or refuse uninformative columns, and refuse those that the user has to decide about."""

from __future__ import annotations

from typing import Any

from mlops_kit.core.errors import UserError

from . import checks, problems
from .columns import Columns
from .problems import ColumnError
from .settings import TableSettings
from .target import Target


def choose(
    rows: Any, columns: Columns, target: Target, config: TableSettings, errors: list[ColumnError]
) -> tuple[Columns, list[str]]:
    """Return the columns to train on, and a text for each reason why columns were left out.

    `rows` are all rows of the source, in `columns`' types; `errors` are those of columns whose kind was not inferred.

    Raises:
        UserError: There are `errors`, a column may leak the target, a column is uninformative (under data.policy strict),
            or no column is left; the message lists everything that was found.
    """
    data = config.data
    useless, twins = checks.useless(rows, columns, target.kept, data.keep)
    gone = {name for names in useless.values() for name in names}
    left = without(columns, gone)
    checked = without(left, set(data.keep))
    leaking = checks.leaks(
        selected(of_target(rows, target), checked), checked, target.values, target.task
    )
    # Without the first of two duplicates the second one would leak again.
    leaking += [name for name, first in twins.items() if first in leaking and name in gone]
    found = {problems.LEAK: leaking}
    if data.policy == "strict":
        found = {**useless, **found}
    if leaking or errors or (data.policy == "strict" and gone):
        raise problems.refusal(data, found, errors)
    left_out = problems.described(useless)
    if not left.kinds:
        raise UserError(
            f"{data.source} has no column left to predict {data.target!r} from; left out:"
            f" {', '.join(left_out)}: {problems.set_line(data, {'keep': sorted(gone)})}"
        )
    return left, left_out


def of_target(rows: Any, target: Target) -> Any:
    """Return the rows that have a target; `rows` itself if all have one."""
    return rows if target.kept.all() else rows[target.kept]


def selected(rows: Any, columns: Columns) -> Any:
    """Return these columns of the rows; `rows` itself if it has no others."""
    return rows if len(columns.kinds) == rows.shape[1] else rows[list(columns.kinds)]


def without(columns: Columns, names: set[str]) -> Columns:
    """Return the columns without those in `names`."""
    kinds, dates, numbers = (
        {name: value for name, value in each.items() if name not in names}
        for each in (columns.kinds, columns.date_formats, columns.number_formats)
    )
    return Columns(kinds, dates, numbers, columns.missing_values)
