"""Every model of the ONNX folder: each stored weight decodes to what its entry of the plan comes to, bit for bit.

The file is read by mnn_file and the expected codes come from formulas, both written from the description of the format. What goes in is the
weights of the float conversion, which other tests hold to onnxruntime.
"""

import json
import subprocess

import numpy as np
import pytest

import clients
import formulas
import zoo_inputs
from formulas import half
from mnn_file import BLOB, CONST, CONVOLUTION_2D, CONVOLUTIONS, Net

SETTINGS = {
    "symmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=0"],
    "asymmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=1"],
    "hqq4": ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32", "--hqq"],
    "symmetric8, half scales and constants": ["--weightQuantBits", "8", "--fp16", "--weightQuantScaleBit", "16"],
    "asymmetric3, half scales": ["--weightQuantBits", "3", "--weightQuantAsymmetric=1", "--weightQuantScaleBit", "16"],
    "fp16": ["--fp16"],
    "sparse float": ["--detectSparseSpeedUp"],
    "sparse symmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=0", "--detectSparseSpeedUp"],
    "sparse asymmetric4": ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--detectSparseSpeedUp"],
}
METHODS = {"symmetric": formulas.symmetric, "asymmetric": formulas.asymmetric, "hqq": formulas.hqq}
# Loose bounds on the outputs' relative RMS error: a file that is decoded wrongly is far beyond them.
OUTPUT_BOUNDS = {"symmetric8": 0.5, "asymmetric8": 0.5, "hqq4": 1.0}
FOLDER = clients.MODELS / "onnx"
MODELS = sorted(path.stem for path in FOLDER.glob("*.onnx")) or ["no models"]


class Files:
    """Converts each thing once."""

    def __init__(self, folder):
        self.folder, self.done = folder, {}

    def once(self, key, make):
        if key not in self.done:
            self.done[key] = make()
        return self.done[key]

    def converted(self, source, setting):
        def make():
            path = self.folder / f"{source.stem} {setting}.mnn"
            clients.convert(source, path, *SETTINGS.get(setting, []))
            return path

        return self.once((source, setting), make)

    def references(self, source):
        return self.once(source, lambda: zoo_inputs.references(source, 1))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("weights"))


def planned(source, options, folder):
    """-> {(subgraph, layer): entry of the plan}"""
    path = folder / "plan.json"
    subprocess.run(
        [clients.BINARY, "plan", "-f", "ONNX", source, "-o", path, "--quiet", *options], check=True, capture_output=True, timeout=60
    )
    layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
    found = {(layer["subgraph"], layer["layer"]): layer for layer in layers}
    assert len(found) == len(layers), "two entries of the plan have one name"
    return found


def stored(path):
    """-> ({(subgraph, layer): its decoded weights}, {(subgraph, constant): (element type, numbers)})"""
    net = Net(path)
    layers, constants = {}, {}
    for graph, ops in [("", net.root.tables(3)), *((part.text(0), part.tables(4)) for part in net.root.tables(10))]:
        for op in ops:
            key = (graph, op.text(3))
            if op.scalar(5, "i") in CONVOLUTIONS and op.scalar(1, "B") == CONVOLUTION_2D:
                layer = net.decode(op)
                assert key not in layers, f"two layers are called {key}"
                if layer is not None:
                    layers[key] = layer
            elif op.scalar(5, "i") == CONST and op.scalar(1, "B") == BLOB:
                blob = op.table(2)
                kinds = ((7, "f4"), (3, "u1"), (5, "i4"), (4, "i1"), (6, "i8"))
                found = [blob.vector(slot, kind) for slot, kind in kinds if blob.vector(slot, kind) is not None]
                assert key not in constants, f"two constants are called {key}"
                constants[key] = (blob.scalar(2, "i", 1), found[0] if found else np.zeros(0, np.float32))
    return layers, constants


def same(actual, expected, where):
    actual, expected = actual.ravel(), expected.ravel()
    assert actual.shape == expected.shape, f"{where}: {actual.size} numbers, expected {expected.size}"
    wrong = np.flatnonzero(actual != expected)
    first = f"{actual[wrong[0]]!r} at {wrong[0]}, expected {expected[wrong[0]]!r}" if len(wrong) else ""
    assert not len(wrong), f"{where}: {len(wrong)} of {actual.size} differ, {first}"


def expected_weights(entry, weights):
    """The formulas of the plan's entry, and the runtime's decoding: codes times scale plus minimum, in float32."""
    rows = weights.reshape(entry["groups"], entry["group_size"])
    stored = {"stored": half} if entry["scale_bits"] == 16 else {}
    codes, scales, *minima = METHODS[entry["method"]](rows, entry["bits"], **stored)
    if not minima:
        return codes, codes * scales[:, None]
    lowest = np.float32(-(2 ** (entry["bits"] - 1)))
    return codes, codes * scales[:, None] + (minima[0] - lowest * scales)[:, None]


def source_codes(source):
    """Codes of the source's weights, as bytes in both orders of a matrix -> scales of those tensors"""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(source).graph
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    known |= {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if node.op_type == "Constant"}
    found = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in known and known[node.input[0]].ndim > 1:
            codes, scales = known[node.input[0]], known[node.input[1]].ravel().astype(np.float32)
            shift = 128 if codes.dtype == np.uint8 else 0
            codes = (codes.astype(np.int16) - shift).astype(np.int8)
            for order in (codes, codes.T):
                found.setdefault(np.ascontiguousarray(order).tobytes(), []).append(scales)
    return found


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", MODELS)
def test_weights_decode_to_the_plan(files, model, tmp_path, name, setting):
    source = model(f"onnx/{name}.onnx")
    plan = planned(source, SETTINGS[setting], tmp_path)
    plain, plain_constants = stored(files.converted(source, "float"))
    layers, constants = stored(files.converted(source, setting))
    assert layers.keys() == plain.keys()
    assert plan.keys() - layers.keys() <= constants.keys(), "the plan has weights that the file lacks"
    assert layers.keys() <= plan.keys(), "the file has weights that the plan does not know"
    coded = source_codes(source) if any(entry.get("source_codes") for entry in plan.values()) else {}
    kinds = set()
    for key, layer in layers.items():
        entry, where = plan[key], f"{key} ({setting})"
        same(layer.bias, plain[key].bias, f"bias of {where}")
        kinds.add(entry["storage"] if not entry.get("source_codes") else "source codes")
        if entry.get("source_codes"):
            scales = [s for s in coded[layer.codes.tobytes()] if np.array_equal(np.broadcast_to(s, layer.scales.shape), layer.scales)]
            assert scales, f"{where}: not the scales of the source"
            same(layer.weights, layer.codes.reshape(len(layer.scales), -1) * layer.scales[:, None], where)
        elif entry["storage"] == "float32":
            same(layer.weights, plain[key].weights, where)
        elif entry["storage"] == "half":
            assert layer.type == 3, where
            same(layer.weights, half(plain[key].weights), where)
        else:
            assert entry["storage"] == "quantized" and layer.type in (1, 2), f"{where}: type {layer.type}, planned {entry['storage']}"
            codes, weights = expected_weights(entry, plain[key].weights)
            assert len(layer.scales) == entry["groups"], where
            same(layer.codes, codes, f"codes of {where}")
            same(layer.weights, weights, where)
    assert constants.keys() == plain_constants.keys()
    for key, (kind, values) in constants.items():
        expected, planned_half = plain_constants[key][1], plan.get(key, {}).get("storage") == "half"
        if planned_half and plain_constants[key][0] == 1:
            kinds.add("half constant")
            same(values.view("<f2"), np.where(np.isinf(expected), expected, half(expected)).astype(np.float16), f"constant {key}")
        else:
            assert kind == plain_constants[key][0], f"constant {key}"
            assert values.tobytes() == expected.tobytes(), f"constant {key}"
    print(f"{name}, {setting}: {len(layers)} layers, {sorted(kinds)}, {sum(layer.type == 2 for layer in layers.values())} sparse")


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("setting", OUTPUT_BOUNDS)
@pytest.mark.parametrize("name", MODELS)
def test_files_run(files, model, name, setting, memory):
    source = model(f"onnx/{name}.onnx")
    feeds, outputs = files.references(source)
    error = clients.worst_error(clients.run_mnn(files.converted(source, setting), feeds[0], memory), outputs[0])
    print(f"{name}, {setting}, {memory}: {error:.4f}")
    assert error <= OUTPUT_BOUNDS[setting]
