"""skl2onnx converters for estimators that skl2onnx does not support, or converts with float32 rounding.

`update_registered_converter` puts them in place of its own: https://onnx.ai/sklearn-onnx/tutorial_2_new_converter.html.
They compute in float64, as scikit-learn does; only the sums over trees are float32 (tree_ensembles.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer

from .tree_ensembles import TreeNodes, boosting, forest

# The options that skl2onnx passes to every classifier's converter.
_CLASSIFIER_OPTIONS = {"zipmap": [True, False], "nocl": [True, False]}

_LINKS = {"IdentityLink": "Identity", "LogLink": "Exp"}


def register() -> None:
    """Register the converters of this module with skl2onnx, for the whole process."""
    for kind, shape, convert, options in (
        (RandomForestClassifier, _classifier_shape, _random_forest, _CLASSIFIER_OPTIONS),
        (RandomForestRegressor, _regressor_shape, _random_forest, None),
        (
            HistGradientBoostingClassifier,
            _classifier_shape,
            _boosted_classifier,
            _CLASSIFIER_OPTIONS,
        ),
        (HistGradientBoostingRegressor, _regressor_shape, _boosted_regressor, None),
        (SimpleImputer, _imputer_shape, _imputer, None),
    ):
        update_registered_converter(kind, f"Exact{kind.__name__}", shape, convert, options=options)


class _Graph:
    """Adds nodes and constants to an ONNX graph; each call returns the name of the output."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope, self.container = scope, container

    def add(
        self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any
    ) -> str:
        output = output or self.scope.get_unique_variable_name(kind.lower())
        version = 3 if domain else self.container.target_opset
        self.container.add_node(
            kind,
            list(inputs),
            [output],
            op_domain=domain,
            op_version=version,
            name=self.scope.get_unique_operator_name(kind),
            **attributes,
        )
        return output

    def constant(self, values: Any, kind: int = TensorProto.DOUBLE) -> str:
        values = np.asarray(values)
        name = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, kind, values.shape, values.ravel().tolist())
        return str(name)


def _trees(graph: _Graph, rows: str, nodes: TreeNodes, base: Any) -> str:
    attributes = nodes.attributes()
    sums = graph.add("TreeEnsembleRegressor", rows, domain="ai.onnx.ml", **attributes)
    return graph.add(
        "Add", graph.add("Cast", sums, to=TensorProto.DOUBLE), graph.constant(base[None])
    )


def _positions(graph: _Graph, probabilities: str, output: str) -> None:
    """Add the label output that skl2onnx requires, as class indices; the service reads only the probabilities."""
    graph.add("ArgMax", probabilities, output=output, axis=1, keepdims=0)


def _random_forest(scope: Any, operator: Any, container: Any) -> None:
    graph, rows = _Graph(scope, container), operator.inputs[0].full_name
    # scikit-learn's trees compare float32 features with float64 thresholds.
    rounded = graph.add("Cast", rows, to=TensorProto.FLOAT)
    nodes, base = forest(operator.raw_operator)
    values = _trees(graph, graph.add("Cast", rounded, to=TensorProto.DOUBLE), nodes, base)
    output = operator.outputs[-1].full_name
    graph.add("Identity", values, output=output)
    if len(operator.outputs) == 2:
        _positions(graph, output, operator.outputs[0].full_name)


def _boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, rows = _Graph(scope, container), operator.inputs[0].full_name
    label, output = (one.full_name for one in operator.outputs)
    nodes, base = boosting(operator.raw_operator)
    raw = _trees(graph, rows, nodes, base)
    if nodes.targets == 1:
        second = graph.add("Sigmoid", raw)
        first = graph.add("Sub", graph.constant([[1.0]]), second)
        graph.add("Concat", first, second, output=output, axis=1)
    else:
        graph.add("Softmax", raw, output=output, axis=1)
    _positions(graph, output, label)


def _boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, container), operator.raw_operator
    link = type(model._loss.link).__name__
    if link not in _LINKS:
        raise NotImplementedError(f"a {link} of {type(model).__name__}")
    raw = _trees(graph, operator.inputs[0].full_name, *boosting(model))
    graph.add(_LINKS[link], raw, output=operator.outputs[0].full_name)


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, container), operator.raw_operator
    rows, output = operator.inputs[0].full_name, operator.outputs[0].full_name
    if not (isinstance(model.missing_values, float) and np.isnan(model.missing_values)):
        raise NotImplementedError(f"SimpleImputer of {model.missing_values!r}")
    fillers = np.asarray(model.statistics_, dtype=np.float64)
    if np.isnan(fillers).any():
        raise NotImplementedError("SimpleImputer that drops empty columns")
    gone = graph.add("IsNaN", rows)
    filled = graph.add("Where", gone, graph.constant(fillers[None]), rows)
    if model.indicator_ is None or not len(model.indicator_.features_):
        graph.add("Identity", filled, output=output)
        return
    numbers = graph.constant(model.indicator_.features_, TensorProto.INT64)
    indicators = graph.add("Gather", gone, numbers, axis=1)
    as_number = graph.add("Cast", indicators, to=TensorProto.DOUBLE)
    graph.add("Concat", filled, as_number, output=output, axis=1)


def _classifier_shape(operator: Any) -> None:
    rows, classes = operator.inputs[0].get_first_dimension(), operator.raw_operator.classes_
    operator.outputs[0].type = Int64TensorType([rows])
    operator.outputs[1].type = DoubleTensorType([rows, len(classes)])


def _regressor_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([operator.inputs[0].get_first_dimension(), 1])


def _imputer_shape(operator: Any) -> None:
    model, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    indicators = 0 if model.indicator_ is None else len(model.indicator_.features_)
    operator.outputs[0].type = DoubleTensorType([rows, len(model.statistics_) + indicators])
