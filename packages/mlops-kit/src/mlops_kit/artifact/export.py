"""Write the champion in the form that the service loads, after proving that it answers the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from threadpoolctl import threadpool_limits

from mlops_kit.core import project
from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import named_if_full, write_json, write_text
from mlops_kit.core.provenance import requirements
from mlops_kit.data.columns import plain
from mlops_kit.experiments import model_card, runs, store
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.experiments.settings import CARD_FILE, load_model_card

from . import folder as model_folder
from . import manifest, onnx_form
from .encoding import Array
from .predictor import load, load_form, outputs
from .settings import ExportConfig

__all__ = ["export"]


@dataclass(frozen=True)
class _Form:
    """The form that was taken, how far its answers are off, and why it is not ONNX."""

    format: str
    worst: float
    reason: str = ""


def export(config: ExportConfig, name: str, alias: str) -> dict[str, Any]:
    """Write the version of the model `name` that has `alias` into artifacts/model/; return model.json.

    Raises:
        UserError: There is no such version, its files are gone or changed, or its pipeline does not begin
            with the encoding that the service has.
    """
    human = load_model_card()
    with store.connected() as client, step("load") as running:
        version = runs.of_alias(client, name, alias)
        run = runs.find(client, version.run_id)
        stored = runs.load_model(run)
        text = model_card.text(run, runs.verdict(run), human, str(version.version))
        running.detail = f"{name} version {version.version}"
    target = model_folder.FOLDER
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        named_if_full(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".model-") as scratch,
    ):
        folder = Path(scratch, target.name)
        folder.mkdir(mode=0o755)
        with threadpool_limits(1):
            said = _write(folder, config, run, stored)
        said = {"registered_model": name, "version": str(version.version), **said}
        said["model_card_lacks"] = human.empty()
        write_text(folder / CARD_FILE, text)
        write_json(folder / model_folder.CARD, said)
        write_json(folder / model_folder.EXAMPLE, {"rows": [said["golden"][0]["row"]]})
        files = [
            model_folder.FILES[said["format"]],
            model_folder.CARD,
            model_folder.EXAMPLE,
            CARD_FILE,
        ]
        write_text(folder / model_folder.SUMS, model_folder.sums(folder, files))
        load(folder).check()
        _put_in_place(folder, target)
    return said


def _write(
    folder: Path, config: ExportConfig, run: runs.Run, stored: StoredModel
) -> dict[str, Any]:
    columns = manifest.described(stored)
    matrix = manifest.check_encoding(stored, columns)
    expected = outputs(stored.pipeline, stored.held_out)
    # In regression, differences are seen against the spread of the predictions.
    classes = [plain(label) for label in getattr(stored.pipeline, "classes_", [])]
    scale = 1.0 if classes else float(np.std(expected)) or 1.0
    with step("convert") as running:
        form = _convert(
            folder, stored.pipeline[1:], matrix, expected / scale, scale, config.tolerance
        )
        running.detail = _told(form, len(matrix), config.tolerance)
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
            "tolerance": config.tolerance,
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
    """Write ONNX if it answers the same, else skops."""
    file = folder / model_folder.FILES["onnx"]
    try:
        onnx_form.write(pipeline, matrix.shape[1], file)
        worst = _worst(load_form(file)(matrix) / scale, expected)
        if worst <= tolerance:
            return _Form("onnx", worst)
        reason = f"its worst difference is {worst:.1e}"
    except OSError:  # the disk is full, which is no reason to serve by scikit-learn
        raise
    except Exception as error:  # skl2onnx and onnxruntime refuse what they do not know in many ways
        reason = one_line(error)[:200]
    file.unlink(missing_ok=True)
    file = folder / model_folder.FILES["skops"]
    skops.io.dump(pipeline, file)
    worst = _worst(load_form(file)(matrix) / scale, expected)
    return _Form("skops", worst, reason)


def _told(form: _Form, rows: int, tolerance: float) -> str:
    found = f"worst difference on {rows} held-out rows {form.worst:.1e} (tolerance {tolerance:g})"
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
    """Put the finished folder where the old one was."""
    if target.exists():
        target.replace(folder.with_name("old"))
    try:
        folder.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    shutil.rmtree(folder.with_name("old"), ignore_errors=True)
