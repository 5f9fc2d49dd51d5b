"""The export of the pipeline's steps after `encode` to ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from mlops_kit.core import project

# The newest opsets that onnxruntime reads on every supported Python.
_OPSET = {"": 18, "ai.onnx.ml": 3}


def write(pipeline: Any, width: int, file: Path) -> None:
    """Convert `pipeline` to ONNX and write it to `file`.

    Its input is float64 of shape (rows, width); its only output is probabilities (rows, classes), or numbers (rows, 1).

    Raises:
        Exception: skl2onnx has no converter for a part of it, or fails in another way.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

    from . import converters

    converters.register()
    project.current().register_converters()
    is_classifier = hasattr(pipeline, "predict_proba")
    options = {id(pipeline): {"zipmap": False}} if is_classifier else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the libraries' versions
        whole = to_onnx(
            pipeline,
            initial_types=[("rows", DoubleTensorType([None, width]))],
            options=options,
            target_opset=_OPSET,
        )
    output = whole.graph.output[-1].name  # of a classifier, the probabilities: labels come first
    file.write_bytes(select_model_inputs_outputs(whole, outputs=[output]).SerializeToString())
