"""Sequences of the parts of a tensor, in a number that only a run knows, as exporters write for `unbind`."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import clients

CASES = {
    "item": ([("SequenceAt", ["parts", "second"], {})], {}),
    "last_item": ([("SequenceAt", ["parts", "last"], {})], {}),
    "computed_item": ([("SequenceLength", ["parts"], {}), ("Div", ["", "two"], {}), ("SequenceAt", ["parts", ""], {})], {}),
    "kept_axis": ([("SequenceAt", ["parts", "second"], {})], {"keepdims": 1}),
    "length": ([("SequenceLength", ["parts"], {})], {}),
    "stacked_elsewhere": ([("ConcatFromSequence", ["parts"], {"axis": 2, "new_axis": 1})], {}),
    "joined": ([("ConcatFromSequence", ["parts"], {"axis": 1})], {"keepdims": 1}),
}


def compare(folder, proto, feeds):
    source, target = folder / "model.onnx", folder / "model.mnn"
    onnx.save(proto, source)
    clients.convert(source, target)
    for feed in feeds:
        got, want = clients.run_mnn(target, feed)["y"], clients.run_onnx(source, feed)["y"]
        assert got.shape == want.shape
        np.testing.assert_array_equal(got, want)


def make(nodes, values, inputs):
    proto = []
    for i, (op, names, attributes) in enumerate(nodes):
        result = "y" if i == len(nodes) - 1 else "parts" if i == 0 else f"t{i}"
        proto.append(helper.make_node(op, [name or f"t{i - 1}" for name in names], [result], **attributes))
    graph = helper.make_graph(
        proto, "open", inputs, [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


@pytest.mark.parametrize("case", CASES)
def test_parts_of_size_one(tmp_path, case):
    nodes, attributes = CASES[case]
    split = ("SplitToSequence", ["x"], {"axis": 1, "keepdims": 0} | attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, "length", 3])
    proto = make([split, *nodes], {"second": 1, "last": -1, "two": 2}, [x])
    rng = np.random.default_rng(3)
    compare(tmp_path, proto, [{"x": rng.normal(size=(2, length, 3)).astype(np.float32)} for length in (5, 8)])


def test_number_of_parts_of_computed_sizes(tmp_path):
    ints = helper.make_tensor_value_info("sizes", TensorProto.INT64, [3])
    floats = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    proto = make([("SplitToSequence", ["x", "sizes"], {}), ("SequenceLength", ["parts"], {})], {}, [floats, ints])
    source, target = tmp_path / "model.onnx", tmp_path / "model.mnn"
    onnx.save(proto, source)
    clients.convert(source, target)
    assert clients.run_mnn(target, {"x": np.ones(6, np.float32), "sizes": np.array([1, 2, 3], np.int32)})["y"] == 3
