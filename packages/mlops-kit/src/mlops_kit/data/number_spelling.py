"""Infer and parse the spelling of numbers in a string column: decimal mark, thousands separator, a sign like % or $.

A spelling is written as 1234.5 would be: "1,234.5", "1.234,5", "$1 234.5", "1234.5 %".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
from pyarrow import compute

Array = npt.NDArray[np.float64]

_BLANKS = " \u00a0\u2009\u202f"
_EXAMPLE = re.compile(
    rf"(?P<before>[^0-9]*)1(?P<thousands>[.,'’{_BLANKS}]?)234(?P<decimal>[.,])5(?P<after>[^0-9]*)"
)
_SIGN = r"(?:[$€£¥%]|USD|EUR|GBP|CHF|JPY)"
_SIGNED = re.compile(
    rf"[-+(]?\s*(?P<before>{_SIGN}?)\s*[-+]?[0-9.,][0-9.,'’{_BLANKS}]*?\s*(?P<after>{_SIGN}?)\s*\)?"
)
# A fast filter, which the beginning of every number passes.
_MAY_BE_NUMBER = re.compile(rf"[-+(]?\s*{_SIGN}?\s*[-+]?[.,]?[0-9]")
_PARTS = ("whole", "part", "power", "minus", "sign")  # the groups of a number's pattern
_SAMPLE = 200
_INFINITE = {"inf": np.inf, "infinity": np.inf}

# The thousands separators and decimal marks to try, the simplest first.
_MARKS = (
    *(("", "."), ("", ","), (",", "."), (".", ",")),
    *((" ", "."), (" ", ","), ("'", "."), ("'", ",")),
)


@dataclass(frozen=True)
class Spelling:
    """The thousands separator, the decimal mark, and the signs around each number; spaces around these are ignored."""

    thousands: str = ""
    decimal: str = "."
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        """Write 1234.5 in this spelling."""
        gap = " " if self.after else ""
        return f"{self.before}1{self.thousands}234{self.decimal}5{gap}{self.after}"

    def numbers(self, texts: Any) -> Array:
        """Parse an array of strings, shape (rows,), to float64; NaN where one is not a number in this spelling.

        Numbers in parentheses are negative, as in accounting.
        """
        try:
            column = pyarrow.array(texts, pyarrow.string(), from_pandas=True)
        except (pyarrow.ArrowException, UnicodeEncodeError):  # a lone surrogate is not a number
            column = pyarrow.array([_encodable(text) for text in texts], pyarrow.string())
        if self == PLAIN:
            try:
                return _as_floats(column.cast(pyarrow.float64()))
            except pyarrow.ArrowInvalid:
                pass
        parts = compute.extract_regex(column, self._pattern())
        whole, part, power = (compute.struct_field(parts, name) for name in _PARTS[:3])
        if self.thousands:
            whole = compute.replace_substring_regex(whole, f"[{_class(self.thousands)}]", "")
        has_digits = compute.not_equal(compute.binary_join_element_wise(whole, part, ""), "")
        # Arrow parses no number without a digit before the point, hence the zeros; a text without any digit becomes null.
        plain = compute.binary_join_element_wise("0", whole, ".", part, "0", power, "")
        numbers = _as_floats(compute.if_else(has_digits, plain, None).cast(pyarrow.float64()))
        signs = (compute.struct_field(parts, name) for name in _PARTS[3:])
        minus = compute.not_equal(compute.binary_join_element_wise(*signs, ""), "")
        signed = np.where(minus.fill_null(False).to_numpy(zero_copy_only=False), -numbers, numbers)
        return self._with_infinite(signed, texts)

    def _pattern(self) -> str:
        grouped = (
            f"[1-9][0-9]{{0,2}}(?:[{_class(self.thousands)}][0-9]{{3}})+|" if self.thousands else ""
        )
        before, after = (rf"\s*{re.escape(sign)}\s*" if sign else "" for sign in self.affixes())
        number = rf"(?P<whole>{grouped}[0-9]*)(?:[{self.decimal}](?P<part>[0-9]*))?"
        power = r"(?P<power>(?:[eE][-+]?[0-9]{1,5})?)"
        signed = rf"\+?(?P<minus>[-(]?){before}\+?(?P<sign>-?)"
        return rf"^\s*{signed}{number}{power}{after}\)?\s*$"

    def affixes(self) -> tuple[str, str]:
        """Return the signs before and after each number, stripped."""
        return self.before.strip(), self.after.strip()

    def _with_infinite(self, numbers: Array, texts: Any) -> Array:
        for place in np.flatnonzero(np.isnan(numbers)):
            text = texts[place]
            if isinstance(text, str) and text.lstrip("+-").lower() in _INFINITE:
                numbers[place] = -np.inf if text.startswith("-") else np.inf
        return numbers


PLAIN = Spelling()


def parse(example: str) -> Spelling:
    """Return the spelling of `example`, which is 1234.5 written in it.

    >>> parse("$1,234.5").numbers(np.array(["$2,000.25", "($7)", "3.000,5"], dtype=object)).tolist()
    [2000.25, -7.0, nan]

    Raises:
        ValueError: The text is not 1234.5 in a supported spelling.
    """
    found = _EXAMPLE.fullmatch(example)
    if not found or found["thousands"] == found["decimal"]:
        raise ValueError(f"{example!r} is not 1234.5 as the column writes it")
    thousands = " " if found["thousands"] and found["thousands"] in _BLANKS else found["thousands"]
    return Spelling(
        thousands.replace("’", "'"),
        found["decimal"],
        found["before"].strip(),
        found["after"].strip(),
    )


def candidates(texts: list[str], min_share: float) -> list[tuple[Spelling, Array]]:
    """Return the spellings in which at least the share `min_share` of `texts` are numbers, each with these numbers.

    The numbers are float64, shape (texts,), NaN where a text is not one; of spellings with equal numbers, the first.

    >>> [str(spelling) for spelling, _ in candidates(["1.234", "17"], min_share=1)]
    ['1234.5', '1.234,5']
    """
    sample = texts[:_SAMPLE]
    if sum(_MAY_BE_NUMBER.match(text) is not None for text in sample) < min_share / 2 * len(sample):
        return []
    before, after = _affix(sample)
    found: list[tuple[Spelling, Array]] = []
    for thousands, decimal in _MARKS:
        spelling = Spelling(thousands, decimal, before, after)
        if np.isfinite(spelling.numbers(np.array(sample, dtype=object))).mean() < min_share / 2:
            continue
        numbers = spelling.numbers(np.array(texts, dtype=object))
        if np.isfinite(numbers).mean() >= min_share and not any(
            np.array_equal(numbers, others, equal_nan=True) for _, others in found
        ):
            found.append((spelling, numbers))
    return found


def with_affix(spelling: Spelling, texts: list[str]) -> Spelling:
    """Return the spelling with the sign that most of the texts have, if it has none itself."""
    if spelling.before or spelling.after:
        return spelling
    return Spelling(spelling.thousands, spelling.decimal, *_affix(texts))


def _affix(texts: list[str]) -> tuple[str, str]:
    """Return the sign before and the one after the numbers that most of the texts have."""
    found = [one for one in map(_SIGNED.fullmatch, texts) if one]
    if not found:
        return "", ""
    most: tuple[str, str] = pd.Series([(one["before"], one["after"]) for one in found]).mode()[0]
    return most


def _class(mark: str) -> str:
    return _BLANKS if mark == " " else "'’" if mark == "'" else re.escape(mark)


def _as_floats(column: Any) -> Array:
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _encodable(text: Any) -> Any:
    return text if isinstance(text, str) and text.isprintable() else None
