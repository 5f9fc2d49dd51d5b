"""The rows that the service has recorded (serving/recorder.py): their conversion to Parquet, and the window of a span."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from mlops_kit.data.arrow_types import OF_KIND, of_predictions
from mlops_kit.data.s3 import download_parts
from mlops_kit.serving.record_files import LINES, PARQUET, taken, whole_lines

from .span import Span

_MODEL = b"model"  # the key of a file's first line in the metadata of Parquet


@dataclass
class Window:
    """The rows that one version of a model predicted in a span.

    `keys` is a data frame with the columns time, request_id, row, seconds (the request's duration) and mode (that of a
    challenger, shadow or share; missing for the champion). `answers` is one with the column prediction and, in
    classification, a column of probabilities for each class; `classes` maps the names of these columns to the model's
    classes, like "1" to 1. `scale` is `parity.scale` of model.json, or 0 where no file has it, as those of release 0.1:
    numbers agree only where they are equal then. `inputs` has a series of values, in the model's types, for each column;
    `flags` one of `missing`, `seen` or `unseen` for each private column. `others` counts the rows of other
    versions, `damaged` the lines that cannot be read.
    """

    keys: Any
    answers: Any
    inputs: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    damaged: int = 0
    classes: dict[str, Any] = field(default_factory=dict)
    scale: float = 0.0

    def __len__(self) -> int:
        return len(self.keys)


@contextmanager
def local_files(source: str, span: Span) -> Iterator[list[Path]]:
    """Yield the files in `source` that may have rows of the span; those in S3 are downloaded to a temporary folder.

    `source` is a recorder's folder, whose finished files are converted to Parquet, or the folder or s3:// URL of a shipper.

    Raises:
        UserError: It does not exist or cannot be downloaded.
    """
    if source.startswith("s3://"):
        with scratch() as fetched:
            download_parts(source, span.day_folders(), span.may_hold, fetched, "source")
            yield sorted(fetched.iterdir())
        return
    folder = Path(source)
    if not folder.is_dir():
        raise UserError(
            f"source {source} is no folder; accepted: record.folder or record.to of configs/serve.yaml, or an s3:// URL"
        )
    for path in sorted(folder.glob(f"*{LINES}")):
        _to_parquet(path)
    days = [folder / day for day in span.day_folders()]
    found = [*folder.glob("*"), *(path for day in days for path in day.glob("*/*"))]
    yield sorted(path for path in found if span.may_hold(path.name))


def window(files: list[Path], columns: Columns, model: str, version: str, span: Span) -> Window:
    """Return the rows of `version` of `model` in the span; `columns` are the model's.

    Raises:
        UserError: A file was not recorded by a service.
    """
    found: list[tuple[dict[str, Any], Any]] = []
    others: Counter[str] = Counter()
    damaged = 0
    for path in files:
        head, table, wrong = _read(path)
        damaged += wrong
        if table is None:
            continue
        since, until = (pyarrow.scalar(time) for time in span)
        time = table["time"]
        table = table.filter(
            compute.and_(compute.greater_equal(time, since), compute.less(time, until))
        )
        if (head["model"], head["version"]) != (model, version):
            others[title(head["model"], head["version"])] += table.num_rows
        elif table.num_rows:
            mode = head.get("mode")  # files of release 0.1 have none, and no challenger
            found.append((head, table.flatten().to_pandas().assign(mode=mode)))
    return _joined(found, columns, +others, damaged)


def title(model: str, version: str) -> str:
    """Return the name of a version for messages, which is also its key in `Window.others`."""
    return f"{model} version {version}"


def _joined(
    found: list[tuple[dict[str, Any], Any]], columns: Columns, others: Counter[str], damaged: int
) -> Window:
    frames = [frame for _, frame in found]
    together = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    joined = Window(
        together.reindex(columns=["time", "request_id", "row", "seconds", "mode"]),
        together.reindex(columns=["prediction"]).join(_under("probabilities", together)),
        others=others,
        damaged=damaged,
        classes={_label(each): each for head, _ in found for each in head["classes"]},
        scale=max((head.get("scale", 0.0) for head, _ in found), default=0.0),
    )
    for name, kind in columns.kinds.items():
        # A column may have become private during the window.
        open_in = [frame for head, frame in found if name not in head["private"]]
        private_in = [frame for head, frame in found if name in head["private"]]
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
    """Convert a finished file to Parquet; if the process is killed, one of the two files remains, or both."""
    target = path.with_suffix(PARQUET)
    with taken(path) as file:
        if file is None:
            return
        if not target.exists():
            head, table, _ = _parsed(path, file.read())
            if table is None:
                return
            unfinished = target.with_suffix(".unfinished")
            kept = table.replace_schema_metadata({_MODEL: json.dumps(head)})
            parquet.write_table(kept, unfinished)
            unfinished.replace(target)
        path.unlink()


def _read(path: Path) -> tuple[dict[str, Any], Any, int]:
    """Return a file's head, which describes the model, its rows as an Arrow table, and the number of damaged lines.

    The table is None where the file is gone, or has no complete line.
    """
    try:
        if path.suffix == LINES:
            if path.with_suffix(PARQUET).exists():
                return {}, None, 0
            return _parsed(path, path.read_bytes())
        table = parquet.read_table(path)
        return json.loads(table.schema.metadata[_MODEL]), table, 0
    except FileNotFoundError:  # the service has removed it as the oldest
        return {}, None, 0
    except (pyarrow.ArrowException, KeyError, TypeError) as error:
        raise UserError(f"{path} was not recorded by a service: {one_line(error)}") from None


def _parsed(path: Path, content: bytes) -> tuple[dict[str, Any], Any, int]:
    first, *lines = whole_lines(content).split(b"\n")[:-1] or [b""]
    if not first:
        return {}, None, 0
    try:
        head = json.loads(first)
        schema, dates = _schema(head), _dates(head)
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
    return head, pyarrow.Table.from_pylist(rows, schema=schema), damaged


def _schema(head: dict[str, Any]) -> Any:
    """Return the Arrow schema of a file's rows, without empty structs, which Parquet cannot store."""
    kinds, classes = head["kinds"], head["classes"]
    groups = {
        "inputs": {n: OF_KIND[kind] for n, kind in kinds.items() if n not in head["private"]},
        "private": dict.fromkeys(head["private"], pyarrow.string()),
        "probabilities": {_label(each): pyarrow.float64() for each in classes},
    }
    return pyarrow.schema(
        {
            "time": pyarrow.timestamp("ms", "UTC"),
            "request_id": pyarrow.string(),
            "row": pyarrow.int32(),
            "seconds": pyarrow.float64(),
            "prediction": of_predictions(classes),
            **{name: pyarrow.struct(list(g.items())) for name, g in groups.items() if g},
        }
    )


def _label(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def _dates(head: dict[str, Any]) -> list[str]:
    kinds = head["kinds"].items()
    return [name for name, kind in kinds if kind == "date" and name not in head["private"]]
