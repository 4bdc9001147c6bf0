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


def sequence(folder):
    """Splits the channels of [N, T, 16] into heads, by arithmetic on the shape; the second input shares both dimensions."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Slice", ["s", "zero", "two"], ["head"]),
        helper.make_node("Concat", ["head", "four", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3]),
        helper.make_node("Softmax", ["t"], ["y"], axis=-1),
        helper.make_node("Add", ["x", "u"], ["z"]),
    ]
    weights = {"zero": np.array([0]), "two": np.array([2]), "four": np.array([4]), "rest": np.array([-1])}
    inputs = {"x": ["N", "T", 16], "u": ["N", "T", 16]}
    return save(folder / "sequence.onnx", nodes, weights, inputs, {"y": None, "z": None})


def test_static_model(tmp_path):
    """Nothing of the arithmetic is left, all sizes are numbers, and the plan holds the shapes without their file."""
    source, config = sequence(tmp_path), tmp_path / "shapes.txt"
    config.write_text("# batch and time\ninput_size = 1\ninput_names = x\ninput_dims = 2x3x16\n")
    target = check_plan(source, tmp_path, "--saveStaticModel", "--inputConfigFile", config)
    net = ops(target, tmp_path)
    assert {op["name"]: op["main"]["dims"] for op in net if op["type"] == "Input"} == {"x": [2, 3, 16], "u": [2, 3, 16]}
    assert not {op["type"] for op in net} & {"Shape", "Rank", "Size", "StridedSlice", "Concat", "Const"}
    assert [op["main"]["dims"] for op in net if op["type"] == "Reshape"] == [[2, 3, 4, 4]]
    compare(source, target, {"x": normal(2, 3, 16), "u": normal(2, 3, 16)})
    config.unlink()
    clients.convert(source, tmp_path / "again.mnn", "--batch", "2")  # the file is no longer needed by others


def test_static_mnn_source(tmp_path):
    """The graph is kept; its inputs get sizes."""
    source, config = sequence(tmp_path), tmp_path / "shapes.txt"
    config.write_text("input_size=2\ninput_names=u, x\ninput_dims=2x3x16,2x3x16")
    clients.convert(source, tmp_path / "open.mnn")
    target = check_plan(tmp_path / "open.mnn", tmp_path, "--saveStaticModel", "--inputConfigFile", config)
    net = ops(target, tmp_path)
    assert {op["name"]: op["main"]["dims"] for op in net if op["type"] == "Input"} == {"x": [2, 3, 16], "u": [2, 3, 16]}
    compare(source, target, {"x": normal(2, 3, 16), "u": normal(2, 3, 16)})


def custom(folder):
    """An operator that nobody knows, with every kind of attribute, a missing input and two results."""
    details = {"alpha": 1.5, "n": -3, "mode": "abc", "ints": [1, 2], "floats": [0.5, 2.0], "strs": ["p", "q"]}
    tensor = numpy_helper.from_array(np.arange(6, dtype=np.int64).reshape(2, 3), "t")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("MyOp", ["a", "", "k"], ["b", "b2"], domain="my.domain", t=tensor, **details),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    weights = {"w": normal(8, 3, 3, 3), "k": normal(4)}
    return save(folder / "custom.onnx", nodes, weights, {"x": [1, 3, 8, 8]}, {"y": None, "b2": None}, ["my.domain"])


def attributes(op):
    return {attribute["key"]: {k: v for k, v in attribute.items() if k != "key"} for attribute in op["main"]["attr"]}


def test_custom_op(tmp_path):
    """Inputs, results and attributes of the operator are those that the stock converter writes."""
    source = custom(tmp_path)
    target = check_plan(source, tmp_path, "--allowCustomOp", "--weightQuantBits", "4")
    clients.stock_convert(source, tmp_path / "stock.mnn", "--allowCustomOp")
    ours, stock = (
        next(op for op in ops(path, tmp_path) if op["type"] == "Extra") for path in (target, tmp_path / "stock.mnn")
    )
    assert ours["name"] == stock["name"] == "b"
    assert (ours["main"]["type"], ours["main"]["engine"]) == ("MyOp", "ONNX")
    assert len(ours["inputIndexes"]) == 3 and ours["inputIndexes"][1] == -1
    assert len(ours["outputIndexes"]) == len(stock["outputIndexes"]) == 2
    found = attributes(ours)
    assert found == attributes(stock)
    assert found["t"]["tensor"]["int32s"] == [0, 1, 2, 3, 4, 5] and found["onnx_opset_version"] == {"i": 17}


def test_for_training(tmp_path):
    """BatchNorm and Dropout are kept, as the stock converter keeps them."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Dropout", ["d"], ["e"]),
        helper.make_node("AveragePool", ["e"], ["y"], kernel_shape=[2, 2]),
    ]
    weights = {"w": normal(8, 3, 3, 3)} | {name: normal(8) for name in "sbm"} | {"v": np.abs(normal(8)) + 1}
    source = save(tmp_path / "training.onnx", nodes, weights, {"x": [1, 3, 8, 8]}, {"y": None})
    target = check_plan(source, tmp_path, "--forTraining")
    clients.stock_convert(source, tmp_path / "stock.mnn", "--forTraining")
    wanted = ["Convolution", "BatchNorm", "ReLU", "Dropout", "Pooling"]
    for path in (target, tmp_path / "stock.mnn"):
        assert [op["type"] for op in ops(path, tmp_path) if op["type"] in wanted] == wanted
    ours, stock = (next(op["main"] for op in ops(path, tmp_path) if op["type"] == "BatchNorm") for path in (target, tmp_path / "stock.mnn"))
    for field in ("channels", "slopeData", "meanData", "varData", "biasData", "epsilon"):
        assert np.allclose(ours[field], stock[field], rtol=1e-6), field
