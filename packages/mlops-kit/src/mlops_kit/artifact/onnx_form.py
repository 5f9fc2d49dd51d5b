"""Write the pipeline after its encoding as ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from mlops_kit.core import project

# The newest opsets that onnxruntime reads on every supported Python.
_OPSET = {"": 18, "ai.onnx.ml": 3}


def write(pipeline: Any, width: int, file: Path) -> None:
    """Write `pipeline`, which takes an array (rows, width) of float64, as ONNX with one output.

    Raises:
        Exception: skl2onnx has no converter for a part of it, or fails in any other way.
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
        warnings.simplefilter("ignore")  # about versions of their own
        whole = to_onnx(
            pipeline,
            initial_types=[("rows", DoubleTensorType([None, width]))],
            options=options,
            target_opset=_OPSET,
        )
    output = whole.graph.output[-1].name  # behind the label, which the classes give
    file.write_bytes(select_model_inputs_outputs(whole, outputs=[output]).SerializeToString())
