"""What the service has recorded (serving/recorder.py): into Parquet, and the rows of a window out of it."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import compute, parquet

from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import scratch
from mlops_kit.data import Columns
from mlops_kit.data.arrow_types import OF_KIND, of_answers
from mlops_kit.data.s3 import download_all
from mlops_kit.serving.recorder import LINES, PARQUET

_MODEL = b"model"  # under which Parquet keeps the first line


@dataclass
class Window:
    """The rows of one version of a model since some time.

    `keys` has the columns time, request_id and row; `answers` has prediction and, of classes, each one's
    probability under its name. `inputs` and `flags` have a series for each column: values in the model's types,
    and of private columns `missing`, `seen` or `unseen`. `others` counts the rows of other versions, `damaged`
    the lines that cannot be read.
    """

    keys: Any
    answers: Any
    inputs: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    damaged: int = 0

    def __len__(self) -> int:
        return len(self.keys)


@contextmanager
def located(source: str) -> Iterator[Path]:
    """Give the folder that `source` names, its finished files as Parquet; from S3 it is fetched for the while.

    Raises:
        UserError: It is not there or cannot be fetched.
    """
    if source.startswith("s3://"):
        with scratch() as fetched:
            download_all(source, fetched, (LINES, PARQUET), "source")
            yield fetched
        return
    folder = Path(source)
    if not folder.is_dir():
        raise UserError(
            f"source {source} is no folder; accepted: the record.folder of configs/serve.yaml, or an s3:// URL"
        )
    for path in sorted(folder.glob(f"*{LINES}")):
        with suppress(FileNotFoundError):  # the service has removed it, because it was the oldest
            _to_parquet(path)
    yield folder


def window(folder: Path, columns: Columns, model: str, version: str, since: datetime) -> Window:
    """Return the rows of `version` of `model`, whose columns are `columns`, since a time in UTC.

    Raises:
        UserError: A file is none that a service has recorded.
    """
    found: list[tuple[dict[str, Any], Any]] = []
    others: Counter[str] = Counter()
    damaged = 0
    for path in sorted((*folder.glob(f"*{LINES}"), *folder.glob(f"*{PARQUET}"))):
        told, table, wrong = _read(path)
        damaged += wrong
        if table is None:
            continue
        table = table.filter(compute.greater_equal(table["time"], pyarrow.scalar(since)))
        if (told["model"], told["version"]) != (model, version):
            others[f"{told['model']} version {told['version']}"] += table.num_rows
        elif table.num_rows:
            found.append((told, table.flatten().to_pandas()))
    return _joined(found, columns, +others, damaged)


def _joined(
    found: list[tuple[dict[str, Any], Any]], columns: Columns, others: Counter[str], damaged: int
) -> Window:
    frames = [frame for _, frame in found]
    together = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    joined = Window(
        together.reindex(columns=["time", "request_id", "row"]),
        together.reindex(columns=["prediction"]).join(_under("probabilities", together)),
        others=others,
        damaged=damaged,
    )
    for name, kind in columns.kinds.items():
        # A column may have become private in the middle of it.
        open_in = [frame for told, frame in found if name not in told["private"]]
        private_in = [frame for told, frame in found if name in told["private"]]
        if open_in:
            values = pd.concat([frame[f"inputs.{name}"] for frame in open_in], ignore_index=True)
            joined.inputs[name] = Columns({name: kind}).coerce(values.to_frame(name))[name]
        if private_in:
            flags = [frame[f"private.{name}"] for frame in private_in]
            joined.flags[name] = pd.concat(flags, ignore_index=True)
    return joined


def _under(name: str, frame: Any) -> Any:
    inside = [column for column in frame if column.startswith(f"{name}.")]
    return frame[inside].rename(columns=lambda column: column[len(name) + 1 :])


def _to_parquet(path: Path) -> None:
    """Turn a file that nobody writes any more into Parquet; a kill in between leaves one of the two, or both."""
    target = path.with_suffix(PARQUET)
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not target.exists():
            told, table, _ = _parsed(path, file.read())
            if table is None:
                return
            unfinished = target.with_suffix(".unfinished")
            kept = table.replace_schema_metadata({_MODEL: json.dumps(told)})
            parquet.write_table(kept, unfinished)
            unfinished.replace(target)
        path.unlink()


def _read(path: Path) -> tuple[dict[str, Any], Any, int]:
    """Return what a file tells of the model, its rows as a table, and how many lines are damaged.

    There is no table where the file is gone by now, or holds no whole line.
    """
    try:
        if path.suffix == LINES:
            if path.with_suffix(PARQUET).exists():
                return {}, None, 0
            return _parsed(path, path.read_bytes())
        table = parquet.read_table(path)
        return json.loads(table.schema.metadata[_MODEL]), table, 0
    except FileNotFoundError:  # the service has removed it, because it was the oldest
        return {}, None, 0
    except (pyarrow.ArrowException, KeyError, TypeError) as error:
        raise UserError(f"{path} was not recorded by a service: {one_line(error)}") from None


def _parsed(path: Path, content: bytes) -> tuple[dict[str, Any], Any, int]:
    # A process that was killed, or a full disk, may have cut the last line.
    first, *lines = content.split(b"\n")[:-1] or [b""]
    if not first:
        return {}, None, 0
    try:
        told = json.loads(first)
        schema, dates = _schema(told), _dates(told)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} was not recorded by a service: {one_line(error)}") from None
    rows, damaged = [], 0
    for line in lines:
        try:
            row = json.loads(line)
            row["time"] = round(1000 * row["time"])
            for name in dates:
                if row["inputs"][name] is not None:
                    row["inputs"][name] = datetime.fromisoformat(row["inputs"][name])
            rows.append(row)
        except (ValueError, KeyError, TypeError):
            damaged += 1
    return told, pyarrow.Table.from_pylist(rows, schema=schema), damaged


def _schema(told: dict[str, Any]) -> Any:
    """Return the Arrow types of a file's rows; Parquet has no group without columns, so what is empty is left out."""
    kinds, classes = told["kinds"], told["classes"]
    groups = {
        "inputs": {n: OF_KIND[kind] for n, kind in kinds.items() if n not in told["private"]},
        "private": dict.fromkeys(told["private"], pyarrow.string()),
        "probabilities": {_label(each): pyarrow.float64() for each in classes},
    }
    return pyarrow.schema(
        {
            "time": pyarrow.timestamp("ms", "UTC"),
            "request_id": pyarrow.string(),
            "row": pyarrow.int32(),
            "prediction": of_answers(classes),
            **{name: pyarrow.struct(list(g.items())) for name, g in groups.items() if g},
        }
    )


def _label(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def _dates(told: dict[str, Any]) -> list[str]:
    kinds = told["kinds"].items()
    return [name for name, kind in kinds if kind == "date" and name not in told["private"]]
