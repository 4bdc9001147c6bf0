"""How weights get their scales: the outputs of quantized files are no further from the source than those of the stock converter's."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import clients
from mnn_file import Net

SETTINGS = {
    "symmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=0"],
    "asymmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=1"],
    "hqq4": ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32", "--hqq"],
}
NOISE = 1.05
SCALE = 77  # the operator type of a batch normalisation that is an op of its own
CONSTANT = 11
DEPTHWISE = 13


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(nodes, constants, shape, opset=17):
    graph = helper.make_graph(
        nodes,
        "scales",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def normalization(channels):
    """Constants of a BatchNormalization whose factors differ a lot, as trained ones do."""
    factors = np.geomspace(0.02, 3, channels).astype(np.float32)
    np.random.default_rng(3).shuffle(factors)
    return {"g": factors, "b": normal(4, channels), "m": normal(5, channels) / 8, "v": np.ones(channels, np.float32)}


def transposed(shape, **attributes):
    """ConvTranspose and BatchNormalization."""
    channels = shape[1] * attributes.get("group", 1)
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["t"], **attributes),
        helper.make_node("BatchNormalization", ["t", "g", "b", "m", "v"], ["y"]),
    ]
    return model(nodes, {"w": normal(1, *shape)} | normalization(channels), [1, shape[0], 9, 11])


def shared(uses):
    """One filter that is applied again and again, as in a filter bank over octaves; other weights behind it."""
    nodes = [helper.make_node("Conv", [f"x{i}" if i else "x", "w"], [f"x{i + 1}"], pads=[0, 7, 0, 8]) for i in range(uses)]
    nodes.append(helper.make_node("Conv", [f"x{uses}", "last"], ["y"]))
    peak = np.eye(8, dtype=np.float32)[:, :, None, None] * np.eye(16, dtype=np.float32)[7] * 2
    return model(nodes, {"w": peak + normal(1, 8, 8, 1, 16) / 60, "last": normal(2, 16, 8, 1, 1)}, [1, 8, 1, 64])


def halved(uses):
    """A low-pass filter of one channel with half the samples, again and again."""
    nodes = [helper.make_node("Conv", [f"x{i}" if i else "x", "w"], [f"x{i + 1}"], pads=[0, 7, 0, 8], strides=[1, 2]) for i in range(uses)]
    nodes.append(helper.make_node("Conv", [f"x{uses}", "last"], ["y"]))
    return model(nodes, {"w": np.hanning(16).astype(np.float32).reshape(1, 1, 1, 16) / 8, "last": normal(2, 16, 1, 1, 1)}, [1, 1, 1, 512])


CASES = {
    "stride 1, depthwise": transposed((16, 1, 3, 3), group=16, pads=[1, 1, 1, 1]),
    "1x1": transposed((24, 16, 1, 1)),
    "stride 2": transposed((4, 32, 2, 2), strides=[2, 2]),
    "stride 2, groups": transposed((16, 8, 1, 5), group=2, strides=[1, 2]),
    "shared weights": shared(6),
    "shared weights of one channel": halved(6),
}


def files(folder, name, options):
    """-> (source, our file, that of the stock converter)"""
    source = folder / "source.onnx"
    onnx.save(CASES[name], source)
    clients.convert(source, folder / "ours.mnn", *options)
    clients.stock_convert(source, folder / "stock.mnn", *options)
    return source, folder / "ours.mnn", folder / "stock.mnn"


def feeds(name, seed):
    dims = CASES[name].graph.input[0].type.tensor_type.shape.dim
    return {"x": normal(100 + seed, *(d.dim_value for d in dims))}


def errors(name, source, paths, memory):
    """Relative RMS error over several inputs, of each file."""
    inputs = [feeds(name, seed) for seed in range(4)]
    references = np.concatenate([clients.run_onnx(source, x)["y"].ravel() for x in inputs])
    return [
        clients.relative_rms(np.concatenate([clients.run_mnn(path, x, memory)["y"].ravel() for x in inputs]), references)
        for path in paths
    ]


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CASES)
def test_outputs(tmp_path, name, setting, memory):
    source, *paths = files(tmp_path, name, SETTINGS[setting])
    ours, stock = errors(name, source, paths, memory)
    print(f"{name}, {setting}, {memory}: {ours:.5f}, stock {stock:.5f}")
    assert ours <= NOISE * stock


@pytest.mark.parametrize("name", CASES)
def test_float(tmp_path, name):
    source, ours, _ = files(tmp_path, name, [])
    assert errors(name, source, [ours], "normal")[0] <= 1e-5
    assert SCALE not in Net(ours).op_types()


@pytest.mark.parametrize("biased", [False, True])
def test_folded_normalization_is_that_of_the_stock_converter(tmp_path, biased):
    """Bit for bit: the runtime rounds activations to 8 bits in low-memory mode, where a last bit makes another model."""
    constants = {"w": normal(1, 64, 16, 3, 3)} | normalization(64) | {"v": np.abs(normal(6, 64)) + np.float32(0.1)}
    names = ["x", "w"]
    if biased:
        constants["c"] = normal(7, 64)
        names.append("c")
    nodes = [  # the stock converter takes a missing epsilon for 0
        helper.make_node("Conv", names, ["t"]),
        helper.make_node("BatchNormalization", ["t", "g", "b", "m", "v"], ["y"], epsilon=1e-5),
    ]
    onnx.save(model(nodes, constants, [1, 16, 9, 11]), tmp_path / "source.onnx")
    clients.convert(tmp_path / "source.onnx", tmp_path / "ours.mnn")
    clients.stock_convert(tmp_path / "source.onnx", tmp_path / "stock.mnn")
    [ours], [stock] = (Net(tmp_path / f"{who}.mnn").convolutions().values() for who in ("ours", "stock"))
    assert np.array_equal(ours.weights, stock.weights)
    assert np.array_equal(ours.bias, stock.bias)


def test_shared_weights_of_one_channel_stay_depthwise(tmp_path):
    """The runtime takes twice the time for the other operator."""
    _, ours, stock = files(tmp_path, "shared weights of one channel", [])
    for path in (ours, stock):
        assert Net(path).op_types().count(DEPTHWISE) == 6
    assert Net(ours).op_types().count(CONSTANT) == 1


def test_shared_weights_are_stored_once(tmp_path):
    _, ours, stock = files(tmp_path, "shared weights", [])
    assert Net(ours).op_types().count(CONSTANT) == 1
    assert ours.stat().st_size <= 1.05 * stock.stat().st_size
    onnx.save(shared(4), tmp_path / "four.onnx")
    clients.convert(tmp_path / "four.onnx", tmp_path / "four.mnn")
    assert CONSTANT not in Net(tmp_path / "four.mnn").op_types()
    assert len(Net(tmp_path / "four.mnn").convolutions()) == 5
