"""Score a file with the exported model, batch by batch, so that files larger than memory work."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .config import DataConfig
from .console import progress
from .data import Columns, batches
from .data.sources import SUFFIXES, located
from .errors import UserError, did_you_mean
from .model import DateParts
from .scored_file import written
from .serving.encoding import Array
from .serving.model import Model, load
from .serving.rows import LARGEST

_FILE = "a .csv, .csv.gz or .parquet file"


@dataclass
class Scored:
    """How many rows were scored in how many seconds; by column, how many values training did not know."""

    rows: int = 0
    seconds: float = 0.0
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """Return a sentence for each way in which values were new to the model."""
        told = {
            "missing where training saw none missing": self.missing,
            "categories that training did not see": self.unseen,
        }
        return [
            f"{sum(counts.values()):,} values are {what}"
            f" ({', '.join(f'{name} {count:,}' for name, count in counts.most_common())})"
            for what, counts in told.items()
            if counts
        ]


def score(config: DataConfig, data: str, out: str, folder: Path, most_rows: int = 0) -> Scored:
    """Write the rows of the file `data` with the answers of the model in `folder` to the file `out`.

    `config` tells how CSV is read and written. `most_rows` bounds a batch; 0: by the number of columns.

    Raises:
        UserError: A file or the model cannot be used, columns are missing, or a value is none of its kind.
    """
    start = time.perf_counter()
    _check_name("DATA", data)
    _check_name("OUT", out)
    if "://" in out or Path(out).is_dir():
        raise UserError(f"OUT is {out!r}; accepted: a path to {_FILE}")
    model, done = load(folder), Scored()
    described = model.card["columns"]
    columns = Columns(
        {column["name"]: column["kind"] for column in described},
        {column["name"]: column["format"] for column in described if column.get("format")},
    )
    with located(data, "DATA") as path:
        if Path(out).exists() and Path(out).samefile(path):
            raise UserError(f"OUT is {out!r}, which is DATA itself; accepted: another file")
        table = batches.opened(path, config.model_copy(update={"source": data}))
        _check_columns(list(table.types), model, data)
        types = {**_types(table.types, columns), **_answer_types(model)}
        with written(Path(out), types, config) as write, progress("score") as tell:
            for batch in table.batches(described, most_rows):
                rows = _coerced(columns, batch, data)
                answers = _answers(model, _matrix(described, rows, done))
                write({**_as_written(batch.kept, rows, out), **answers})
                done.rows += len(rows)
                tell(batch.share, f"{done.rows:,} rows")
    done.seconds = time.perf_counter() - start
    return done


def _check_name(variable: str, value: str) -> None:
    if not value.endswith(SUFFIXES):
        found = f"is {value!r}" if value else "is not set"
        raise UserError(f"{variable} {found}; accepted: {_FILE}")


def _check_columns(names: list[str], model: Model, data: str) -> None:
    needed = [column["name"] for column in model.card["columns"]]
    missing = [name for name in needed if name not in names]
    if missing:
        told = ", ".join(f"{name!r}{did_you_mean(name, names)}" for name in missing)
        raise UserError(f"DATA {data} lacks the columns that {model.name} takes: {told}")
    taken = [name for name in _answer_types(model) if name in names]
    if taken:
        raise UserError(
            f"DATA {data} has a column {taken[0]!r} already, the name of one that is added: rename it"
        )


def _coerced(columns: Columns, batch: batches.Batch, data: str) -> Any:
    """Return the model's columns in its types; a wrong value is told with its row in the file."""

    def in_the_file(found: re.Match[str]) -> str:
        return f"in row {int(found[1]) + batch.before}"

    try:
        rows = columns.coerce(batch.values)
    except UserError as error:
        raise UserError(f"{data}: " + re.sub(r"in row (\d+)$", in_the_file, str(error))) from None
    for name in columns.named("numeric"):
        wrong = np.flatnonzero(rows[name].abs() > LARGEST)
        if len(wrong):
            raise UserError(
                f"{data}: column {name!r} holds {rows[name].iloc[wrong[0]]:g} in row"
                f" {batch.before + wrong[0] + 1}; accepted: numbers up to {LARGEST:.1e}"
            )
    return rows


def _matrix(described: list[dict[str, Any]], rows: Any, done: Scored) -> Array:
    """Return what `serving.encoding.Encoder` makes of the rows, by columns; count what is new to the model."""
    of_kind = {
        kind: [column for column in described if column["kind"] == kind]
        for kind in ("categorical", "numeric", "boolean", "date")
    }
    parts = [_codes(column, rows[column["name"]], done) for column in of_kind["categorical"]]
    plain = [column["name"] for column in of_kind["numeric"] + of_kind["boolean"]]
    parts += [rows[name].to_numpy(dtype=np.float64) for name in plain]
    if of_kind["date"]:
        parts.append(DateParts().transform(rows[[column["name"] for column in of_kind["date"]]]))
    for column in described:
        gone = int(rows[column["name"]].isna().sum())
        if gone and not column["missing"]:
            done.missing[column["name"]] += gone
    matrix: Array = np.column_stack(parts)
    return matrix


def _codes(column: dict[str, Any], texts: Any, done: Scored) -> Array:
    known = dict(zip(column["categories"], column["codes"]))
    places, distinct = pd.factorize(texts)  # a missing text has place -1, the last
    codes = [known.get(text, column["unseen_code"]) for text in distinct]
    is_new = np.array([text not in known for text in distinct] + [False])
    if is_new.any():
        done.unseen[column["name"]] += int(is_new[places].sum())
    # NumPy makes NaN of None.
    table: Array = np.array([*codes, column["missing_code"]], dtype=np.float64)
    codes_of_rows: Array = table[places]
    return codes_of_rows


def _answers(model: Model, matrix: Array) -> dict[str, Any]:
    """Return the columns that are added, as `Model.answers` does it row by row."""
    names = list(_answer_types(model))
    outputs = model.form(matrix) if len(matrix) else np.empty((0, max(1, len(model.classes))))
    if not model.classes:
        return {names[0]: outputs[:, 0]}
    predicted = [model.classes[best] for best in outputs.argmax(axis=1).tolist()]
    return dict(zip(names, [predicted, *outputs.T]))


def _answer_types(model: Model) -> dict[str, Any]:
    import pyarrow

    labels = model.card["golden"][0]["answer"].get("probabilities", {})  # in the order of classes
    of_class = {bool: pyarrow.bool_(), int: pyarrow.int64(), str: pyarrow.string()}
    first = of_class[type(model.classes[0])] if model.classes else pyarrow.float64()
    return {"prediction": first, **{f"probability_{label}": pyarrow.float64() for label in labels}}


def _types(types: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the Arrow types of what is kept; from CSV only the columns of the model are more than text."""
    import pyarrow

    of_kind = {
        "numeric": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "date": pyarrow.timestamp("us"),
    }
    return {
        name: its_type or of_kind.get(columns.kinds.get(name, ""), pyarrow.string())
        for name, its_type in types.items()
    }


def _as_written(kept: dict[str, Any], rows: Any, out: str) -> dict[str, Any]:
    """Return the columns to write: texts of CSV become the model's values where Parquet has types."""
    if not out.endswith(".parquet"):
        return kept
    others = {
        name: values.where(values != "", None) if isinstance(values, pd.Series) else values
        for name, values in kept.items()
    }
    from_csv = [name for name in rows if isinstance(kept[name], pd.Series)]
    return {**others, **{name: rows[name] for name in from_csv}}
