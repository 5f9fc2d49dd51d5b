"""Score a file with the exported model in batches, so that files larger than memory work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.artifact.predictor import Model, load
from mlops_kit.core.console import echo, progress
from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.data import Columns, batches
from mlops_kit.data.settings import DataConfig
from mlops_kit.data.source_files import FILE, SUFFIXES, is_parquet, local_files

from . import batch_predictions
from .writers import open_writer

# Maps batches to batches with their predictions, in the same order.
Answers = Callable[
    [Iterator[batches.Batch]], Iterator[tuple[batches.Batch, batch_predictions.Answer]]
]


@dataclass
class Scored:
    """The number of scored rows, the duration in seconds, and the number of values that were new to the model."""

    rows: int = 0
    seconds: float = 0.0
    new: batch_predictions.New = field(default_factory=batch_predictions.New)

    def add(self, answer: batch_predictions.Answer) -> None:
        """Add the counts of a batch."""
        self.rows += len(answer.rows)
        self.new.missing.update(answer.new.missing)
        self.new.unseen.update(answer.new.unseen)

    def notes(self) -> list[str]:
        """Return a sentence for each kind of values that were new to the model."""
        kinds = {
            "missing where training saw none missing": self.new.missing,
            "categories that training did not see": self.new.unseen,
        }
        return [
            f"{sum(counts.values()):,} values are {what}"
            f" ({', '.join(f'{name} {count:,}' for name, count in counts.most_common())})"
            for what, counts in kinds.items()
            if counts
        ]


def score(config: DataConfig, data: str, out: str, folder: Path, most_rows: int = 0) -> Scored:
    """Write the rows of the file `data` with the predictions of the model in `folder` to the file `out`.

    With DASK_SCHEDULER set, that cluster predicts; the output is identical. `config` has the format of CSV.
    `most_rows` is the largest size of a batch; with 0 it depends on the number of columns.

    Raises:
        UserError: A file, the model or the cluster cannot be used, columns are missing, or a value is not of its kind.
    """
    start = time.perf_counter()
    if not data:
        raise UserError(f"DATA is not set; accepted: {FILE}")
    if not out.lower().endswith(SUFFIXES):
        raise UserError(f"OUT {f'is {out!r}' if out else 'is not set'}; accepted: {FILE}")
    if "://" in out or Path(out).is_dir():
        raise UserError(f"OUT is {out!r}; accepted: a path to {FILE}")
    model, done = load(folder), Scored()
    config = config.model_copy(update={"source": data})
    with local_files(data, "DATA") as files:
        if Path(out).exists() and any(Path(out).samefile(file) for file in files):
            raise UserError(f"OUT is {out!r}, which is DATA itself; accepted: another file")
        table = batches.open_table(files, config)
        columns = batch_predictions.columns(model, config)
        _check_columns(list(table.types), model, data)
        types = {
            **_types(table.types, columns),
            **batch_predictions.types(model),
        }
        with ExitStack() as stack:
            answers = stack.enter_context(_answers(model, folder, config))
            write = stack.enter_context(open_writer(Path(out), types, config))
            report = stack.enter_context(progress("score"))
            for batch, answer in answers(table.batches(columns.kinds, most_rows)):
                write({**_as_written(batch.kept, answer.rows, out), **answer.columns})
                done.add(answer)
                report(batch.share, f"{done.rows:,} rows")
    done.seconds = time.perf_counter() - start
    return done


@contextmanager
def _answers(model: Model, folder: Path, config: DataConfig) -> Iterator[Answers]:
    """Yield the function that predicts batches, in this process or on the cluster of DASK_SCHEDULER."""
    if not os.environ.get("DASK_SCHEDULER"):
        yield lambda every: (
            (b, batch_predictions.answer(model, b.values, b.before, config)) for b in every
        )
        return
    from mlops_kit.experiments import cluster

    from . import dask_predictions

    with cluster.connect() as client:
        echo(f"cluster    {len(client.nthreads())} workers; watch them: {client.dashboard_link}")
        yield lambda every: dask_predictions.answered(client, folder, every, config)


def _check_columns(names: list[str], model: Model, data: str) -> None:
    needed = [column["name"] for column in model.card["columns"]]
    missing = [name for name in needed if name not in names]
    if missing:
        lacking = ", ".join(f"{name!r}{did_you_mean(name, names)}" for name in missing)
        raise UserError(f"DATA {data} lacks the columns that {model.name} takes: {lacking}")
    taken = [name for name in batch_predictions.types(model) if name in names]
    if taken:
        raise UserError(
            f"DATA {data} has a column {taken[0]!r} already, the name of one that is added: rename it"
        )


def _types(types: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the Arrow types of the kept columns; from CSV, all that the model does not take are strings."""
    import pyarrow

    from mlops_kit.data.arrow_types import OF_KIND

    return {
        name: its_type or OF_KIND.get(columns.kinds.get(name, ""), pyarrow.string())
        for name, its_type in types.items()
    }


def _as_written(kept: dict[str, Any], rows: Any, out: str) -> dict[str, Any]:
    """Return the columns to write; from CSV to Parquet, the model's columns are written as values, not as strings."""
    if not is_parquet(Path(out)):
        return kept
    others = {
        name: values.where(values != "", None) if isinstance(values, pd.Series) else values
        for name, values in kept.items()
    }
    from_csv = [name for name in rows if isinstance(kept[name], pd.Series)]
    return {**others, **{name: rows[name] for name in from_csv}}
