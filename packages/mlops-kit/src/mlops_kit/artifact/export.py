"""Export the champion in the format that the service loads, after verifying that its predictions are the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlops_kit.core import project, skops_file
from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import named_if_full, write_json, write_text
from mlops_kit.core.provenance import requirements
from mlops_kit.data.columns import plain
from mlops_kit.data.problems import some
from mlops_kit.experiments import model_card, runs, store
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.experiments.settings import CARD_FILE, CHALLENGER, load_model_card

from . import folder as model_folder
from . import manifest, onnx_form
from .encoding import Array
from .predictor import load, load_form, outputs
from .settings import ExportConfig

__all__ = ["Source", "check_challenger", "export"]


# What scikit-learn's own form may differ where export.tolerance is smaller, as to forbid ONNX: it rounds by the number of rows.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Form:
    """The exported format, the largest difference from scikit-learn's outputs and the allowed one, and why it is not ONNX."""

    format: str
    worst: float
    tolerance: float
    reason: str = ""


@dataclass(frozen=True)
class Source:
    """A registered version of a model, with its run and its stored pipeline."""

    name: str
    version: str
    run: runs.Run
    stored: StoredModel


def export(
    config: ExportConfig, name: str, alias: str, with_challenger: bool = False
) -> dict[str, Any]:
    """Write the version of the model `name` that has `alias` into artifacts/model/; return model.json.

    With `with_challenger` the version with the alias `challenger`, if there is another one, is written into
    artifacts/model/challenger/.

    Raises:
        UserError: There is no such version, its files are missing or were changed, its pipeline does not begin with the
            kit's `encode`, its predictions are others once it was stored, or the challenger has other columns or another task
            than the champion.
    """
    challenger = None
    with store.connect() as client, step("load") as running:
        source = _source(client, name, runs.of_alias(client, name, alias))
        version = runs.aliased(client, name, CHALLENGER) if with_challenger else None
        if version is not None and str(version.version) != source.version:
            challenger = _source(client, name, version)
        beside = f", challenger version {challenger.version}" if challenger else ""
        running.detail = f"{name} version {source.version}{beside}"
    target = model_folder.FOLDER
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        named_if_full(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".model-") as scratch,
    ):
        folder = Path(scratch, target.name)
        exported = None
        if challenger:
            check_challenger(source, challenger)
            beside_it = _fill(folder / model_folder.CHALLENGER, config, challenger, None)
            exported = {key: beside_it[key] for key in ("version", "run_id", "format")}
        described = _fill(folder, config, source, exported)
        _put_in_place(folder, target)
    return described


def _source(client: Any, name: str, version: Any) -> Source:
    run = runs.find(client, version.run_id)
    return Source(name, str(version.version), run, runs.load_model(run))


def check_challenger(champion: Source, challenger: Source) -> None:
    """Check that the challenger can predict the champion's requests.

    Raises:
        UserError: It takes a column that the champion does not have with the same kind, or has another task.
    """
    known = champion.stored.columns.kinds
    new = [n for n, kind in challenger.stored.columns.kinds.items() if known.get(n) != kind]
    if new or champion.run.config.task != challenger.run.config.task:
        what = f"takes other columns ({some(new)})" if new else "has another task"
        raise UserError(
            f"the challenger, version {challenger.version} of {challenger.name}, {what} than the champion, version"
            f" {champion.version}: take the alias from it (make mlflow-ui), or serve without one"
            ' (SERVE_SET="challenger.mode=null")'
        )


def _fill(
    folder: Path, config: ExportConfig, source: Source, challenger: dict[str, Any] | None
) -> dict[str, Any]:
    """Write a model, its manifest and its model card into a new folder; return model.json."""
    human = load_model_card()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with threadpool_limits(1):
        described = _write(folder, config, source.run, source.stored)
    names = {"registered_model": source.name, "version": source.version, "challenger": challenger}
    described = {**names, **described, "model_card_lacks": human.empty()}
    text = model_card.text(source.run, runs.validation(source.run), human, source.version)
    write_text(folder / CARD_FILE, text)
    write_json(folder / model_folder.MANIFEST, described)
    write_json(folder / model_folder.EXAMPLE, {"rows": [described["golden"][0]["row"]]})
    model_file = model_folder.FILES[described["format"]]
    files = [model_file, model_folder.MANIFEST, model_folder.EXAMPLE, CARD_FILE]
    write_text(folder / model_folder.SUMS, model_folder.sums(folder, files))
    load(folder).check()
    return described


def _write(
    folder: Path, config: ExportConfig, run: runs.Run, stored: StoredModel
) -> dict[str, Any]:
    columns = manifest.described(stored)
    matrix = manifest.check_encoding(stored, columns)
    expected = outputs(stored.pipeline, stored.held_out)
    # In regression, differences are measured in standard deviations of the predictions.
    classes = [plain(label) for label in getattr(stored.pipeline, "classes_", [])]
    scale = 1.0 if classes else float(np.std(expected)) or 1.0
    with step("convert") as running:
        form = _convert(
            folder, stored.pipeline[1:], matrix, expected / scale, scale, config.tolerance
        )
        running.detail = _summary(form, len(matrix))
    return {
        "run_id": run.run_id,
        "git_commit": run.tags["git.commit"],
        "git_dirty": run.tags["git.dirty"],
        "data_source": run.tags["data.source"],
        "data_digest": run.tags["data.digest"],
        "data_left_out": run.tags["data.left_out"],
        "data_notes": run.tags["data.notes"],
        "model_sha256": run.tags["model.sha256"],
        "task": run.config.task,
        "target": run.config.data.target,
        "classes": classes,
        "metrics": run.estimates(),
        "format": form.format,
        "requirements": requirements(["numpy", "scikit-learn", "skops"]),
        "parity": {
            "rows": len(matrix),
            "worst": form.worst,
            "tolerance": form.tolerance,
            "scale": scale,
        },
        "columns": columns,
        "missing_values": stored.columns.missing_values,
        "derived": manifest.derived(stored),
        "features_digest": project.current().features_digest,
        "golden": manifest.golden(stored, columns, classes, expected, config.golden_rows),
    }


def _convert(
    folder: Path, pipeline: Any, matrix: Array, expected: Array, scale: float, tolerance: float
) -> _Form:
    """Write ONNX if its outputs for `matrix` (rows, width) are within `tolerance` of the pipeline's, else skops.

    `expected` are the pipeline's outputs, already divided by `scale`.

    Raises:
        UserError: The outputs of the skops form are others, too.
    """
    file = folder / model_folder.FILES["onnx"]
    try:
        onnx_form.write(pipeline, matrix.shape[1], file)
        worst = _worst(load_form(file)(matrix) / scale, expected)
        if worst <= tolerance:
            return _Form("onnx", worst, tolerance)
        reason = f"its worst difference is {worst:.1e}"
    except OSError:  # a full disk is no reason to fall back to scikit-learn
        raise
    except Exception as error:  # skl2onnx and onnxruntime raise many types of errors
        reason = one_line(error)[:200]
    file.unlink(missing_ok=True)
    file = folder / model_folder.FILES["skops"]
    skops_file.skops_io().dump(pipeline, file)
    worst, tolerance = _worst(load_form(file)(matrix) / scale, expected), max(tolerance, _ROUNDING)
    if not worst <= tolerance:  # NaN, too
        raise UserError(
            f"the pipeline gives other predictions each time, or after it was stored: the worst difference on {len(matrix)}"
            f" test rows is {worst:.1e}, accepted is export.tolerance {tolerance:g} (ONNX will not do: {reason})"
        )
    return _Form("skops", worst, tolerance, reason)


def _summary(form: _Form, rows: int) -> str:
    found = f"worst difference on {rows} test rows {form.worst:.1e} (tolerance {form.tolerance:g})"
    if form.format == "onnx":
        return f"to ONNX; {found}"
    return (
        f"kept as scikit-learn, slower to serve, because ONNX will not do: {form.reason}; {found}"
    )


def _worst(outputs: Array, expected: Array) -> float:
    if outputs.shape != expected.shape:
        raise ValueError(f"it gives an array of shape {outputs.shape}, not {expected.shape}")
    return float(np.abs(outputs - expected).max())


def _put_in_place(folder: Path, target: Path) -> None:
    """Replace the old folder with the finished one."""
    if target.exists():
        target.replace(folder.with_name("old"))
    try:
        folder.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    shutil.rmtree(folder.with_name("old"), ignore_errors=True)
