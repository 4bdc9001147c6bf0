"""The bundled model through every variant: bytes, and accuracy on the stock runtime."""

import pathlib
import sys

import numpy as np
import pytest

import clients
from mnn_file import Net
from variants import VARIANTS, check_weights, weight_error, HQQ4

sys.path.insert(0, str(clients.ROOT / "scripts"))

LEAST_ACCURACY = {"float": 0.99, "fp16": 0.99, "symmetric8": 0.99, "asymmetric4": 0.97, "hqq4": 0.97}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    for variant, options in VARIANTS.items():
        clients.convert(clients.DIGITS, folder / f"{variant}.mnn", *options)
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_follow_the_formulas(files, variant):
    plain, quantized = (Net(files / f"{name}.mnn").convolutions() for name in ("float", variant))
    assert plain.keys() == quantized.keys()
    kinds = [check_weights(variant, quantized[name], plain[name]) for name in plain]
    assert kinds.count({"float": "float", "fp16": "half"}.get(variant, "quantized")) == len(plain) == 5


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_accuracy_on_the_stock_runtime(files, variant, memory):
    digits = pytest.importorskip("digits", reason="scikit-learn is missing")
    _, _, pictures, labels = digits.load()
    scores = clients.run_mnn(files / f"{variant}.mnn", {"picture": pictures}, memory)["scores"]
    assert np.mean(scores.argmax(1) == labels) >= LEAST_ACCURACY[variant]
    if variant == "float":
        reference = clients.run_onnx(clients.DIGITS, {"picture": pictures})
        assert clients.relative_rms(scores, reference["scores"]) <= 1e-4


def test_hqq_is_no_worse_than_the_stock_converter(files):
    ours = weight_error(Net(files / "hqq4.mnn").convolutions(), Net(files / "float.mnn").convolutions())
    clients.stock_convert(clients.DIGITS, files / "stock_float.mnn")
    clients.stock_convert(clients.DIGITS, files / "stock_hqq4.mnn", *HQQ4)
    stock = weight_error(Net(files / "stock_hqq4.mnn").convolutions(), Net(files / "stock_float.mnn").convolutions())
    assert ours <= stock


def test_external_weights_give_the_same_answers(files):
    target = files / "outside.mnn"
    clients.convert(clients.DIGITS, target, "--saveExternalData", *HQQ4)
    assert pathlib.Path(f"{target}.weight").stat().st_size > 0
    feeds = {"picture": clients.random_input("picture", (4, 1, 8, 8), 0, 1)}
    inline, outside = (clients.run_mnn(files / name, feeds)["scores"] for name in ("hqq4.mnn", "outside.mnn"))
    assert np.array_equal(inline, outside)
