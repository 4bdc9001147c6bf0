"""Operators on a tensor whose rank only a run knows: an If whose branches give different ranks, as exporters write for `squeeze`."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import clients

CASES = {
    "unsqueeze": ([("Unsqueeze", ["s", "axes"], {})], {"axes": [0]}),
    "unsqueeze_last": ([("Unsqueeze", ["s", "axes"], {})], {"axes": [-1]}),
    "gather": ([("Gather", ["s", "index"], {"axis": 0})], {"index": 1}),
    "gather_from_the_end": ([("Gather", ["s", "index"], {"axis": 0})], {"index": -1}),
    "mean": ([("ReduceMean", ["s"], {"axes": [1], "keepdims": 0})], {}),
    "mean_kept": ([("ReduceMean", ["s"], {"axes": [0, 1], "keepdims": 1})], {}),
    "maximum_from_the_end": ([("ReduceMax", ["s"], {"axes": [-1], "keepdims": 0})], {}),
    "relu_and_size": ([("Relu", ["s"], {}), ("Shape", [""], {}), ("Gather", ["", "index"], {"axis": 0})], {"index": 0}),
}


def squeezed(nodes, constants, shape):
    """x, without its last axis where that has size 1, into the nodes; "" stands for the output of the node before."""
    def branch(op, *inputs):
        return helper.make_graph([helper.make_node(op, inputs, [op])], op, [], [onnx.ValueInfoProto(name=op)])

    graph_nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "last"], ["size"]),
        helper.make_node("Equal", ["size", "one"], ["single"]),
        helper.make_node("If", ["single"], ["s"], then_branch=branch("Squeeze", "x", "last"), else_branch=branch("Identity", "x")),
    ]
    before = "s"
    for i, (op, names, attributes) in enumerate(nodes):
        result = "y" if i == len(nodes) - 1 else f"t{i}"
        graph_nodes.append(helper.make_node(op, [name or before for name in names], [result], **attributes))
        before = result
    values = {"last": [-1], "one": [1], **constants}
    graph = helper.make_graph(
        graph_nodes, "open", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(value if isinstance(value, np.ndarray) else np.array(value, np.int64), name) for name, value in values.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


def compare(folder, proto, *inputs):
    source, target = folder / "model.onnx", folder / "model.mnn"
    onnx.save(proto, source)
    clients.convert(source, target)
    for x in inputs:
        got, want = clients.run_mnn(target, {"x": x})["y"], clients.run_onnx(source, {"x": x})["y"]
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_ops(tmp_path, case):
    nodes, constants = CASES[case]
    rng = np.random.default_rng(5)
    inputs = [rng.normal(size=(2, 5, last)).astype(np.float32) for last in (4, 1)]
    compare(tmp_path, squeezed(nodes, constants, [2, 5, "last"]), *inputs)


WEIGHT = np.random.default_rng(6).normal(size=(4, 3, 3)).astype(np.float32)
WINDOWS = {
    "convolution": (("Conv", ["s", "w"], {"pads": [1, 1]}), {"w": WEIGHT}),
    "transposed": (("ConvTranspose", ["s", "w"], {"strides": [2]}), {"w": WEIGHT.transpose(1, 0, 2).copy()}),
    "pool": (("MaxPool", ["s"], {"kernel_shape": [3]}), {}),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_windows_tell_the_rank(tmp_path, case):
    node, constants = WINDOWS[case]
    compare(tmp_path, squeezed([node], constants, [2, 3, "last"]), np.random.default_rng(7).normal(size=(2, 3, 9)).astype(np.float32))
