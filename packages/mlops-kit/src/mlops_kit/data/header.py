"""The names in the header of a file of any kind: each occurs once, and in all files of a table they are the same."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_kit.core.errors import UserError

from .problems import shortened, some
from .settings import DataConfig


def check_distinct(names: list[str], config: DataConfig) -> None:
    """Check that no name occurs twice.

    Raises:
        UserError: One does.
    """
    twice = sorted({repr(shortened(name)) for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{config.source} has more than one column named {some(twice)}")


def check_same(
    file: str, names: list[str], first: str, its_names: list[str], config: DataConfig
) -> None:
    """Check that a file has the columns of the first one, in their order.

    Raises:
        UserError: It has not.
    """
    if names != its_names:
        differing = some(sorted({*names} ^ {*its_names})) or "another order"
        raise UserError(f"{config.source}: {file} has other columns than {first}: {differing}")


def notes_of_blanks(names: Iterable[tuple[str, str]]) -> list[str]:
    """Return a note of the columns with blanks around their names; `names` are pairs: cut, and as the file has it."""
    around = [name for name, as_read in names if name != as_read]
    return [f"blanks are cut around the name of {some(around)}"] if around else []
