"""Fit on a GPU by RAPIDS' cuml.accel, if ACCELERATOR=cuml; the code itself uses scikit-learn alone."""

from __future__ import annotations

import io
import os
import pickle  # nosec B403 # only for what this process itself has fitted
import sys
from collections.abc import Callable
from typing import Any

from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError, one_line

CPU = "cpu"


def install() -> None:
    """Replace scikit-learn's estimators by cuml's; call it before scikit-learn is imported.

    Without cuml or a GPU it prints a note, and scikit-learn fits on the CPU.

    Raises:
        UserError: ACCELERATOR is neither cpu, cuml nor empty.
    """
    wanted = os.environ.get("ACCELERATOR") or CPU
    if wanted not in (CPU, "cuml"):
        raise UserError(f"ACCELERATOR is {wanted!r}; accepted: cpu, cuml")
    if wanted == CPU:
        return
    try:
        import cuml.accel

        _gpu()
        cuml.accel.install()
    # Without a GPU or its driver, CUDA's libraries raise errors of many types.
    except Exception as error:
        sys.modules.pop("cuml.accel", None)
        echo(f"note: no cuml or no GPU here, the CPU fits ({one_line(error)})")


def fit(fit_pipeline: Callable[[], Any]) -> tuple[Any, str]:
    """Return the fitted pipeline that `fit_pipeline` returns, and the device that fitted its last step.

    The pipeline holds scikit-learn's own estimators; the device is "cpu" or the GPU's name.
    """
    if "cuml.accel" not in sys.modules:
        return fit_pipeline(), CPU
    import cuml.accel

    with cuml.accel.profile(quiet=True) as calls:
        pipeline = _plain(fit_pipeline())
    name = type(pipeline.steps[-1][1]).__name__
    fits = calls.method_calls.get(f"{name}.fit")
    if fits is None or not fits.gpu_calls:
        echo(f"note: cuml left {name} to the CPU")
        return pipeline, CPU
    return pipeline, _gpu()


def _gpu() -> str:
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())


def _plain(pipeline: Any) -> Any:
    """Return the pipeline with scikit-learn's fitted estimators in place of cuml's proxies, which nothing else can load."""
    copied = io.BytesIO()
    _Unwrapping(copied).dump(pipeline)
    return pickle.loads(copied.getvalue())  # nosec B301 # written by the line above


class _Unwrapping(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        import cuml.accel

        if not cuml.accel.is_proxy(value) or isinstance(value, type):
            return NotImplemented
        # A proxy is pickled as its path and the estimator that it stands for.
        return _same, (value.__reduce__()[1][-1],)


def _same(value: Any) -> Any:
    return value
