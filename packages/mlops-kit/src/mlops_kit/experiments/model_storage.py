"""Store and load a fitted pipeline with skops, which runs no code from the file.

The module is a flavor in MLflow's sense (`mlflow.models.Model.log` calls `save_model`, `mlflow.pyfunc`
calls `_load_pyfunc`). The kit itself loads a model only by `load`, which first compares the files with a
SHA-256 stored elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core import project, skops_file
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import named_if_full
from mlops_kit.core.provenance import requirements
from mlops_kit.core.trusted_types import trusted_types
from mlops_kit.data import Columns
from mlops_kit.data.profile import profile

from .pipeline import derived_by

MODEL = "model.skops"
COLUMNS = "columns.json"
PROFILE = "profile.json"
HELD_OUT = "held_out.parquet"
FILES = (MODEL, COLUMNS, PROFILE, HELD_OUT)

# Imported before MLflow: skops searches every imported module for its functions.
_skops = skops_file.skops_io()

_MOST_HELD_OUT = 10_000
_EXAMPLE = "input_example.json"
_EXAMPLE_ROWS = 5
_RUNS_ON = ["mlflow-skinny", "pandas", "scikit-learn", "skops"]


@dataclass(frozen=True)
class StoredModel:
    """A fitted pipeline, the columns it takes, the profile of its training set, and rows of its test set."""

    pipeline: Any
    columns: Columns
    profile: list[dict[str, Any]]
    held_out: Any


def save_model(
    path: str, mlflow_model: Any, pipeline: Any, columns: Columns, rows: Any, held_out: Any
) -> None:
    """Write `pipeline` as an MLflow model folder with signature and input example.

    It includes the profile of the training set `rows` and at most 10,000 of the test set's rows `held_out`, so that
    the model can be exported and verified anywhere, without its data source.

    Raises:
        UserError: The pipeline holds a type that is not trusted.
    """
    folder = Path(path)
    folder.mkdir(parents=True)
    with named_if_full(folder):
        _write(folder, mlflow_model, pipeline, columns, rows, held_out)


def _write(
    folder: Path, mlflow_model: Any, pipeline: Any, columns: Columns, rows: Any, held_out: Any
) -> None:
    from mlflow.models import infer_signature

    _skops.dump(pipeline, folder / MODEL)
    _check_types(folder / MODEL)
    (folder / COLUMNS).write_text(json.dumps(columns.to_dict(), indent=2), encoding="utf-8")
    (folder / PROFILE).write_text(json.dumps(profile(columns, rows), indent=2), encoding="utf-8")
    every = -(-len(held_out) // _MOST_HELD_OUT)
    held_out[::every].to_parquet(folder / HELD_OUT, index=False)
    example = rows.head(_EXAMPLE_ROWS)
    example.to_json(folder / _EXAMPLE, orient="split", index=False, date_format="iso")
    mlflow_model.signature = infer_signature(rows, pipeline.predict(example))
    mlflow_model.saved_input_example_info = {
        "artifact_path": _EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    package = project.current().package
    mlflow_model.add_flavor("skops", data=MODEL, columns=COLUMNS, package=package)
    mlflow_model.add_flavor("python_function", loader_module=__name__, env="requirements.txt")
    lines = "\n".join(requirements(_RUNS_ON)) + "\n"
    (folder / "requirements.txt").write_text(lines, encoding="utf-8")
    mlflow_model.save(str(folder / "MLmodel"))


class CannotLoadError(UserError):
    """The stored files are unchanged, but this Python and these libraries cannot load them."""


def digest(folder: Path) -> str:
    """Return the SHA-256 of the stored pipeline in `folder` and of the files stored with it.

    Raises:
        FileNotFoundError: One of these files is missing.
    """
    stored = hashlib.sha256()
    for name in FILES:
        stored.update((folder / name).read_bytes())
    return stored.hexdigest()


def load(folder: Path, expected: str, what: str) -> StoredModel:
    """Return the model in `folder`; `what` names it in errors.

    Raises:
        UserError: A file is missing, or the SHA-256 is not `expected`.
        CannotLoadError: The files are as stored, but cannot be loaded here.
    """
    _check_digest(folder, expected, what)
    try:
        stored = _read(folder)
    except Exception as error:  # a file of another release can fail in any way
        raise CannotLoadError(f"{what} cannot be loaded here: {one_line(error)}") from error
    derived = derived_by(stored.pipeline)
    if derived and derived.digest != project.current().features_digest:
        raise CannotLoadError(f"{what} was trained with another features.py: make pipeline")
    return stored


def columns(folder: Path, expected: str, what: str) -> Columns:
    """Return the columns that the model in `folder` takes; `what` names it in errors.

    Raises:
        UserError: A file is missing, or the SHA-256 is not `expected`.
    """
    _check_digest(folder, expected, what)
    return _columns(folder)


def _columns(folder: Path) -> Columns:
    return Columns(**json.loads((folder / COLUMNS).read_text(encoding="utf-8")))


def _check_digest(folder: Path, expected: str, what: str) -> None:
    try:
        found = digest(folder)
    except FileNotFoundError as error:
        raise UserError(f"{what} lacks {Path(error.filename).name}") from None
    if found != expected:
        raise UserError(
            f"{what} was changed after training: its SHA-256 is {found}, not {expected}"
        )


def _check_types(file: Path) -> None:
    unknown = sorted(set(_skops.get_untrusted_types(file=file)) - set(trusted_types()))
    if unknown:
        raise UserError(
            f"the fitted pipeline stores {', '.join(unknown)}: read what such a type does when it is"
            " loaded, then add it to TRUSTED_TYPES in model.py"
        )


def _read(folder: Path) -> StoredModel:
    pipeline = skops_file.load(folder / MODEL)
    columns = _columns(folder)
    described = json.loads((folder / PROFILE).read_text(encoding="utf-8"))
    held_out = columns.coerce(pd.read_parquet(folder / HELD_OUT))
    return StoredModel(pipeline, columns, described, held_out)


class _Predictor:
    """The model that `mlflow.pyfunc` calls for predictions."""

    def __init__(self, folder: Path) -> None:
        self.model = _read(folder)

    def predict(self, rows: Any) -> Any:
        return self.model.pipeline.predict(self.model.columns.coerce(rows))


def _load_pyfunc(path: str) -> _Predictor:
    from mlflow.models import Model

    project.use_package(Model.load(path).flavors["skops"]["package"])
    return _Predictor(Path(path))
