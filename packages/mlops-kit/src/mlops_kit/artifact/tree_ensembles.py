"""scikit-learn's tree ensembles as one ONNX node, exact where skl2onnx's own converters round or fail.

The node is `TreeEnsembleRegressor` of ai.onnx.ml 3 with float64 thresholds and leaves. Its output is
float32, so leaves hold differences from `base`, which the caller adds in float64.
https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper


@dataclass
class TreeNodes:
    """The nodes and leaves of all trees as lists, like the attributes of the ONNX operator.

    An output is the sum of the leaves that a row reaches, one in each tree. Here a node is a pair (tree, number).
    """

    targets: int
    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    missing_is_yes: list[int] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    leaf_target: list[int] = field(default_factory=list)
    leaf_weight: list[float] = field(default_factory=list)
    leaf_rows: list[int] = field(default_factory=list)

    def split(
        self,
        at: tuple[int, int],
        feature: int,
        mode: str,
        value: float,
        to: tuple[int, int],
        missing: bool,
    ) -> None:
        """Add the node `at`, which compares a feature with `value` by `mode`: BRANCH_LEQ, BRANCH_EQ, or LEAF for none.

        `to` are the numbers of the next node, if true and if false; with `missing` NaN counts as true.
        """
        self.tree.append(at[0])
        self.node.append(at[1])
        self.feature.append(feature)
        self.mode.append(mode)
        self.value.append(value)
        self.yes.append(to[0])
        self.no.append(to[1])
        self.missing_is_yes.append(int(missing))

    def leaf(self, at: tuple[int, int], weights: dict[int, float], rows: int) -> None:
        """Add the leaf `at`, which adds `weights` to the targets, by target, and has `rows` rows of the training set."""
        self.split(at, 0, "LEAF", 0.0, (0, 0), False)
        for target, weight in weights.items():
            self.leaf_rows.append(rows)
            self.leaf_tree.append(at[0])
            self.leaf_node.append(at[1])
            self.leaf_target.append(target)
            self.leaf_weight.append(weight)

    def centred(self) -> Any:
        """Subtract from all leaves of each tree their median; return the sums of the medians, shape (targets,).

        The node's float32 output is then close to 0 for most rows, where float32 is precise enough, even if the target
        has outliers.
        """
        trees: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
        leaves = list(zip(self.leaf_tree, self.leaf_target, self.leaf_weight, self.leaf_rows))
        for tree, target, weight, rows in leaves:
            trees[tree, target].append((weight, rows))
        middles = {which: _middle(weights) for which, weights in trees.items()}
        self.leaf_weight = [weight - middles[tree, target] for tree, target, weight, _ in leaves]
        sums = np.zeros(self.targets)
        for (_, target), middle in middles.items():
            sums[target] += middle
        return sums

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the ONNX operator."""
        return {
            "n_targets": self.targets,
            "nodes_treeids": self.tree,
            "nodes_nodeids": self.node,
            "nodes_featureids": self.feature,
            "nodes_modes": self.mode,
            "nodes_values_as_tensor": _doubles("nodes_values", self.value),
            "nodes_truenodeids": self.yes,
            "nodes_falsenodeids": self.no,
            "nodes_missing_value_tracks_true": self.missing_is_yes,
            "target_treeids": self.leaf_tree,
            "target_nodeids": self.leaf_node,
            "target_ids": self.leaf_target,
            "target_weights_as_tensor": _doubles("target_weights", self.leaf_weight),
        }


_NO_CATEGORY = -1.0


def _middle(weights: list[tuple[float, int]]) -> float:
    """Return the median of leaf weights, each counted as often as the leaf has rows."""
    weights = sorted(weights)
    places = np.cumsum([rows for _, rows in weights])
    return weights[int(np.searchsorted(places, places[-1] / 2))][0]


def _doubles(name: str, values: list[float]) -> Any:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)


def forest(model: Any) -> tuple[TreeNodes, Any]:
    """Return the trees of a fitted random forest and `base`, shape (targets,).

    scikit-learn compares float32 features with float64 thresholds: the caller has to round the features.
    """
    trees = [estimator.tree_ for estimator in model.estimators_]
    nodes = TreeNodes(targets=trees[0].value.shape[2])
    for number, tree in enumerate(trees):
        missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
        for index in range(tree.node_count):
            at = (number, index)
            if tree.children_left[index] < 0:
                # The first and only output: the share of each class, or one number.
                weights = dict(enumerate((tree.value[index, 0] / len(trees)).tolist()))
                nodes.leaf(at, weights, int(tree.n_node_samples[index]))
            else:
                to = int(tree.children_left[index]), int(tree.children_right[index])
                feature, threshold = int(tree.feature[index]), float(tree.threshold[index])
                nodes.split(at, feature, "BRANCH_LEQ", threshold, to, bool(missing[index]))
    return nodes, nodes.centred()


def boosting(model: Any) -> tuple[TreeNodes, Any]:
    """Return the trees of a fitted histogram gradient boosting model and `base`, shape (targets,).

    Categories must be the first columns, as model.py puts them, because scikit-learn moves them there.

    Raises:
        NotImplementedError: A categorical column comes after another one.
    """
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    nodes = TreeNodes(targets=len(base))
    categories = _categories(model)
    number = 0
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            _boosted_tree(nodes, number, target, predictor, categories)
            number += 1
    return nodes, base + nodes.centred()


def _categories(model: Any) -> list[Any]:
    """Return, for each categorical column, its values in the order of the model's internal codes."""
    if model.is_categorical_ is None:
        return []
    count = int(model.is_categorical_.sum())
    if not model.is_categorical_[:count].all():
        raise NotImplementedError("categorical columns after others")
    return list(model._preprocessor.named_transformers_["encoder"].categories_)


def _boosted_tree(
    nodes: TreeNodes, number: int, target: int, predictor: Any, categories: list[Any]
) -> None:
    # The next free number: a split by categories needs additional nodes.
    added = len(predictor.nodes)
    for index, node in enumerate(predictor.nodes):
        at, to = (number, index), (int(node["left"]), int(node["right"]))
        feature, missing = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        if node["is_leaf"]:
            nodes.leaf(at, {target: float(node["value"])}, int(node["count"]))
        elif not node["is_categorical"]:
            nodes.split(at, feature, "BRANCH_LEQ", float(node["num_threshold"]), to, missing)
        else:
            bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
            known = categories[feature]
            lefts = [float(value) for k, value in enumerate(known) if _is_set(bits, k)]
            added = _member(nodes, at, feature, lefts, to, missing, added)


def _is_set(bits: Any, number: int) -> bool:
    return bool((int(bits[number // 32]) >> (number % 32)) & 1)


def _member(
    nodes: TreeNodes,
    at: tuple[int, int],
    feature: int,
    values: list[float],
    to: tuple[int, int],
    missing: bool,
    added: int,
) -> int:
    """Add a chain of BRANCH_EQ nodes that tests whether the feature is one of `values`; return the next free number."""
    tree, here = at
    values = values or [_NO_CATEGORY]
    for position, value in enumerate(values):
        last = position == len(values) - 1
        after = to[1] if last else added
        nodes.split((tree, here), feature, "BRANCH_EQ", value, (to[0], after), missing)
        if not last:
            here, added = added, added + 1
    return added
