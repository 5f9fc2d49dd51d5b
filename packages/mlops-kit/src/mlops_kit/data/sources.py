"""Read rows from scikit-learn's samples, CSV and Parquet files, folders of these, S3 or a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.core.values import Missing, category

from . import csv_files, decimal_marks, header, parquet_files, sql
from .conversions import as_number, as_text, has_blanks, may_hold_texts, tidy, without
from .notes import Notes
from .number_spelling import parse
from .problems import some
from .row_hash import Content
from .settings import DataConfig
from .source_files import is_parquet, local_files
from .spelling import usual

SAMPLES = ("breast_cancer", "diabetes", "iris", "wine")

# Parse numbers exactly, as JSON and scoring do; pandas 3 always does, and warns about the option.
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}


def read(
    config: DataConfig, content: Content | None = None, notes: Notes | None = None
) -> tuple[Any, str]:
    """Return the rows of `config.source` as a data frame, and the SHA-256 of the source's bytes or a query's result.

    Columns that the config names as categories, dates or numbers in a spelling of their own are strings, as the source has
    them. Every column is added to `content`; the data frame has those that `config.drop` does not name. From a large Parquet
    file columns are read one at a time, so that at most one of those to drop is ever in memory. What was inferred from the
    source without a setting is appended to `notes`.

    Raises:
        UserError: The source does not exist or cannot be read in the format that its name has.
    """
    content, notes = content or Content(), Notes() if notes is None else notes
    if config.source.startswith("sklearn:"):
        frame, digest = _read_sample(config.source)
        return _taken(list(frame), frame.items(), config, content, notes), digest
    if config.source.startswith(sql.PREFIX):
        return _read_query(config, content, notes)
    with local_files(config.source, "data.source") as files:
        return _read_files(files, config, content, notes)


def as_texts(config: DataConfig) -> set[str]:
    """Return the columns to read as strings, because their meaning depends on how they are written."""
    return {*config.categorical, *config.dates, *config.numbers}


def _taken(
    names: list[Any],
    columns: Iterable[tuple[Any, Any]],
    config: DataConfig,
    content: Content,
    notes: Notes,
) -> Any:
    """Add every column to `content` and return a data frame of those that are not dropped."""
    content.begin(names)
    around, texts, missing = [], as_texts(config), Missing(config.missing_values)
    kept = {}
    for name, raw in columns:
        values = as_text(raw, missing) if str(name) in texts else tidy(raw, missing)
        if has_blanks(raw):
            around.append(str(name))
        if str(name) == config.target:
            counts = _missing_counts(raw, missing)
            if counts:
                notes.add_missing_target(counts, config)
            values = without(_typed(values, config), missing)
        content.add(values)
        if str(name) not in config.drop:
            kept[name] = values
    if around:
        notes.append(f"blanks are cut around values of {some(around)}")
    return pd.DataFrame(kept, copy=False)


def _missing_counts(values: Any, missing: Missing) -> dict[str, int]:
    """Return how often each value of the target that was read as missing occurs, by its text, the most frequent first."""
    if may_hold_texts(values):
        texts = pd.Series([text.strip() for text in values if isinstance(text, str)], dtype=object)
        counts = texts[texts.isin(missing.texts - {""})].value_counts()
    else:
        gone = values[without(values, missing).isna() & values.notna()]
        counts = gone.map(category).value_counts()
    return {str(text): int(count) for text, count in counts.items()}


def _typed(values: Any, config: DataConfig) -> Any:
    """Return the target as numbers if all its strings are numbers, and data.categorical does not name it."""
    if config.target in config.categorical:
        return values
    if not (may_hold_texts(values) and values.map(lambda v: isinstance(v, (str, float))).all()):
        return values
    written = config.numbers.get(config.target, str(usual(config)))
    numbers = as_number(values, parse(written))
    return numbers if numbers.notna().sum() == values.notna().sum() else values


def _read_sample(source: str) -> tuple[Any, str]:
    import sklearn.datasets

    name = source.partition(":")[2]
    if name not in SAMPLES:
        raise UserError(
            f"data.source is {source!r}; accepted: sklearn: and one of {', '.join(SAMPLES)}"
            f"{did_you_mean(name, SAMPLES)}"
        )
    sample = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    frame = sample.frame
    if "target_names" in sample:  # benign and malignant mean more than 1 and 0
        frame["target"] = sample.target_names[sample.target]
    return frame, hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _read_query(config: DataConfig, content: Content, notes: Notes) -> tuple[Any, str]:
    result = sql.read(config.source, as_texts(config))
    header.check_distinct(result.names, config)
    if not result.rows:
        raise UserError(f"{config.source} has no rows")
    return _taken(result.names, result.columns(), config, content, notes), result.digest


def _read_files(
    files: list[Path], config: DataConfig, content: Content, notes: Notes
) -> tuple[Any, str]:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    if is_parquet(files[0]):
        frame = _read_parquet(files, config, content, notes)
    else:
        rows = _read_csv(files, config, notes)
        frame = _taken(list(rows), rows.items(), config, content, notes)
    if not len(frame):
        raise UserError(f"{config.source} has no rows")
    return frame, digest.hexdigest()


def _read_parquet(files: list[Path], config: DataConfig, content: Content, notes: Notes) -> Any:
    with parquet_files.convert_errors(config):
        names = parquet_files.names(files, config)
        notes += header.notes_of_blanks(names.items())
        columns = parquet_files.columns(files, names, as_texts(config))
        return _taken(list(names), columns, config, content, notes)


def _read_csv(files: list[Path], config: DataConfig, notes: Notes) -> Any:
    words = ["", *config.missing_values]
    with csv_files.convert_errors(config):
        layout = csv_files.layout(files, config)
        notes += layout.notes
        texts = as_texts(config)
        # Not of the target, whose values that mean "missing" are counted first, by their text.
        inferred = [name for name in layout.names if name not in {*texts, config.target}]
        with csv_files.open_text(files, config) as (text, _):
            frame = pd.read_csv(
                text,
                **layout.options(),
                decimal=config.decimal,
                dtype={name: object for name in layout.names if name in texts},
                keep_default_na=False,
                na_values={**dict.fromkeys(inferred, words), config.target: [""]},
                low_memory=False,
                **_EXACT,
            )
        csv_files.check_fields(frame, layout.names, config)
        decimal_marks.check(frame, files, layout, config)
    return frame
