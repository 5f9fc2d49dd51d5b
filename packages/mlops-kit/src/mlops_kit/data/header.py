"""Check the column names of files of any format: unique in a file, and the same in all files of a table."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_kit.core.errors import UserError

from .problems import shortened, some
from .settings import DataConfig


def check_distinct(names: list[str], config: DataConfig) -> None:
    """Check that no name occurs twice.

    Raises:
        UserError: A name occurs twice.
    """
    twice = sorted({repr(shortened(name)) for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{config.source} has more than one column named {some(twice)}")


def check_same(
    file: str, names: list[str], first: str, its_names: list[str], config: DataConfig
) -> None:
    """Check that a file has the columns of the first one, in the same order.

    Raises:
        UserError: The columns or their order differ.
    """
    if names != its_names:
        differing = some(sorted({*names} ^ {*its_names})) or "another order"
        raise UserError(f"{config.source}: {file} has other columns than {first}: {differing}")


def notes_of_blanks(names: Iterable[tuple[str, str]]) -> list[str]:
    """Return a note about names with whitespace around them, else none; `names` are pairs: stripped, and as in the file.

    >>> notes_of_blanks([("age", " age"), ("price", "price")])
    ['blanks are cut around the name of age']
    """
    around = [name for name, as_read in names if name != as_read]
    return [f"blanks are cut around the name of {some(around)}"] if around else []
