"""Options that decide the graph: their effect on the stock runtime, and that a plan carries them."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import clients

rng = np.random.default_rng(23)
FLOAT = TensorProto.FLOAT


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def save(path, nodes, weights, inputs, outputs, domains=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    versions = [helper.make_opsetid("", 17)] + [helper.make_opsetid(name, 1) for name in domains]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), path)
    return path


def images(folder):
    """Two images, one of which meets the other behind a convolution; the first result is read as it is and flattened."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Add", ["b", "u"], ["c"]),
        helper.make_node("Conv", ["c", "v"], ["y"], kernel_shape=[1, 1]),
        helper.make_node("Flatten", ["y"], ["z"]),
        helper.make_node("Softmax", ["u"], ["s"]),
        helper.make_node("Softmax", ["p"], ["q"]),
    ]
    weights = {"w": normal(8, 3, 3, 3), "v": normal(5, 8, 1, 1)}
    inputs = {"x": ["N", 3, 8, 8], "u": ["N", 8, 8, 8], "p": [1, 4, 5, 6]}
    return save(folder / "images.onnx", nodes, weights, inputs, {name: None for name in "yzsq"})


def ops(model, folder):
    """The operators of an MNN file. Its JSON leaves defaults out."""
    text = folder / "dump.json"
    clients.call([clients.BINARY, "convert", "--modelFile", model, "--JsonFile", text], "dump", text)
    return json.loads(text.read_text())["oplists"]


def compare(source, target, feeds, tolerance=1e-4):
    values, reference = clients.run_mnn(target, feeds), clients.run_onnx(source, feeds)
    for name, want in reference.items():
        assert values[name].shape == want.shape, name
        assert np.allclose(values[name], want, rtol=1e-4, atol=tolerance), name


def check_plan(source, folder, *options):
    """`plan`, then `convert --plan`, writes the bytes that the options write."""
    direct, planned, plan = folder / "direct.mnn", folder / "planned.mnn", folder / "plan.json"
    clients.convert(source, direct, *options)
    clients.call([clients.BINARY, "plan", source, "-o", plan, *options], "plan", plan)
    clients.call([clients.BINARY, "convert", "--plan", plan, "--MNNModel", planned], "convert --plan", planned)
    assert direct.read_bytes() == planned.read_bytes()
    return direct


@pytest.mark.parametrize("keep", [0, 1])
def test_keep_input_format(tmp_path, keep):
    source = images(tmp_path)
    target = check_plan(source, tmp_path, f"--keepInputFormat={keep}")
    net = ops(target, tmp_path)
    formats = {op["name"]: op["main"].get("dformat", "NC4HW4") for op in net if op["type"] == "Input"}
    packed = "NCHW" if keep else "NC4HW4"
    assert formats == {"x": packed, "u": packed, "p": "NCHW"}  # p is read by no packed operator
    conversions = sum(op["type"] == "ConvertTensor" for op in net)
    assert conversions == (5 if keep else 2)
    feeds = {"x": normal(2, 3, 8, 8), "u": normal(2, 8, 8, 8), "p": normal(1, 4, 5, 6)}
    compare(source, target, feeds)
