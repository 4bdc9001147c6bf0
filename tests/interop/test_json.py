"""Models as JSON: our text and that of the stock converter, and what the stock runtime makes of a model that came from text."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

import clients
from test_recipes import MNN, ONNX
from variants import VARIANTS

# The stock converter writes what JSON does not have.
BARE = re.compile(r"(?<=[\[ ])(-?)(nan|inf)(?=[ ,])")


def ours(*options):
    subprocess.run([clients.BINARY, "convert", "--quiet", *map(str, options)], check=True)


def stock(folder, *options):
    command = [sys.executable, "-c", clients.STOCK, *map(str, options), "--bizCode", "x"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=clients.TIME_LIMIT).stdout


def stock_dump(folder, model):
    path = folder / "stock.json"
    stock(folder, "-f", "MNN", "--modelFile", model, "--JsonFile", path)
    return path


def model(name):
    path = clients.MODELS / "mnn" / f"{name}.mnn"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    return path


def differences(a, b, same, where="", found=None):
    """Where two trees differ; `same` compares floats."""
    found = [] if found is None else found
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            found.append(f"{where}: {list(a)} {list(b)}")
        for key in a.keys() & b.keys():
            differences(a[key], b[key], same, f"{where}.{key}", found)
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            found.append(f"{where}: {len(a)} {len(b)} entries")
        for i, (x, y) in enumerate(zip(a, b)):
            differences(x, y, same, f"{where}[{i}]", found)
    elif isinstance(a, float) or isinstance(b, float):
        if not same(float(a), float(b)):
            found.append(f"{where}: {a} {b}")
    elif a != b:
        found.append(f"{where}: {a} {b}")
    return found


@pytest.mark.parametrize("name", MNN)
def test_our_text_says_what_the_stock_text_says(name, tmp_path):
    source = model(name)
    ours("-f", "MNN", "--modelFile", source, "--JsonFile", tmp_path / "a.json")
    mine = json.loads((tmp_path / "a.json").read_text())
    theirs = json.loads(BARE.sub("NaN", stock_dump(tmp_path, source).read_text()))
    # They print six decimals.
    assert differences(mine, theirs, lambda a, b: math.isclose(a, b, rel_tol=1e-6, abs_tol=6e-7))[:5] == []


@pytest.mark.parametrize("name", MNN)
def test_stock_text_is_read_as_it_stands(name, tmp_path):
    text = stock_dump(tmp_path, model(name))
    ours("-f", "JSON", "--modelFile", text, "--MNNModel", tmp_path / "b.mnn")
    ours("-f", "MNN", "--modelFile", tmp_path / "b.mnn", "--JsonFile", tmp_path / "b.json")
    mine = json.loads((tmp_path / "b.json").read_text())
    theirs = json.loads(text.read_text())
    assert differences(mine, theirs, lambda a, b: np.float32(a) == np.float32(b))[:5] == []


@pytest.mark.parametrize("name", MNN)
def test_the_stock_converter_reads_our_text(name, tmp_path):
    ours("-f", "MNN", "--modelFile", model(name), "--JsonFile", tmp_path / "a.json")
    stock(tmp_path, "-f", "JSON", "--modelFile", tmp_path / "a.json", "--MNNModel", tmp_path / "b.mnn")
    ours("-f", "MNN", "--modelFile", tmp_path / "b.mnn", "--JsonFile", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ONNX)
def test_our_models_come_back_byte_for_byte(name, variant, tmp_path):
    source = clients.MODELS / "onnx" / f"{name}.onnx"
    if not source.exists():
        pytest.skip(f"{source} is missing")
    for external in ([], ["--saveExternalData"]):
        folder = tmp_path / str(len(external))
        folder.mkdir()
        clients.convert(source, folder / "a.mnn", *VARIANTS[variant], *external)
        ours("-f", "MNN", "--modelFile", folder / "a.mnn", "--JsonFile", folder / "a.json")
        ours("-f", "JSON", "--modelFile", folder / "a.json", "--MNNModel", folder / "b.mnn")
        for suffix in ("", ".weight"):
            before, after = folder / f"a.mnn{suffix}", folder / f"b.mnn{suffix}"
            assert before.exists() == after.exists()
            assert not before.exists() or before.read_bytes() == after.read_bytes()


def test_the_runtime_gives_the_same_numbers(tmp_path):
    source = model("ultraface_rfb320")
    ours("-f", "MNN", "--modelFile", source, "--JsonFile", tmp_path / "a.json")
    ours("-f", "JSON", "--modelFile", tmp_path / "a.json", "--MNNModel", tmp_path / "b.mnn")
    feeds = {"input": clients.random_input("input", (1, 3, 240, 320), -1, 1)}
    before, after = clients.run_mnn(source, feeds), clients.run_mnn(tmp_path / "b.mnn", feeds)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert np.array_equal(values, after[name])
