"""Quantized LSTM, GRU and RNN: what the file holds of W and R is what the formulas give for the matrices of the ONNX file, and the
stock runtime computes with exactly these numbers: as onnxruntime does with the decoded matrices in place of the source's."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import clients
import formulas
from mnn_file import Net

FEATURES, HIDDEN, BATCH = 32, 64, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
VARIANTS = {
    "symmetric8": (["--weightQuantBits", "8"], formulas.symmetric, 8, None),
    "asymmetric8": (["--weightQuantBits", "8", "--weightQuantAsymmetric=1"], formulas.asymmetric, 8, None),
    "asymmetric4_block": (["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32"], formulas.asymmetric, 4, 32),
    "hqq4_block": (["--weightQuantBits", "4", "--hqq", "--weightQuantBlock", "32"], formulas.hqq, 4, 32),
}
CASES = [("LSTM", {}), ("GRU", {"linear_before_reset": 0}), ("GRU", {"linear_before_reset": 1}), ("RNN", {})]


def model(op, steps, weights, attributes):
    """-> ONNX model: x [steps, batch, features], constant W, R and B of both directions"""
    names = ["x", "w", "r", "b"]
    node = helper.make_node(op, names, ["y", "y_h"], hidden_size=HIDDEN, direction="bidirectional", **attributes)
    shapes = {"x": [steps, BATCH, FEATURES], "y": [steps, 2, BATCH, HIDDEN], "y_h": [2, BATCH, HIDDEN]}
    infos = {n: helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in shapes.items()}
    constants = [numpy_helper.from_array(weights[n], n) for n in names[1:]]
    graph = helper.make_graph([node], "g", [infos["x"]], [infos["y"], infos["y_h"]], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def source_matrix(layer):
    """Which rows of which matrix a convolution is made of, by its name: "<label>/W", "/R", "/R_zr" or "/R_h", "_reverse" behind it;
    a number follows where the same one is there again. -> (key, direction, rows)"""
    part = layer.rsplit("/", 1)[1]
    direction = 1 if "_reverse" in part else 0
    key = part[0].lower()
    rows = slice(0, 2 * HIDDEN) if part.startswith("R_zr") else slice(2 * HIDDEN, None) if part.startswith("R_h") else slice(None)
    return key, direction, rows


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("steps", [1, 12], ids=["written_out", "loop"])
@pytest.mark.parametrize("op, attributes", CASES, ids=["LSTM", "GRU_reset_after", "GRU_reset_before", "RNN"])
def test_weights_follow_the_formulas(tmp_path, op, attributes, steps, variant):
    options, formula, bits, block = VARIANTS[variant]
    rng = np.random.default_rng(5)
    gates = GATES[op] * HIDDEN
    weights = {
        "w": rng.normal(size=(2, gates, FEATURES)).astype(np.float32) * np.float32(0.3),
        "r": rng.normal(size=(2, gates, HIDDEN)).astype(np.float32) * np.float32(0.1),
        "b": rng.normal(size=(2, 2 * gates)).astype(np.float32),
    }
    source, target = tmp_path / "source.onnx", tmp_path / "out.mnn"
    onnx.save(model(op, steps, weights, attributes), source)
    clients.convert(source, target, *options)

    decoded = {key: values.copy() for key, values in weights.items()}
    covered = {key: np.zeros(weights[key].shape[:2], bool) for key in "wr"}
    for layer in Net(target).convolutions().values():
        key, direction, rows = source_matrix(layer.name)
        matrix = weights[key][direction, rows]
        expected = formula(matrix.reshape(-1, block or matrix.shape[1]), bits)
        assert layer.bits == bits, layer.name
        for part, values in zip(("codes", "scales", "minima"), expected):
            assert np.array_equal(getattr(layer, part).ravel(), values.ravel()), f"{layer.name}: {part}"
        decoded[key][direction, rows] = layer.weights.reshape(matrix.shape)
        covered[key][direction, rows] = True
    assert all(rows.all() for rows in covered.values()), "a part of W or R is in no quantized layer"

    feeds = {"x": rng.normal(size=(steps, BATCH, FEATURES)).astype(np.float32)}
    onnx.save(model(op, steps, decoded, attributes), source)
    assert clients.worst_error(clients.run_mnn(target, feeds), clients.run_onnx(source, feeds)) <= 1e-5
