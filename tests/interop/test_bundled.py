"""Our own models through every variant: exact weights, and accuracy on the stock runtime."""

import pathlib
import sys

import numpy as np
import pytest

import clients
from mnn_file import Net
from variants import HQQ4, VARIANTS, check_weights, weight_error

sys.path.insert(0, str(clients.ROOT / "scripts"))

MODELS = {"digits": clients.DIGITS, "shapes": clients.ROOT / "tests/data/shapes.onnx"}
SHAPES_INPUT = {"x": clients.random_input("x", (1, 3, 9, 9), -1, 1)}
LEAST_ACCURACY = {"float": 0.99, "fp16": 0.99, "symmetric8": 0.99, "asymmetric4": 0.97, "hqq4": 0.97}
MOST_ERROR = {"float": 1e-5, "fp16": 0.01, "symmetric8": 0.1, "asymmetric4": 0.5, "hqq4": 0.5}
MODES = ["normal", "low"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundled")
    for name, source in MODELS.items():
        for variant, options in VARIANTS.items():
            clients.convert(source, folder / f"{name}_{variant}.mnn", *options)
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", MODELS)
def test_weights_follow_the_formulas(files, name, variant):
    plain, quantized = (Net(files / f"{name}_{v}.mnn").convolutions() for v in ("float", variant))
    assert plain.keys() == quantized.keys()
    kinds = [check_weights(variant, quantized[key], plain[key]) for key in plain]
    assert kinds.count({"float": "float", "fp16": "half"}.get(variant, "quantized")) == len(plain)


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_accuracy_on_the_stock_runtime(files, variant, memory):
    digits = pytest.importorskip("digits", reason="scikit-learn is missing")
    _, _, pictures, labels = digits.load()
    scores = clients.run_mnn(files / f"digits_{variant}.mnn", {"picture": pictures}, memory)["scores"]
    assert np.mean(scores.argmax(1) == labels) >= LEAST_ACCURACY[variant]
    if variant == "float":
        reference = clients.run_onnx(clients.DIGITS, {"picture": pictures})
        assert clients.relative_rms(scores, reference["scores"]) <= 1e-5


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_layer_runs(files, variant, memory):
    values = clients.run_mnn(files / f"shapes_{variant}.mnn", SHAPES_INPUT, memory)
    error = clients.worst_error(values, clients.run_onnx(MODELS["shapes"], SHAPES_INPUT))
    print(f"{variant} {memory}: {error:.3g}")
    assert error <= MOST_ERROR[variant]


@pytest.mark.parametrize("name", MODELS)
def test_hqq_is_no_worse_than_the_stock_converter(files, name):
    ours = weight_error(*(Net(files / f"{name}_{v}.mnn").convolutions() for v in ("hqq4", "float")))
    for variant in ("hqq4", "float"):
        clients.stock_convert(MODELS[name], files / f"{name}_stock_{variant}.mnn", *VARIANTS[variant])
    stock = weight_error(*(Net(files / f"{name}_stock_{v}.mnn").convolutions() for v in ("hqq4", "float")))
    print(f"{name}: {ours:.6g}, stock {stock:.6g}")
    assert ours <= stock


def test_external_weights_give_the_same_answers(files):
    target = files / "outside.mnn"
    clients.convert(clients.DIGITS, target, "--saveExternalData", *HQQ4)
    assert pathlib.Path(f"{target}.weight").stat().st_size > 0
    feeds = {"picture": clients.random_input("picture", (4, 1, 8, 8), 0, 1)}
    inline, outside = (clients.run_mnn(files / name, feeds)["scores"] for name in ("digits_hqq4.mnn", target))
    assert np.array_equal(inline, outside)
