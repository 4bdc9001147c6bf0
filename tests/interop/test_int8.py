"""Models that compute with int8, from recipes with scales for inputs, outputs and weights: the same layers, bytes and numbers as those of
the stock converter."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import clients
import int8_recipes
from mnn_file import Net

DIGITS_INPUT = {"picture": clients.random_input("picture", (4, 1, 8, 8), 0, 1)}
ZOO = {
    "mnn/ultraface_rfb320.mnn": [("input", (1, 3, 240, 320), -1, 1)],
    "mnn/face_blendshape_fp32.mnn": [("serving_default_input_points:0", (1, 146, 2), 0, 1)],
    "onnx/ultraface_rfb320.onnx": [("input", (1, 3, 240, 320), -1, 1)],
    "onnx/yolox_nano.onnx": [("images", (1, 3, 416, 416), 0, 255)],
}


class Net8:
    """A small network, layer by layer."""

    def __init__(self, channels, size=9):
        self.rng = np.random.default_rng(7)
        self.nodes, self.weights = [], []
        self.last, self.channels = "x", channels
        self.shape = (1, channels, size, size)

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(self.rng.normal(0, 0.4, shape).astype(np.float32), name))
        return name

    def add(self, op, *inputs, **attributes):
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.last, *inputs], [output], **attributes))
        self.last = output
        return self

    def conv(self, outputs, kernel=1, bias=True, group=1, **attributes):
        inputs = [self.weight(outputs, self.channels // group, kernel, kernel)] + ([self.weight(outputs)] if bias else [])
        self.channels = outputs
        return self.add("Conv", *inputs, group=group, **attributes)

    def clip(self, low, high):
        limits = [f"l{len(self.nodes)}", f"h{len(self.nodes)}"]
        self.weights += [numpy_helper.from_array(np.float32(value), name) for value, name in zip((low, high), limits)]
        return self.add("Clip", *limits)

    def save(self, path):
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", self.shape), (self.last, None))]
        graph = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        return {"x": clients.random_input("x", self.shape, -1, 1)}


def small_networks():
    """-> {name: (network, edit of every entry)}"""
    same = {"pads": [1, 1, 1, 1]}
    return {
        "plain": Net8(3).conv(16, 3, **same).conv(8, 1, bias=False).conv(8, 3, strides=[2, 2]).conv(5, 1),
        "activations": Net8(3).conv(16, 3, **same).add("Relu").conv(16, 1).clip(0, 6).conv(8, 1, bias=False).add("Relu").conv(4, 1),
        "depthwise": Net8(8).conv(8, 3, group=8, **same).conv(8, 3, group=8, bias=False, **same).add("Relu").conv(8, 5, group=8).conv(6, 1),
        "grouped": Net8(16).conv(16, 1).conv(16, 3, group=2, **same).conv(12, 1, group=4, bias=False).conv(6, 1),
        "pools": Net8(4).conv(16, 1).add("MaxPool", kernel_shape=[3, 3], strides=[1, 1]).conv(16, 3, **same).add("AveragePool", kernel_shape=[3, 3], strides=[2, 2]).conv(4, 1),
        "dilated": Net8(4).conv(16, 3, dilations=[2, 2], pads=[2, 2, 2, 2]).conv(16, 3, pads=[1, 0, 1, 0]).conv(4, 2),
    }


def check_same(here, there):
    """Two sets of layers are the same. -> whether their biases are too, to the last bit"""
    assert here.keys() == there.keys()
    for name, layer in there.items():
        # Biases that take in a normalisation are rounded once here and several times there.
        np.testing.assert_allclose(here[name]["bias"], layer["bias"], rtol=1e-5, atol=1e-6, err_msg=name)
        assert {**here[name], "bias": None} == {**layer, "bias": None}, name
    return all(np.array_equal(here[name]["bias"], layer["bias"]) for name, layer in there.items())


def compare(source, folder, feeds, recipe, layers, options=(), exact=True):
    """Converts by both converters and compares layers, descriptions and numbers. -> outputs of our file"""
    clients.convert(source, folder / "ours.mnn", "--compressionParamsFile", recipe, "--strictRecipe", *options)
    clients.stock_convert(source, folder / "stock.mnn", "--compressionParamsFile", recipe, *options)
    ours, stock = Net(folder / "ours.mnn"), Net(folder / "stock.mnn")
    here, there = int8_recipes.int8_layers(ours), int8_recipes.int8_layers(stock)
    assert sorted(there) == sorted(layers)
    same_biases = check_same(here, there)
    assert same_biases or not exact
    described = int8_recipes.described_layers(ours), int8_recipes.described_layers(stock)
    assert {name: described[0][name] for name in there} == {name: described[1][name] for name in there}
    for memory in ("normal", "low"):
        values, expected = (clients.run_mnn(folder / f"{name}.mnn", feeds, memory) for name in ("ours", "stock"))
        assert values.keys() == expected.keys()
        for name in expected:
            error = clients.relative_rms(values[name], expected[name])
            assert np.array_equal(values[name], expected[name]) or (not same_biases and error < 0.01), f"{name}, {memory}: {error}"
    plan = folder / "plan.json"  # a saved plan says it all
    clients.call([clients.BINARY, "plan", source, "--compressionParamsFile", recipe, "-o", plan, *options], "plan", plan)
    command = [clients.BINARY, "convert", "--plan", plan, "--MNNModel", folder / "again.mnn"]
    clients.call(command, "convert --plan", folder / "again.mnn")
    assert (folder / "again.mnn").read_bytes() == (folder / "ours.mnn").read_bytes()
    return values


@pytest.mark.parametrize("variety", [False, True], ids=["symmetric", "zero_points"])
@pytest.mark.parametrize("form", ["onnx", "mnn"])
@pytest.mark.parametrize("name", small_networks())
def test_small_networks(tmp_path, name, form, variety):
    source, plain = tmp_path / "net.onnx", tmp_path / "plain.mnn"
    feeds = small_networks()[name].save(source)
    clients.stock_convert(source, plain)
    recipe = tmp_path / "recipe.json"
    layers = int8_recipes.full_recipe(plain, feeds, recipe, variety=variety)
    assert layers
    values = compare(source if form == "onnx" else plain, tmp_path, feeds, recipe, layers)
    if not variety:
        error = clients.worst_error(values, clients.run_onnx(source, feeds))
        print(f"{name} {form}: {len(layers)} layers, {error:.3g} from float")
        assert error < 0.15


def test_digits(tmp_path):
    plain, recipe = tmp_path / "plain.mnn", tmp_path / "recipe.json"
    clients.stock_convert(clients.DIGITS, plain)
    layers = int8_recipes.full_recipe(plain, DIGITS_INPUT, recipe)
    assert layers
    compare(clients.DIGITS, tmp_path, DIGITS_INPUT, recipe, layers)


@pytest.mark.parametrize("name", ZOO)
def test_zoo(model, tmp_path, name):
    source = model(name)
    feeds = {entry[0]: clients.random_input(*entry) for entry in ZOO[name]}
    plain, recipe = tmp_path / "plain.mnn", tmp_path / "recipe.json"
    clients.stock_convert(source, plain)
    layers = int8_recipes.full_recipe(plain, feeds, recipe)
    assert layers
    compare(source, tmp_path, feeds, recipe, layers, exact=name != "onnx/ultraface_rfb320.onnx")


@pytest.mark.parametrize("options", [["--saveExternalData"], ["--weightQuantBits", "4", "--weightQuantAsymmetric=1"], ["--fp16"]], ids=["external", "bits", "half"])
def test_other_options_beside_it(tmp_path, options):
    """Half of the layers compute with int8; the others are what the options ask for."""
    source, plain, recipe = tmp_path / "net.onnx", tmp_path / "plain.mnn", tmp_path / "recipe.json"
    feeds = small_networks()["activations"].save(source)
    clients.stock_convert(source, plain)
    wanted = [layer[0] for layer in int8_recipes.float_layers(Net(plain))][::2]
    layers = int8_recipes.full_recipe(plain, feeds, recipe, keep=lambda name: name in wanted)
    clients.convert(source, tmp_path / "ours.mnn", "--compressionParamsFile", recipe, *options)
    clients.stock_convert(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe, *options)
    ours, stock = (Net(tmp_path / f"{name}.mnn") for name in ("ours", "stock"))
    assert check_same(int8_recipes.int8_layers(ours), int8_recipes.int8_layers(stock))
    assert len(int8_recipes.int8_layers(ours)) == len(layers)
    kinds = [{name: (conv.type, conv.bits) for name, conv in net.convolutions().items()} for net in (ours, stock)]
    if "--fp16" in options:
        kinds[1]["t2"] = (-1, 32)  # between two int8 layers: float32 here
    assert kinds[0] == kinds[1]
    values = clients.run_mnn(tmp_path / "ours.mnn", feeds)
    if "--weightQuantBits" not in options:
        # The runtime ends at the stock converter's file, whose float layer between two int8 layers is half or outside the model file. Here
        # it stays float32 inside, as in a conversion without the option; and the last layer, which is not between two, is half.
        clients.stock_convert(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
    expected = clients.run_mnn(tmp_path / "stock.mnn", feeds)
    for name in expected:
        error = clients.relative_rms(values[name], expected[name])
        assert np.array_equal(values[name], expected[name]) or ("--fp16" in options and error < 0.01), error


def test_all_layers_in_the_weight_file(tmp_path):
    source, plain, recipe = tmp_path / "net.onnx", tmp_path / "plain.mnn", tmp_path / "recipe.json"
    feeds = small_networks()["activations"].save(source)
    clients.stock_convert(source, plain)
    layers = int8_recipes.full_recipe(plain, feeds, recipe)
    compare(source, tmp_path, feeds, recipe, layers, options=["--saveExternalData"])
    assert Net(tmp_path / "ours.mnn").external


def test_overflow_aware(tmp_path):
    source, plain, recipe = tmp_path / "net.onnx", tmp_path / "plain.mnn", tmp_path / "recipe.json"
    feeds = Net8(16).conv(16, 3, pads=[1, 1, 1, 1]).conv(16, 3, pads=[1, 1, 1, 1]).conv(4, 1).save(source)
    clients.stock_convert(source, plain)
    layers = int8_recipes.full_recipe(plain, feeds, recipe, edit=lambda entry: entry.update(method="OverflowAware"))
    compare(source, tmp_path, feeds, recipe, layers)


def test_winograd_units(tmp_path):
    """The runtime for x86 ends at them, whoever wrote them: only the files are compared."""
    source, plain, recipe = tmp_path / "net.onnx", tmp_path / "plain.mnn", tmp_path / "recipe.json"
    feeds = Net8(16).conv(16, 3, pads=[1, 1, 1, 1]).conv(4, 1).save(source)
    clients.stock_convert(source, plain)
    units = {"version": 0, "unitsAttr": [0, 0, 3, 3, 2, 2]}
    int8_recipes.full_recipe(plain, feeds, recipe, edit=lambda entry: entry.update(method="WinogradAware", winoParams=units))
    clients.convert(source, tmp_path / "ours.mnn", "--compressionParamsFile", recipe)
    clients.stock_convert(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
    here, there = (int8_recipes.int8_layers(Net(tmp_path / f"{name}.mnn")) for name in ("ours", "stock"))
    assert check_same(here, there)
    assert all(layer["winograd"] == units["unitsAttr"] for layer in here.values())


def test_matrix_products_by_the_name_of_their_output(tmp_path):
    """NAME stands for NAME__matmul_converted, also where a bias is fused."""
    rng = np.random.default_rng(2)
    weights = [numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), f"w{i}") for i, shape in enumerate([(20, 16), (16,), (16, 10)])]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m"]),
        helper.make_node("Add", ["m", "w1"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "w2"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [3, 20]), ("y", [3, 10]))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    source = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), source)
    feeds = {"x": clients.random_input("x", (3, 20), -1, 1)}
    plain, recipe = tmp_path / "plain.mnn", tmp_path / "recipe.json"
    clients.stock_convert(source, plain)

    def edit(entry):
        entry["output"][0]["name"] = entry["output"][0]["name"].replace("__matmul_converted", "")

    layers = int8_recipes.full_recipe(plain, feeds, recipe, edit=edit)
    assert len(layers) == 2
    compare(source, tmp_path, feeds, recipe, layers)


def test_one_scale_for_all_channels_is_repeated(tmp_path):
    """The stock converter writes the one scale, at which the stock runtime stops or computes nonsense."""
    source, plain, recipe = tmp_path / "net.onnx", tmp_path / "plain.mnn", tmp_path / "recipe.json"
    feeds = small_networks()["depthwise"].save(source)
    clients.stock_convert(source, plain)

    def one(entry):
        entry["weight"][0]["scales"] = [max(entry["weight"][0]["scales"])]

    int8_recipes.full_recipe(plain, feeds, recipe, edit=one)
    clients.convert(source, tmp_path / "ours.mnn", "--compressionParamsFile", recipe)
    content = json.loads(recipe.read_text())
    for entry in content["algo"][0]["quantParams"]["layer"]:
        outputs = Net(plain).convolutions()[entry["weight"][0]["name"]].outputs
        entry["weight"][0]["scales"] *= outputs
    recipe.write_text(json.dumps(content))
    clients.stock_convert(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
    assert check_same(*(int8_recipes.int8_layers(Net(tmp_path / f"{name}.mnn")) for name in ("ours", "stock")))
