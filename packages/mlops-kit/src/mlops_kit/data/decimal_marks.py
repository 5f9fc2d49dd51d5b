"""Detect ambiguous numbers in CSV files: where commas are, or may be, decimal marks, 4.450 may mean 4450."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.values import Missing

from . import csv_files
from .conversions import may_hold_texts, tidy
from .problems import ColumnError, Way, refusal
from .settings import DataConfig

_GROUPED = re.compile(r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")
_BELOW_THOUSAND = re.compile(r"[-+]?[0-9]{1,3}")
_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_SAMPLE = 100


def check(frame: Any, files: list[Path], layout: csv_files.Layout, config: DataConfig) -> None:
    """Check that no column of a CSV file, `frame` as pandas reads it, has points that may be thousands separators.

    A point is the decimal mark, unless another column has decimal commas; or unless fields are separated by semicolons,
    as spreadsheets do in locales with a decimal comma, and no column shows the meaning of its points.

    Raises:
        UserError: A column is ambiguous, and data.decimal, data.thousands and data.numbers do not settle it.
    """
    if (config.decimal, config.thousands) != (".", ""):
        return
    kept = [name for name in frame if name not in config.drop]
    has_commas = any(_has_commas(frame[name]) for name in kept)
    if not has_commas and layout.delimiter != ";":
        return
    doubtful = [name for name in kept if _may_be_grouped(name, frame[name], config)]
    clear = [name for name in kept if name not in doubtful and _has_fractions(frame[name])]
    if not doubtful or (clear and not has_commas):
        return
    texts, missing = _texts(files, layout, config, doubtful), Missing(config.missing_values)
    errors = []
    for name in doubtful:
        each = tidy(texts[name], missing).dropna().unique()
        grouped = [text for text in each if _GROUPED.fullmatch(text)]
        others = [text for text in each if not _GROUPED.fullmatch(text)]
        if grouped and all(map(_BELOW_THOUSAND.fullmatch, others)):
            errors.append(_error(name, grouped[0]))
        elif not has_commas and any("." in text for text in others):
            return  # the points of this column are decimal marks
    if errors:
        raise refusal(config, {}, errors)


def _texts(
    files: list[Path], layout: csv_files.Layout, config: DataConfig, names: list[str]
) -> Any:
    with csv_files.open_text(files, config) as (text, _):
        return pd.read_csv(text, **layout.options(), usecols=names, dtype=object, na_filter=False)


def _has_commas(values: Any) -> bool:
    """Return whether most strings of a column have a decimal comma."""
    if not may_hold_texts(values):
        return False
    sample = [str(text).strip() for text in values.dropna()[:_SAMPLE]]
    return 2 * sum(_COMMA.fullmatch(text) is not None for text in sample) > len(sample)


def _may_be_grouped(name: str, values: Any, config: DataConfig) -> bool:
    """Return whether a column's points may separate thousands: a fast filter, which all such columns pass."""
    if not pd.api.types.is_float_dtype(values):
        return name == config.target and may_hold_texts(values)
    there = np.abs(values.dropna().to_numpy())
    in_thousands = np.abs(there * 1000 - np.round(there * 1000)) < 1e-6
    return bool((in_thousands & (there < 1000) & ((there >= 1) | (there == 0))).all())


def _has_fractions(values: Any) -> bool:
    return pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 != 0).any())


def _error(name: str, text: str) -> ColumnError:
    whole, part = int(text.replace(".", "")), float(text)
    return ColumnError(
        name,
        f"holds numbers like {text!r}, which may mean {whole} or {part:g}",
        Way({"numbers": {name: "1.234,5"}}, f"for {whole}"),
        Way({"numbers": {name: 1234.5}}, f"for {part:g}"),
    )
