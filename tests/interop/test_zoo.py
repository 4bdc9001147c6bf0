"""Real models through every variant: agreement with the source framework, exact weights, both memory modes."""

import json
import subprocess

import numpy as np
import pytest

import clients
from mnn_file import Net
from variants import VARIANTS, check_weights, weight_error

FLOAT_TOLERANCE = 1e-3
# Loose bounds on the outputs' relative RMS error: a file that is decoded wrongly is far beyond them.
OUTPUT_BOUNDS = {"fp16": 0.05, "symmetric8": 0.3, "asymmetric4": 1.0, "hqq4": 1.0}

# Inputs: name, shape, least and largest value, element type.
TOKENS = [
    (name, (1, 16), low, high, np.int64)
    for name, low, high in (("input_ids", 0, 1000), ("attention_mask", 1, 2), ("token_type_ids", 0, 2))
]
MODELS = {
    "onnx/ultraface_rfb320.onnx": [("input", (1, 3, 240, 320), -1, 1)],
    "onnx/yolox_nano.onnx": [("images", (1, 3, 416, 416), 0, 255)],
    "onnx/tinybert.onnx": TOKENS,
    "mnn/face_blendshape_fp32.mnn": [("serving_default_input_points:0", (1, 146, 2), 0, 1)],
    "mnn/face_landmarks_wquant8.mnn": [("input_12", (1, 256, 256, 3), 0, 1)],
    "mnn/plate_cls_fp16.mnn": [("data", (1, 3, 96, 96), 0, 1)],
    "mnn/rnnt_predictor_wquant8.mnn": [
        ("prev_states", (10, 4), 0, 10, np.int32),
        ("pred_in", (10, 1), 0, 10, np.int32),
    ],
    "mnn/ultraface_rfb320.mnn": [("input", (1, 3, 240, 320), -1, 1)],
}
PTQ = "mnn/ultraface_rfb320_int8_kl.mnn"  # activations in int8: the runtime has no kernels for it on x86
MODES = ["normal", "low"]


def as_json(path, folder):
    """A .mnn file as JSON, through the schema."""
    subprocess.run(
        [
            "flatc",
            "--json",
            "--strict-json",
            "--defaults-json",
            "--raw-binary",
            "-o",
            folder,
            clients.ROOT / "graph/schema/mnn.fbs",
            "--",
            path,
        ],
        check=True,
        capture_output=True,
    )
    return json.loads((folder / f"{path.stem}.json").read_text())


class Zoo:
    """Converts and runs each thing once."""

    def __init__(self, folder):
        self.folder = folder
        self.done = {}

    def once(self, key, make):
        if key not in self.done:
            self.done[key] = make()
        return self.done[key]

    def feeds(self, name):
        return {entry[0]: clients.random_input(*entry) for entry in MODELS[name]}

    def layout(self, name):
        return "NHWC" if len(MODELS[name][0][1]) == 4 and MODELS[name][0][1][-1] == 3 else "NCHW"

    def converted(self, source, variant, converter=clients.convert):
        def make():
            target = self.folder / f"{source.parent.name}_{source.stem}_{variant}_{converter.__name__}.mnn"
            converter(source, target, *VARIANTS[variant])
            return target

        return self.once((source, variant, converter), make)

    def convolutions(self, path):
        return self.once(path, lambda: Net(path).convolutions())

    def run(self, name, path, memory):
        return self.once((path, memory), lambda: clients.run_mnn(path, self.feeds(name), memory, self.layout(name)))

    def reference(self, name, source, memory="normal"):
        if source.suffix == ".mnn":  # a source with quantized weights computes differently in low-memory mode
            return self.run(name, source, memory)
        return self.once(source, lambda: clients.run_onnx(source, self.feeds(name)))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.mark.parametrize("name", MODELS)
def test_float_agrees_with_the_source(zoo, model, name):
    source = model(name)
    values = zoo.run(name, zoo.converted(source, "float"), "normal")
    assert clients.worst_error(values, zoo.reference(name, source)) <= FLOAT_TOLERANCE


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant != "float"])
@pytest.mark.parametrize("name", MODELS)
def test_quantized_files_run(zoo, model, name, variant, memory):
    source = model(name)
    values = zoo.run(name, zoo.converted(source, variant), memory)
    error = clients.worst_error(values, zoo.reference(name, source, memory))  # fails where an output is not finite
    print(f"{name} {variant} {memory}: {error:.4f}")
    assert error <= OUTPUT_BOUNDS[variant]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", MODELS)
def test_weights_follow_the_formulas(zoo, model, name, variant):
    source = model(name)
    plain, quantized = (zoo.convolutions(zoo.converted(source, v)) for v in ("float", variant))
    shared = plain.keys() & quantized.keys()
    assert shared
    # A grouped convolution may be written as several, whose names say so.
    assert [other for other in quantized.keys() - shared if "__group__" not in other] == []
    kinds = {check_weights(variant, quantized[key], plain[key]) for key in shared}
    assert kinds - {"float"} or variant == "float"


@pytest.mark.parametrize("name", MODELS)
def test_hqq_is_no_worse_than_the_stock_converter(zoo, model, name):
    source = model(name)
    errors = [
        weight_error(*(zoo.convolutions(zoo.converted(source, variant, converter)) for variant in ("hqq4", "float")))
        for converter in (clients.convert, clients.stock_convert)
    ]
    if errors[1] is None:
        pytest.skip(f"the stock converter quantizes nothing in {name}")
    print(f"{name}: {errors[0]:.6g}, stock {errors[1]:.6g}")
    assert errors[0] <= errors[1]


def test_int8_model_is_kept(model, tmp_path):
    source = model(PTQ)
    target = tmp_path / "kept.mnn"
    clients.convert(source, target)
    before, after = (as_json(path, tmp_path) for path in (source, target))
    for net in (before, after):
        for key in ("extraInfo", "bizCode", "mnn_uuid"):
            net.pop(key, None)
    assert after == before
