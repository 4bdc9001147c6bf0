"""LSTM, GRU and RNN against onnxruntime: steps written out and in a loop, constant and computed weights, sizes that only a run
knows. onnxruntime has no layout 1; ONNX's own tests have it."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import clients
from mnn_file import Net
from single_op import check, model

rng = np.random.default_rng(11)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
WEIGHTS = ("w", "r", "b", "p")
BOTH = ["forward", "reverse", "bidirectional"]


def inputs(op, steps, batch=2, features=3, hidden=5, directions=1, bias=True, lengths=None, states=True, peepholes=False):
    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    gates = GATES[op] * hidden
    values = {
        "x": normal(steps, batch, features),
        "w": normal(directions, gates, features) * 0.5,
        "r": normal(directions, gates, hidden) * 0.5,
        "b": normal(directions, 2 * gates) if bias else None,
        "l": None if lengths is None else np.array(lengths, np.int32),
        "h": normal(directions, batch, hidden) if states else None,
    }
    if op == "LSTM":
        values["c"] = normal(directions, batch, hidden) if states else None
        values["p"] = normal(directions, 3 * hidden) if peepholes else None
    return values


def outputs(op):
    return 3 if op == "LSTM" else 2


def compare(folder, op, values, constants=WEIGHTS, hidden=5, **attributes):
    check(folder, op, values, constants, 2e-5, outputs=outputs(op), hidden_size=hidden, **attributes)


@pytest.mark.parametrize("constants", [WEIGHTS, ()], ids=["constant", "computed"])
@pytest.mark.parametrize("steps", [1, 4, 17])
@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("op", GATES)
def test_directions(tmp_path, op, direction, steps, constants):
    directions = 2 if direction == "bidirectional" else 1
    compare(tmp_path, op, inputs(op, steps, directions=directions), constants, direction=direction)
    compare(tmp_path, op, inputs(op, steps, directions=directions, bias=False, states=False), constants, direction=direction)


@pytest.mark.parametrize("steps", [3, 12])
@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("op", GATES)
def test_sequences_of_different_lengths(tmp_path, op, direction, steps):
    directions = 2 if direction == "bidirectional" else 1
    for lengths in ([2, steps, 1], [steps, 0, 2]):
        compare(tmp_path, op, inputs(op, steps, 3, directions=directions, lengths=lengths), direction=direction)


@pytest.mark.parametrize("steps", [3, 12])
@pytest.mark.parametrize("reset", [0, 1])
def test_reset_before_or_after_the_product(tmp_path, reset, steps):
    for bias in (True, False):
        compare(tmp_path, "GRU", inputs("GRU", steps, bias=bias), linear_before_reset=reset)


@pytest.mark.parametrize("steps", [3, 12])
@pytest.mark.parametrize("attributes", [{}, {"clip": 0.3}, {"input_forget": 1}, {"clip": 0.2, "input_forget": 1}])
def test_peepholes_and_forget_gates(tmp_path, attributes, steps):
    for peepholes in (True, False):
        compare(tmp_path, "LSTM", inputs("LSTM", steps, peepholes=peepholes), **attributes)


@pytest.mark.parametrize("op", GATES)
def test_clip(tmp_path, op):
    compare(tmp_path, op, inputs(op, 4), clip=0.25)


# Functions, alphas, betas.
FUNCTIONS = [
    ("Relu", [], []),
    ("LeakyRelu", [0.3], []),
    ("LeakyRelu", [], []),
    ("ThresholdedRelu", [0.2], []),
    ("ScaledTanh", [0.7], [1.4]),
    ("HardSigmoid", [0.3], [0.4]),
    ("HardSigmoid", [], []),
    ("Elu", [0.6], []),
    ("Softsign", [], []),
    ("Softplus", [], []),
    ("Affine", [0.4], [0.1]),
]


@pytest.mark.parametrize("function, alpha, beta", FUNCTIONS)
def test_activation_functions(tmp_path, function, alpha, beta):
    parameters = ({"activation_alpha": alpha} if alpha else {}) | ({"activation_beta": beta} if beta else {})
    compare(tmp_path, "RNN", inputs("RNN", 3), activations=[function], **parameters)


def test_parameters_go_to_the_functions_that_have_them(tmp_path):
    parameters = {"activation_alpha": [0.3, 0.6], "activation_beta": [0.4]}
    compare(tmp_path, "LSTM", inputs("LSTM", 3), activations=["HardSigmoid", "Tanh", "LeakyRelu"], **parameters)
    parameters = {"activation_alpha": [0.3, 0.6, 0.25, 0.1], "activation_beta": [0.4, 0.45]}
    names = ["HardSigmoid", "LeakyRelu", "hardsigmoid", "LeakyRelu"]
    compare(tmp_path, "GRU", inputs("GRU", 3, directions=2), direction="bidirectional", activations=names, **parameters)


@pytest.mark.parametrize("opset", [7, 14, 22])
@pytest.mark.parametrize("op", GATES)
def test_versions(tmp_path, op, opset):
    compare(tmp_path, op, inputs(op, 5), onnx_opset=opset)


@pytest.mark.parametrize("op", GATES)
def test_batch_first_is_the_transposed_form(tmp_path, op):
    """Layout 1 on our side against layout 0 on the reference's."""
    values = inputs(op, 12, directions=2)
    turned = dict(values, x=values["x"].transpose(1, 0, 2), h=values["h"].transpose(1, 0, 2))
    if op == "LSTM":
        turned["c"] = values["c"].transpose(1, 0, 2)
    results = {}
    for layout, feeds in ((0, values), (1, turned)):
        names = [name if array is not None else "" for name, array in feeds.items()]
        ys = [f"y{i}" for i in range(outputs(op))]
        node = helper.make_node(op, names, ys, hidden_size=5, direction="bidirectional", **({"layout": 1} if layout else {}))
        given = {name: array for name, array in feeds.items() if array is not None}
        graph = helper.make_graph(
            [node], "one",
            [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, given[n].shape) for n in given if n not in WEIGHTS],
            [onnx.ValueInfoProto(name=y) for y in ys],
            [numpy_helper.from_array(given[n], n) for n in WEIGHTS if n in given])
        source, target = tmp_path / "model.onnx", tmp_path / "model.mnn"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10), source)
        clients.convert(source, target)
        feed = {n: array for n, array in given.items() if n not in WEIGHTS}
        results[layout] = clients.run_mnn(target, feed)
        if layout == 0:
            for name, want in clients.run_onnx(source, feed).items():
                np.testing.assert_allclose(results[0][name], want, atol=2e-5)
    np.testing.assert_allclose(results[1]["y0"], results[0]["y0"].transpose(2, 0, 1, 3), atol=1e-6)
    for name in list(results[0])[1:]:
        np.testing.assert_allclose(results[1][name], results[0][name].transpose(1, 0, 2), atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("op", GATES)
def test_sizes_known_to_a_run_only(tmp_path, op, direction):
    directions = 2 if direction == "bidirectional" else 1
    values = inputs(op, 9, directions=directions, states=False)
    names = [name if array is not None else "" for name, array in values.items()]
    ys = [f"y{i}" for i in range(outputs(op))]
    graph = helper.make_graph(
        [helper.make_node(op, names, ys, hidden_size=5, direction=direction)], "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["time", "batch", 3])],
        [onnx.ValueInfoProto(name=y) for y in ys],
        [numpy_helper.from_array(values[n], n) for n in ("w", "r", "b")])
    source, target = tmp_path / "model.onnx", tmp_path / "model.mnn"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10), source)
    clients.convert(source, target)
    for steps, batch in ((1, 1), (9, 2), (30, 4)):
        x = rng.normal(size=(steps, batch, 3)).astype(np.float32)
        got, want = clients.run_mnn(target, {"x": x}), clients.run_onnx(source, {"x": x})
        for name, reference in want.items():
            assert got[name].shape == reference.shape, name
            np.testing.assert_allclose(got[name], reference, atol=2e-5)


@pytest.mark.parametrize("steps", [1, 16])
@pytest.mark.parametrize("op", GATES)
def test_weights_are_quantized(tmp_path, op, steps):
    """Both weights of both directions are layers of 8 bits, and the result is near the float one."""
    values = inputs(op, steps, features=32, hidden=32, directions=2)
    for name in ("w", "r"):
        values[name] = values[name] * 0.25
    source, target = tmp_path / "model.onnx", tmp_path / "model.mnn"
    onnx.save(model(op, values, WEIGHTS, outputs=outputs(op), hidden_size=32, direction="bidirectional"), source)
    clients.convert(source, target, "--weightQuantBits", "8")
    layers = Net(target).convolutions()
    assert {name.rsplit("/", 1)[1].startswith(("W", "R")) for name in layers} == {True}
    assert len(layers) >= 4 and all(layer.bits == 8 for layer in layers.values())
    feeds = {n: a for n, a in values.items() if a is not None and n not in WEIGHTS}
    got, want = clients.run_mnn(target, feeds), clients.run_onnx(source, feeds)
    for name, reference in want.items():
        assert np.sqrt(np.mean((got[name] - reference) ** 2)) < 0.02 * np.sqrt(np.mean(reference**2)), name


@pytest.mark.parametrize("steps", [1, 12])
@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("op", ["LSTM", "RNN"])
def test_operators_of_the_runtime(tmp_path, op, direction, steps):
    """--useOriginRNNImpl: no convolution, and the same values; what the operator cannot do stays as it was."""
    directions = 2 if direction == "bidirectional" else 1
    for details, native in (({}, True), ({"bias": False, "states": False}, True), ({"lengths": [steps, 1, 1]}, False)):
        values = inputs(op, steps, 3, directions=directions, **details)
        source, target = tmp_path / "model.onnx", tmp_path / "model.mnn"
        onnx.save(model(op, values, WEIGHTS, outputs=outputs(op), hidden_size=5, direction=direction), source)
        clients.convert(source, target, "--useOriginRNNImpl")
        assert bool(Net(target).convolutions()) != native
        feeds = {n: a for n, a in values.items() if a is not None and n not in WEIGHTS}
        got, want = clients.run_mnn(target, feeds), clients.run_onnx(source, feeds)
        for name, reference in want.items():
            assert got[name].shape == reference.shape
            np.testing.assert_allclose(got[name], reference, atol=2e-5)


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("steps", [1, 12])
@pytest.mark.parametrize("direction", BOTH)
def test_integer_weights(tmp_path, direction, steps, kind, per_row):
    """DynamicQuantizeLSTM is the LSTM of the real weights; onnxruntime's own result differs by the rounding of its activations."""
    directions = 2 if direction == "bidirectional" else 1
    values = inputs("LSTM", steps, 3, directions=directions)
    integers, real = {}, dict(values)
    for name in ("w", "r"):
        matrix = values[name]
        scale = np.abs(matrix).max(axis=2 if per_row else (1, 2)) / clients.largest_factor()  # one a row, or one a direction
        zero = np.full(scale.shape, 130 if kind == np.uint8 else 0, kind)  # onnxruntime wants one for all
        spread = (lambda a: a[:, :, None]) if per_row else (lambda a: a[:, None, None])
        wide = np.clip(np.rint(matrix / spread(scale)) + spread(zero.astype(np.int32)), np.iinfo(kind).min, np.iinfo(kind).max)
        real[name] = ((wide - spread(zero.astype(np.int32))) * spread(scale)).astype(np.float32)
        integers[name] = (wide.astype(kind).transpose(0, 2, 1), scale.astype(np.float32), zero)
    quantized = dict(values)
    for name in ("w", "r"):
        quantized[name] = np.ascontiguousarray(integers[name][0])
    for name in ("w", "r"):
        quantized[f"{name}_scale"], quantized[f"{name}_zero"] = integers[name][1:]
    constants = [name for name in quantized if name not in "xlhc"]
    attributes = {"outputs": 3, "hidden_size": 5, "direction": direction}
    source = tmp_path / "real.onnx"
    onnx.save(model("LSTM", real, WEIGHTS, **attributes), source)
    feeds = {name: values[name] for name in "xhc"}
    exact = clients.run_onnx(source, feeds)
    proto = model("DynamicQuantizeLSTM", quantized, constants, domain="com.microsoft", **attributes)
    onnx.save(proto, source)
    for name, value in clients.run_onnx(source, feeds).items():
        assert np.abs(value - exact[name]).max() < 0.05, f"{name}: the reference of this test is not what onnxruntime means"
    check(tmp_path, "DynamicQuantizeLSTM", quantized, constants, 2e-5, exact, domain="com.microsoft", **attributes)
