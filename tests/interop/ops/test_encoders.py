"""Operators of ai.onnx.ml that replace elements."""

import numpy as np

from single_op import check

ML = "ai.onnx.ml"
rng = np.random.default_rng(4)
X = rng.standard_normal((6, 5)).astype(np.float32)


def run(tmp_path, op, inputs=None, tolerance=1e-5, **details):
    check(tmp_path, op, inputs or {"x": X}, (), tolerance, domain=ML, **details)


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32).ravel().tolist()


def test_missing_values_and_categories(tmp_path):
    holes = np.where(rng.uniform(size=X.shape) < 0.4, np.float32(np.nan), X)
    run(tmp_path, "Imputer", {"x": holes}, imputed_value_floats=floats(5), replaced_value_float=float("nan"), ml_opset=1)
    run(tmp_path, "Imputer", {"x": np.round(X)}, imputed_value_floats=[7.5], replaced_value_float=1.0, ml_opset=1)
    run(tmp_path, "OneHotEncoder", {"x": np.array([[1, 4], [9, 3]], np.int64)}, cats_int64s=[4, 9, 1], ml_opset=1)


def test_label_encoder(tmp_path):
    keys, values = [3, -1, 7, 100], floats(4)
    x = np.array([[7, 5, -1], [100, 3, 0]], np.int64)
    run(tmp_path, "LabelEncoder", {"x": x}, keys_int64s=keys, values_floats=values, default_float=0.5, ml_opset=2)
    run(tmp_path, "LabelEncoder", {"x": x}, keys_int64s=keys, values_int64s=[0, 1, 2, 3], ml_opset=2)
    x = np.array([1.5, np.inf, np.nan, 2.5], np.float32)
    keys = [2.5, float("nan"), 1.5]
    for version in (2, 4):  # NaN is a key from version 4 on
        run(tmp_path, "LabelEncoder", {"x": x}, keys_floats=keys, values_int64s=[4, 5, 6], default_int64=9, ml_opset=version)
