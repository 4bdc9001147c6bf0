"""Sparse layers: the same marks, lists and bytes as the stock converter's, and the right numbers on the stock runtime."""

import struct

import numpy as np
import pytest

import clients
import sparse_models

RNG = np.random.default_rng(5)


def conv(outputs, inputs, kernel, zeros, block=1, activation=None, group=1, op="Conv", **attributes):
    shape = (inputs, outputs // group, kernel, kernel) if op == "ConvTranspose" else (outputs, inputs // group, kernel, kernel)
    bias = RNG.normal(0, 0.3, outputs).astype(np.float32)
    return op, sparse_models.weights(RNG, shape, zeros, block), bias, {"group": group, **attributes}, activation


SAME = {"pads": [1, 1, 1, 1]}
CASES = {  # layers, channels of the input, output channels of a block
    "pointwise": ([conv(24, 16, 1, 0.7, activation="Relu"), conv(10, 24, 1, 0.9)], 16, 1),
    "spatial": ([conv(16, 5, 3, 0.8, **SAME), conv(20, 16, 3, 0.65, strides=[2, 2]), conv(7, 20, 2, 0.95)], 5, 1),
    "dilated": ([conv(16, 8, 3, 0.8, dilations=[2, 2], pads=[2, 2, 2, 2], activation="Relu"), conv(3, 16, 3, 0.7)], 8, 1),
    "depthwise": ([conv(16, 16, 3, 0.7, group=16, **SAME), conv(8, 16, 1, 0.7)], 16, 1),
    "transposed": ([conv(8, 12, 3, 0.8, op="ConvTranspose"), conv(8, 8, 1, 0.8)], 12, 1),
    "mixed": ([conv(16, 8, 3, 0.1), conv(16, 16, 1, 0.62), conv(16, 16, 1, 0.58)], 8, 1),
    "all_zeros": ([conv(8, 8, 1, 0.7), conv(8, 8, 1, 1.0)], 8, 1),
    "blocks_of_2": ([conv(18, 8, 3, 0.6, 2, **SAME), conv(9, 18, 1, 0.6, 2)], 8, 2),
    "blocks_of_4": ([conv(32, 8, 3, 0.7, 4, activation="Relu", **SAME), conv(18, 32, 1, 0.7, 4), conv(3, 18, 1, 0.8)], 8, 4),
    "blocks_of_8": ([conv(32, 8, 1, 0.7, 8), conv(12, 32, 3, 0.8, 8)], 8, 8),
    "blocks_of_16": ([conv(32, 8, 3, 0.7, 16), conv(40, 32, 1, 0.7, 16)], 8, 16),
}
CODINGS = {
    "float": [],
    "symmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=0"],
    "asymmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=1"],
    "symmetric4": ["--weightQuantBits", "4", "--weightQuantAsymmetric=0"],
    "asymmetric3": ["--weightQuantBits", "3", "--weightQuantAsymmetric=1"],
}


def size_of(layer):
    return sum(len(layer.get(part) or b"") for part in ("weight", "buffer", "alpha", "index"))


def entries(layer):
    """How many entries a list of codes says it has: behind the number of dimensions and their sizes, of two bytes each."""
    buffer = layer["buffer"]
    return struct.unpack_from("<I", buffer, 1 + 2 * buffer[0])[0]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", CASES)
def test_like_the_stock_converter(tmp_path, name, coding):
    layers, channels, block = CASES[name]
    shape = (1, channels, 9, 11)
    source, recipe = tmp_path / "net.onnx", tmp_path / "recipe.json"
    sparse_models.save(source, layers, shape)
    options = ["--detectSparseSpeedUp", *CODINGS[coding]]
    if block > 1:
        sparse_models.write_blocks(recipe, block)
        options += ["--compressionParamsFile", recipe]
    clients.convert(source, tmp_path / "ours.mnn", *options)
    clients.stock_convert(source, tmp_path / "stock.mnn", *options)
    here, there = (sparse_models.layers(tmp_path / f"{which}.mnn") for which in ("ours", "stock"))
    assert here.keys() == there.keys()
    for layer, stock in there.items():
        ours = here[layer]
        if stock.get("index") and not ours.get("index"):  # a list that would be longer than all the weights is not written here
            assert ours["mark"] == stock["mark"] and size_of(ours) < size_of(stock)
        elif ours.get("type") == stock.get("type") == 2 and entries(ours) < entries(stock):  # no entries behind the last code that is not zero
            assert {**ours, "buffer": None} == {**stock, "buffer": None}, layer
        elif not layer.startswith("c0") or layers[0][0] != "ConvTranspose" or coding == "float":  # ours has other groups
            assert ours == stock, layer
    feeds = {"x": clients.random_input("x", shape, -1, 1)}
    reference = clients.run_onnx(source, feeds)
    clients.convert(source, tmp_path / "dense.mnn", *CODINGS[coding])
    for memory in ("normal", "low"):
        values, dense = (clients.run_mnn(tmp_path / f"{which}.mnn", feeds, memory) for which in ("ours", "dense"))
        bound = 1e-5 + (0 if coding == "float" else 1.1 * clients.worst_error(dense, reference))
        assert clients.worst_error(values, reference) < bound, memory
        if memory == "normal":  # the same weights as without lists
            assert clients.worst_error(values, dense) < 1e-5


@pytest.mark.parametrize("coding", ["float", "symmetric8", "asymmetric8"])
def test_weight_file(tmp_path, coding):
    """Lists of codes go to the weight file, lists of floats stay in the model."""
    source = tmp_path / "net.onnx"
    layers, channels, _ = CASES["spatial"]
    sparse_models.save(source, layers, (1, channels, 9, 11))
    options = ["--detectSparseSpeedUp", *CODINGS[coding]]
    clients.convert(source, tmp_path / "inside.mnn", *options)
    clients.convert(source, tmp_path / "outside.mnn", "--saveExternalData", *options)
    feeds = {"x": clients.random_input("x", (1, channels, 9, 11), -1, 1)}
    for memory in ("normal", "low"):
        inside, outside = (clients.run_mnn(tmp_path / f"{which}.mnn", feeds, memory) for which in ("inside", "outside"))
        assert clients.worst_error(outside, inside) == 0


def test_our_reader_takes_what_the_stock_converter_wrote(tmp_path):
    source = tmp_path / "net.onnx"
    layers, channels, _ = CASES["spatial"]
    sparse_models.save(source, layers, (1, channels, 9, 11))
    feeds = {"x": clients.random_input("x", (1, channels, 9, 11), -1, 1)}
    for coding in ("float", "asymmetric8"):
        clients.stock_convert(source, tmp_path / "stock.mnn", "--detectSparseSpeedUp", *CODINGS[coding])
        expected = clients.run_mnn(tmp_path / "stock.mnn", feeds)
        clients.convert(tmp_path / "stock.mnn", tmp_path / "kept.mnn")
        assert sparse_models.layers(tmp_path / "kept.mnn") == sparse_models.layers(tmp_path / "stock.mnn")
        clients.convert(tmp_path / "stock.mnn", tmp_path / "coded.mnn", "--requantize", "--weightQuantBits", "8")
        assert clients.worst_error(clients.run_mnn(tmp_path / "coded.mnn", feeds), expected) < 0.03


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid"])
def test_filters_stay(tmp_path, activation):
    """The stock converter removes channels with a bias, and in front of a sigmoid, which changes the outputs."""
    first, second = conv(8, 4, 3, 0, activation=activation), conv(8, 8, 1, 0)
    first[1][[1, 5]] = 0
    first[2][:] = 0.5
    source, recipe = tmp_path / "net.onnx", tmp_path / "recipe.json"
    sparse_models.save(source, [first, second], (1, 4, 6, 6))
    sparse_models.filter_recipe(recipe)
    feeds = {"x": clients.random_input("x", (1, 4, 6, 6), -1, 1)}
    reference = clients.run_onnx(source, feeds)
    text = clients.convert(source, tmp_path / "ours.mnn", "--compressionParamsFile", recipe)
    assert "2 of 8 output channels have only zeros for weights; they stay" in text
    assert clients.worst_error(clients.run_mnn(tmp_path / "ours.mnn", feeds), reference) < 1e-5
    clients.stock_convert(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
    assert clients.worst_error(clients.run_mnn(tmp_path / "stock.mnn", feeds), reference) > 0.01
