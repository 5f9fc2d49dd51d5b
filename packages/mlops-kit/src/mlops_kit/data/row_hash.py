"""A hash of each row, computed column after column, so that no column has to stay in memory."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.uint64]


class Content:
    """The hash of each row of a source, updated column by column; equal rows have equal hashes, whatever the file format.

    Before it is mixed with a seed, it is that of `pandas.util.hash_pandas_object` for a frame of all columns and the target.
    """

    def __init__(self) -> None:
        """Start without columns."""
        self.names: list[str] = []
        self._added = 0
        self._hashes: Any = None

    def begin(self, names: list[str]) -> None:
        """Set the names of the columns that will be added."""
        self.names = [str(name) for name in names]

    def add(self, values: Any) -> None:
        """Add the next column, a Series."""
        self._hashes = self._with(_alike(values))
        self._added += 1

    def only(self, kept: npt.NDArray[np.bool_]) -> Content:
        """Return the content of the rows that `kept`, a mask of shape (rows,), selects."""
        some = copy(self)
        some._hashes = None if self._hashes is None else self._hashes[kept]
        return some

    def numbers(self, target: Any, seed: int) -> Numbers:
        """Return a hash of the columns, the target and the seed for each row, shape (rows,)."""
        whole: Numbers = self._with(pd.Series(target)) + np.uint64(97531)
        return mixed(whole, seed)

    def _with(self, values: Any) -> Numbers:
        """Return the hashes updated by one more column, as pandas does for a frame (`combine_hash_arrays`)."""
        hashes = pd.util.hash_pandas_object(values, index=False).to_numpy(dtype=np.uint64)
        total, at = len(self.names) + 1, self._added
        factor = 1000003 + at * (82520 + 2 * total) - at * (at - 1)
        begun = np.uint64(0x345678) if self._hashes is None else self._hashes
        combined: Numbers = (begun ^ hashes) * np.uint64(factor)
        return combined


def of(rows: Any) -> Content:
    """Return the content of a data frame."""
    content = Content()
    content.begin(list(rows))
    for name in rows:
        content.add(rows[name])
    return content


def of_values(values: Any) -> Numbers:
    """Return a hash of each value of one column, shape (rows,): the same for equal values in every table.

    >>> whole, with_gap = of_values(pd.Series([1, 2])), of_values(pd.Series([1.0, 2.0, None]))
    >>> (whole == with_gap[:2]).tolist()
    [True, True]
    """
    hashes = pd.util.hash_pandas_object(_alike(values), index=False)
    return np.asarray(hashes, dtype=np.uint64)


def apart(numbers: Numbers) -> Numbers:
    """Return hashes, shape (rows,), that are distinct even among duplicate rows; it does not matter which gets which."""
    copies = pd.Series(numbers).groupby(numbers).cumcount().to_numpy(dtype=np.uint64)
    return np.where(copies > 0, mixed(numbers ^ mixed(copies, 0), 0), numbers)


def _alike(values: Any) -> Any:
    """Return a column in a form that all readers share: numbers as float64, as whole ones are when a value is missing."""
    plain = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)
    return values.astype("float64") if plain else values.map(str)


def mixed(hashes: Numbers, seed: int) -> Numbers:
    """Return hashes mixed with `seed` by SplitMix64 (Steele, Lea and Flood, 2014)."""
    spread = hashes + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    spread = (spread ^ (spread >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    spread = (spread ^ (spread >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(spread ^ (spread >> np.uint64(31)), dtype=np.uint64)
