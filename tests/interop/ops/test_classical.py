"""Operators of ai.onnx.ml that are arithmetic on tensors."""

import numpy as np
import pytest

from single_op import check

ML = "ai.onnx.ml"
rng = np.random.default_rng(13)
X = rng.normal(size=(9, 4)).astype(np.float32)


def test_scaler(tmp_path):
    check(tmp_path, "Scaler", {"x": X}, tolerance=1e-6, domain=ML, offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 1.0, 2.0, 3.0])
    check(tmp_path, "Scaler", {"x": rng.integers(-9, 9, (3, 2))}, tolerance=1e-6, domain=ML, offset=[1.0], scale=[0.5])


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(tmp_path, norm):
    x = np.abs(X) if norm == "MAX" else X
    check(tmp_path, "Normalizer", {"x": np.vstack([x, np.zeros((1, 4), np.float32)])}, tolerance=1e-6, domain=ML, norm=norm)


def test_selection(tmp_path):
    check(tmp_path, "ArrayFeatureExtractor", {"x": X, "i": np.array([2, 0, 2], np.int64)}, ("i",), domain=ML)
    check(tmp_path, "ArrayFeatureExtractor", {"x": X, "i": np.array([2, 0, 2], np.int64)}, domain=ML)
    check(tmp_path, "Binarizer", {"x": X}, domain=ML, threshold=0.25)
    check(tmp_path, "FeatureVectorizer", {"x": X, "z": X[:, :2]}, domain=ML, inputdimensions=[4, 2])


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC"])
def test_linear_models(tmp_path, transform):
    details = dict(coefficients=rng.normal(size=12).tolist(), intercepts=[0.1, 0.2, 0.3], post_transform=transform)
    check(tmp_path, "LinearRegressor", {"x": X}, tolerance=1e-5, domain=ML, targets=3, **details)
    check(tmp_path, "LinearClassifier", {"x": X}, tolerance=1e-5, domain=ML, outputs=2, classlabels_ints=[4, 7, 9], **details)


# Tree 0: x0 ? 0.1 -> (x2 ? -0.3 -> leaf 3, leaf 4), leaf 2. Tree 1: x1 ? 0.0 -> leaf 1, leaf 2.
NODES = dict(
    nodes_treeids=[0, 0, 0, 0, 0, 1, 1, 1],
    nodes_nodeids=[0, 1, 2, 3, 4, 0, 1, 2],
    nodes_featureids=[0, 2, 0, 0, 0, 1, 0, 0],
    nodes_values=[0.1, -0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    nodes_truenodeids=[1, 3, 0, 0, 0, 1, 0, 0],
    nodes_falsenodeids=[2, 4, 0, 0, 0, 2, 0, 0],
)
LEAVES = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]


def trees(mode):
    kinds = [mode, mode, "LEAF", "LEAF", "LEAF", mode, "LEAF", "LEAF"]
    return dict(NODES, nodes_modes=kinds)


def leaves(prefix, results, low=-1.0):
    pairs = [(tree, node, result) for tree, node in LEAVES for result in results]
    columns = list(zip(*pairs))
    weights = rng.uniform(low, 1, len(pairs)).tolist()
    return {f"{prefix}_{key}": list(column) for key, column in zip(("treeids", "nodeids", "ids"), columns)} | {f"{prefix}_weights": weights}


# Values on the thresholds tell the comparisons apart.
TIES = np.array([[0.1, 0.0, -0.3, 0], [0.1, -0.0, 0.2, 0], [-1, 1e-30, -0.3, 0], [0.2, -1e-30, 0, 0]], np.float32)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
def test_tree_regressor(tmp_path, mode, aggregate):
    details = trees(mode) | leaves("target", [0, 1]) | dict(n_targets=2, aggregate_function=aggregate, base_values=[0.5, -0.5])
    check(tmp_path, "TreeEnsembleRegressor", {"x": np.vstack([X, TIES])}, tolerance=1e-6, domain=ML, **details)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"])
def test_missing_values(tmp_path, mode):
    x = np.vstack([X, TIES])
    x[::2, 0] = np.nan
    x[::3, 1] = np.nan
    for tracks in ([0] * 8, [1, 0, 0, 0, 0, 1, 0, 0]):
        details = trees(mode) | leaves("target", [0]) | dict(n_targets=1, nodes_missing_value_tracks_true=tracks)
        check(tmp_path, "TreeEnsembleRegressor", {"x": x}, tolerance=1e-6, domain=ML, **details)


def test_branches_of_several_kinds(tmp_path):
    details = trees("BRANCH_LT") | leaves("target", [0]) | dict(n_targets=1)
    details["nodes_modes"][1] = "BRANCH_GTE"
    details["nodes_modes"][5] = "BRANCH_EQ"
    check(tmp_path, "TreeEnsembleRegressor", {"x": np.vstack([X, TIES])}, tolerance=1e-6, domain=ML, **details)


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX"])
def test_tree_classifier(tmp_path, transform):
    details = trees("BRANCH_LEQ") | leaves("class", [0, 1, 2]) | dict(classlabels_int64s=[4, 7, 9], post_transform=transform)
    check(tmp_path, "TreeEnsembleClassifier", {"x": X}, tolerance=1e-6, domain=ML, outputs=2, **details)


@pytest.mark.parametrize("low, transform", [(0.0, "NONE"), (-1.0, "NONE"), (-1.0, "LOGISTIC")])
def test_tree_classifier_of_two_classes(tmp_path, low, transform):
    details = trees("BRANCH_LEQ") | leaves("class", [0], low) | dict(classlabels_int64s=[4, 7], post_transform=transform)
    check(tmp_path, "TreeEnsembleClassifier", {"x": X}, tolerance=1e-6, domain=ML, outputs=2, **details)
