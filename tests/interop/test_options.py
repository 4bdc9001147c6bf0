"""Options that decide the graph: their effect on the stock runtime, and that a plan carries them."""

import json
import os

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
    assert [op["main"]["dims"] for op in net if op["type"] == "Reshape"] == [[2, 3, 4, -1]]  # as the source has it
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


def stored(table, defaults):
    """The fields of a table that are not defaults; the stock converter writes defaults out, which changes nothing."""
    return {key: value for key, value in table.items() if key not in defaults or value != defaults[key]}


def attributes(op):
    defaults = {"i": 0, "b": False, "f": 0, "type": "DT_INVALID"}
    found = {attribute.pop("key"): stored(attribute, defaults) for attribute in op["main"]["attr"]}
    found["t"]["tensor"] = stored(found["t"]["tensor"], {"dataFormat": "NCHW"})
    return found


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
        helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["c"], epsilon=2e-3),
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


def twins(folder):
    """Two products with equal matrices, under two names, and one with another."""
    weights = {"a": normal(64, 64) / 8, "c": normal(64, 64) / 8}
    weights["b"] = weights["a"].copy()
    nodes = [helper.make_node("MatMul", [source, name], [target]) for source, name, target in ("xap", "pbq", "qcy")]
    return save(folder / "twins.onnx", nodes, weights, {"x": ["N", 64]}, {"y": None})


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("bits", [0, 4])
def test_smallest_file(tmp_path, bits, external):
    """Equal matrices are stored once, quantized or not, and the runtime reads them as if there were two."""
    source, feeds = twins(tmp_path), {"x": normal(3, 64)}
    options = ["--weightQuantBits", bits, f"--saveExternalData={int(external)}"]
    clients.convert(source, tmp_path / "normal.mnn", *options)
    target = check_plan(source, tmp_path, *options, "--optimizePrefer", 1)
    folders = [path.with_suffix(".mnn.weight") if external else path for path in (target, tmp_path / "normal.mnn")]
    small, usual = (path.stat().st_size for path in folders)
    saved = 64 * 64 * (bits or 32) // 8
    others = 1024  # biases and scales, which are equal too
    assert usual - saved - others < small <= usual - saved
    values, reference = (clients.run_mnn(path, feeds) for path in (target, tmp_path / "normal.mnn"))
    assert np.array_equal(values["y"], reference["y"])


def test_fastest_keeps_more_copies(tmp_path):
    """Five convolutions share a kernel of one row: each holds a copy, as in the stock converter's files."""
    nodes = [helper.make_node("Conv", ["xabcd"[i], "w"], ["abcdy"[i]], kernel_shape=[1, 3], pads=[0, 1, 0, 1]) for i in range(5)]
    source = save(tmp_path / "rows.onnx", nodes, {"w": normal(4, 4, 1, 3)}, {"x": [1, 4, 5, 6]}, {"y": None})
    for prefer, shared in ((0, 1), (1, 0), (2, 0)):
        target = check_plan(source, tmp_path, "--optimizePrefer", prefer)
        assert sum(op["type"] == "Const" for op in ops(target, tmp_path)) == shared, prefer
        compare(source, target, {"x": normal(1, 4, 5, 6)})


def swishes(folder):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Sigmoid", ["a"], ["s"]),
        helper.make_node("Mul", ["a", "s"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("HardSwish", ["c"], ["y"]),
    ]
    return save(folder / "swishes.onnx", nodes, {"w": normal(4, 4, 3, 3) / 4}, {"x": [1, 4, 6, 6]}, {"y": None})


def unary(net):
    return [op["main"].get("opType", "ABS") for op in net if op["type"] == "UnaryOp"]


@pytest.mark.parametrize("version, kinds", [("3.6", ["SILU", "HARDSWISH"]), ("3.0", ["SIGMOID", "HARDSWISH"]), ("1.1f", ["SIGMOID"])])
def test_target_version(tmp_path, version, kinds):
    source, feeds = swishes(tmp_path), {"x": normal(1, 4, 6, 6)}
    target = check_plan(source, tmp_path, "--targetVersion", version)
    assert unary(ops(target, tmp_path)) == kinds
    compare(source, target, feeds)


def test_old_runtime(tmp_path, monkeypatch):
    """QUANTPRESS_OLD_MNN: a folder with the Python packages of MNN 3.0.0. That runtime runs what is written for it."""
    packages = os.environ.get("QUANTPRESS_OLD_MNN")
    if not packages:
        pytest.skip("QUANTPRESS_OLD_MNN is not set")
    source, feeds = swishes(tmp_path), {"x": normal(1, 4, 6, 6)}
    target = check_plan(source, tmp_path, "--targetVersion", "3.0")
    clients.convert(source, tmp_path / "new.mnn")
    monkeypatch.setenv("PYTHONPATH", packages)
    compare(source, target, feeds)
    with pytest.raises(clients.ClientError):  # what the option is for
        clients.run_mnn(tmp_path / "new.mnn", feeds)


def attention(folder, mask=None, scale=True, length=6, batch=1):
    """Self-attention of 4 heads as exporters write it out."""
    nodes, weights = [], {"split": np.array([0, 0, 4, 8]), "join": np.array([0, 0, 32]), "root": np.array(8**0.5, np.float32)}
    for name in "qkv":
        weights["w" + name], weights["b" + name] = normal(32, 32) / 5, normal(32)
        nodes += [
            helper.make_node("MatMul", ["x", "w" + name], ["m" + name]),
            helper.make_node("Add", ["m" + name, "b" + name], ["a" + name]),
            helper.make_node("Reshape", ["a" + name, "split"], ["r" + name]),
            helper.make_node("Transpose", ["r" + name], ["t" + name], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]),
        ]
    chain = [("MatMul", ["tq", "tk"], {})]
    chain += [("Div", ["root"], {})] if scale else []
    chain += [("Add", ["mask"], {})] if mask else []
    chain += [("Softmax", [], {"axis": -1}), ("MatMul", ["tv"], {}), ("Transpose", [], {"perm": [0, 2, 1, 3]}), ("Reshape", ["join"], {})]
    last = None
    for i, (kind, inputs, details) in enumerate(chain):
        nodes.append(helper.make_node(kind, ([last] if last else []) + inputs, [f"c{i}"], **details))
        last = f"c{i}"
    weights["wo"] = normal(32, 32) / 5
    nodes.append(helper.make_node("MatMul", [last, "wo"], ["y"]))
    inputs = {"x": [batch, length, 32]} | ({"mask": mask} if mask else {})
    return save(folder / "attention.onnx", nodes, weights, inputs, {"y": None})


@pytest.mark.parametrize("mask", [None, [1, 1, 6, 6], [6, 6], [1, 1, 1, 6]])
@pytest.mark.parametrize("scale", [False, True])
def test_transformer_fuse(tmp_path, mask, scale):
    """One operator, and the numbers of the source."""
    source = attention(tmp_path, mask, scale)
    target = check_plan(source, tmp_path, "--transformerFuse")
    types = [op["type"] for op in ops(target, tmp_path)]
    assert types.count("Attention") == 1 and not {"Softmax", "MatMul"} & set(types)
    feeds = {"x": normal(1, 6, 32)}
    if mask:
        feeds["mask"] = np.where(normal(*mask) > 1, np.float32(-1e9), 0).astype(np.float32)
    compare(source, target, feeds)


def test_transformer_fuse_with_open_length(tmp_path):
    source = attention(tmp_path, [1, 1, "T", "T"], length="T")
    target = check_plan(source, tmp_path, "--transformerFuse")
    assert sum(op["type"] == "Attention" for op in ops(target, tmp_path)) == 1
    for length in (1, 5, 40):
        compare(source, target, {"x": normal(1, length, 32), "mask": normal(1, 1, length, length)})


def test_transformer_fuse_as_the_stock_converter(tmp_path):
    source = attention(tmp_path, [1, 1, 6, 6])
    target = check_plan(source, tmp_path, "--transformerFuse")
    clients.stock_convert(source, tmp_path / "stock.mnn", "--transformerFuse")
    ours, stock = (next(op for op in ops(path, tmp_path) if op["type"] == "Attention") for path in (target, tmp_path / "stock.mnn"))
    defaults = {"attnScale": 0, "kv_shared_layer_index": -1, "layer_index": -1, "output_c4": False}
    assert ours["main"] == stored(stock["main"], defaults) and len(ours["inputIndexes"]) == len(stock["inputIndexes"])


@pytest.mark.parametrize("change", [{"mask": [1, 4, 6, 6]}, {"mask": [2, 1, 6, 6], "batch": 2}, {"batch": "N"}, {"length": "T"}])
def test_transformer_fuse_leaves_what_the_operator_gets_wrong(tmp_path, change):
    source = attention(tmp_path, **change)
    target = check_plan(source, tmp_path, "--transformerFuse")
    assert "Attention" not in [op["type"] for op in ops(target, tmp_path)]
    batch, length = (2 if "batch" in change else 1), 6
    feeds = {"x": normal(batch, length, 32)}
    if "mask" in change:
        feeds["mask"] = normal(*change["mask"])
    compare(source, target, feeds)


def test_split_block_quant(tmp_path):
    """As many convolutions and sums as the stock converter makes. It leaves the activation in each part, which changes the results."""
    weights = {"a": normal(64, 32) / 8, "b": normal(32), "c": normal(32, 8) / 8}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("MatMul", ["r", "c"], ["y"]),
    ]
    source = save(tmp_path / "products.onnx", nodes, weights, {"x": [3, 64]}, {"y": None})
    whole, feeds = tmp_path / "whole.mnn", {"x": normal(3, 64)}
    clients.stock_convert(source, whole, "--weightQuantBits", "4", "--weightQuantBlock", "16", "--saveExternalData")
    stock = tmp_path / "stock.mnn"
    clients.stock_convert(whole, stock, "--splitBlockQuant")
    target = check_plan(whole, tmp_path, "--splitBlockQuant")
    count = lambda path, kind: sum(op["type"] == kind for op in ops(path, tmp_path))
    for kind in ("Convolution", "Slice"):
        assert count(target, kind) == count(stock, kind) == {"Convolution": 6, "Slice": 2}[kind]
    values, reference = clients.run_mnn(target, feeds)["y"], clients.run_mnn(whole, feeds)["y"]
    assert np.allclose(values, reference, rtol=1e-4, atol=1e-5)
