"""`quantpress verify` and --testdir: against our own arithmetic, and against the self test of the stock converter."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import clients
from test_json import model, stock

LINE = re.compile(r"TESTERROR (\S+) .*absMaxV:([0-9.]+) - DiffMax ([0-9.]+)")
ENVIRONMENT = dict(os.environ, QUANTPRESS_PYTHON=sys.executable)


def verify(path, folder, *options):
    command = [clients.BINARY, "verify", path, "--testdir", folder, *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=ENVIRONMENT, timeout=clients.TIME_LIMIT, check=False)


def failures(text):
    """{output: (largest reference, largest difference)} as printed"""
    return {name: (float(largest), float(difference)) for name, largest, difference in LINE.findall(text)}


def write_test(folder, feeds, references, shapes=True):
    folder.mkdir(exist_ok=True)
    inputs = [{"name": name, "shape": list(array.shape)} if shapes else {"name": name} for name, array in feeds.items()]
    (folder / "input.json").write_text(json.dumps({"inputs": inputs, "outputs": list(references)}))
    for name, array in {**feeds, **references}.items():
        (folder / f"{name}.txt").write_text(" ".join(map(repr, np.asarray(array).ravel().tolist())))
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A model, inputs and the outputs that onnxruntime gives."""
    folder = tmp_path_factory.mktemp("digits")
    clients.convert(clients.DIGITS, folder / "float.mnn")
    feeds = {"picture": clients.random_input("picture", (1, 1, 8, 8), 0, 1)}
    return folder, feeds, clients.run_onnx(clients.DIGITS, feeds)


def test_a_right_model_passes(digits, tmp_path):
    folder, feeds, references = digits
    run = verify(folder / "float.mnn", write_test(tmp_path / "t", feeds, references), "--thredhold", "0.0001")
    assert (run.returncode, run.stdout) == (0, "TEST_SUCCESS\n"), run.stderr


def test_differences_are_those_of_the_numbers(digits, tmp_path):
    folder, feeds, references = digits
    wrong = {name: values + np.linspace(0, 3, values.size, dtype=np.float32).reshape(values.shape) for name, values in references.items()}
    run = verify(folder / "float.mnn", write_test(tmp_path / "t", feeds, wrong))
    assert run.returncode == 3
    got = clients.run_mnn(folder / "float.mnn", feeds)
    for name, (largest, difference) in failures(run.stdout).items():
        assert largest == pytest.approx(np.abs(wrong[name]).max(), rel=1e-5)
        assert difference == pytest.approx(np.abs(wrong[name] - got[name]).max(), rel=1e-4)
    assert failures(run.stdout).keys() == wrong.keys()
    # Exactly at the limit of the criterion.
    name, (largest, difference) = next(iter(failures(run.stdout).items()))
    for factor, code in ((1.01, 0), (0.99, 3)):
        assert verify(folder / "float.mnn", tmp_path / "t", "--thredhold", str(factor * difference / largest)).returncode == code, name


def test_references_by_place_and_none(digits, tmp_path):
    folder, feeds, references = digits
    write_test(tmp_path / "t", feeds, references)
    name = next(iter(references))
    (tmp_path / "t" / f"{name}.txt").rename(tmp_path / "t" / "0.txt")
    assert verify(folder / "float.mnn", tmp_path / "t").stdout == "TEST_SUCCESS\n"
    (tmp_path / "t" / "0.txt").write_text("1e9")
    run = verify(folder / "float.mnn", tmp_path / "t")
    assert run.returncode == 3 and "has 1 of" in run.stderr
    (tmp_path / "t" / "0.txt").unlink()
    run = verify(folder / "float.mnn", tmp_path / "t")
    assert (run.returncode, run.stdout) == (0, "TEST_SUCCESS\n") and "no reference" in run.stderr


@pytest.mark.parametrize("name", ["ultraface_rfb320", "face_blendshape_fp32", "rnnt_predictor_wquant8"])
@pytest.mark.parametrize("shapes", [True, False])
def test_the_numbers_of_the_stock_self_test(name, shapes, tmp_path):
    """Packed, channels-last and integer inputs, with and without a shape in input.json."""
    source = model(name)
    feeds = {
        "ultraface_rfb320": {"input": clients.random_input("input", (1, 3, 240, 320), -1, 1)},
        "face_blendshape_fp32": {"serving_default_input_points:0": clients.random_input("points", (1, 146, 2), 0, 200)},
        "rnnt_predictor_wquant8": {"prev_states": np.arange(40).reshape(10, 4) % 7, "pred_in": np.arange(10).reshape(10, 1)},
    }[name]
    layout = "NHWC" if name == "face_blendshape_fp32" else "NCHW"
    outputs = clients.run_mnn(source, feeds, layout=layout)
    assert len(outputs) > 0
    write_test(tmp_path / "t", feeds, outputs, shapes)
    if name == "ultraface_rfb320" and not shapes:  # packs of four channels
        packed = np.concatenate([feeds["input"], np.zeros((1, 1, 240, 320), np.float32)], axis=1).transpose(0, 2, 3, 1)
        (tmp_path / "t" / "input.txt").write_text(" ".join(map(repr, packed.ravel().tolist())))
    run = verify(source, tmp_path / "t", "--thredhold", "0.0001")
    assert (run.returncode, run.stdout) == (0, "TEST_SUCCESS\n"), run.stderr
    # The same wrong references for both.
    for i, (output, values) in enumerate(outputs.items()):
        (tmp_path / "t" / f"{output}.txt").write_text(" ".join(map(repr, (np.asarray(values, np.float64).ravel() * 1.5 + i + 1).tolist())))
    run = verify(source, tmp_path / "t")
    theirs = failures(stock(tmp_path, "-f", "MNN", "--modelFile", source, "--MNNModel", tmp_path / "o.mnn", "--testdir", tmp_path / "t"))
    assert run.returncode == 3
    mine = failures(run.stdout)
    assert mine.keys() == theirs.keys() == outputs.keys()
    for output, pair in mine.items():
        assert pair == pytest.approx(theirs[output], rel=1e-4, abs=2e-5)


def test_settings_reach_the_runtime(digits, tmp_path):
    folder, feeds, references = digits
    write_test(tmp_path / "t", feeds, references)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"backend": 0, "mode": 4, "memory": 2, "precision": 1, "hints": [5, 1]}))
    # Only with memory 2 the runtime computes with 8-bit inputs, which shows.
    clients.convert(clients.DIGITS, folder / "eight.mnn", "--weightQuantBits", "8")
    plain = failures(verify(folder / "eight.mnn", tmp_path / "t", "--thredhold", "1e-9").stdout)
    low = failures(verify(folder / "eight.mnn", tmp_path / "t", "--thredhold", "1e-9", "--testconfig", config).stdout)
    assert plain and low and plain != low
    config.write_text(json.dumps({"mode": "four"}))
    run = verify(folder / "float.mnn", tmp_path / "t", "--testconfig", config)
    assert run.returncode == 1 and '"mode" must be a whole number' in run.stderr


def test_values_that_are_not_finite(tmp_path):
    net = {
        "oplists": [
            {"main_type": "Input", "main": {"dims": [1, 2], "dformat": "NCHW"}, "name": "x", "outputIndexes": [0], "type": "Input"},
            {"inputIndexes": [0], "main_type": "UnaryOp", "main": {"opType": "LOG", "T": "DT_FLOAT"}, "name": "y", "outputIndexes": [1], "type": "UnaryOp"},
        ],
        "outputName": ["y"],
        "tensorName": ["x", "y"],
        "sourceType": "ONNX",
    }
    (tmp_path / "net.json").write_text(json.dumps(net))
    subprocess.run([clients.BINARY, "convert", "--quiet", "--modelFile", tmp_path / "net.json", "--MNNModel", tmp_path / "net.mnn"], check=True)
    write_test(tmp_path / "t", {"x": np.float32([[1, -1]])}, {"y": np.float32([[0, 0]])})
    run = verify(tmp_path / "net.mnn", tmp_path / "t")
    assert run.returncode == 3 and run.stdout.startswith("TESTERROR y"), run


def test_what_the_runtime_refuses(digits, tmp_path):
    folder, feeds, references = digits
    write_test(tmp_path / "t", feeds, {"nowhere": np.zeros(1)})
    run = verify(folder / "float.mnn", tmp_path / "t")
    assert run.returncode == 1 and "nowhere" in run.stderr and run.stdout == ""
    write_test(tmp_path / "t", {"other": np.zeros((1, 2))}, references)
    run = verify(folder / "float.mnn", tmp_path / "t")
    assert run.returncode == 1 and "no input 'other'" in run.stderr


def test_a_search_as_auto_quant_does_it(digits, tmp_path):
    """Conversions with a settings file that is edited between them, judged by the printed lines."""
    folder, feeds, references = digits
    write_test(tmp_path / "t", feeds, references)
    program = tmp_path / "MNNConvert"
    program.symlink_to(clients.BINARY)
    settings, config = tmp_path / "out.mnn.json", tmp_path / "forward.json"
    config.write_text(json.dumps({"backend": 0, "mode": 4, "memory": 2, "precision": 1, "hints": [5, 1]}))
    codes = []

    def trial():
        command = [program, "-f", "MNN", "--modelFile", folder / "float.mnn", "--MNNModel", tmp_path / "out.mnn", "--weightQuantBits", "8"]
        command += ["--weightQuantAsymmetric=0", "--compressionParamsFile", settings, "--testdir", tmp_path / "t", "--thredhold", "0.001"]
        command += ["--testconfig", config, "--alignDenormalizedValue", "0", "--hqq"]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=ENVIRONMENT, timeout=clients.TIME_LIMIT, check=False)
        assert "Converted Success!" in run.stdout, run.stderr
        codes.append(run.returncode)
        rates = [difference / largest for largest, difference in failures(run.stdout).values() if largest > 0.01]
        assert bool(rates) != ("TEST_SUCCESS" in run.stdout)
        return max(rates, default=0.0)

    def layers(recipe):
        return [layer for algo in recipe["algo"] for layer in algo["quantParams"]["layer"]]

    first = trial()
    recipe = json.loads(settings.read_text())
    assert layers(recipe) and all(layer["weight"][0]["bits"] == 8 for layer in layers(recipe))
    # Fewer bits, layer by layer, as long as the result is good enough.
    target = first * 4 + 0.02
    for layer in layers(recipe):
        layer["weight"][0]["bits"] = 4
        settings.write_text(json.dumps(recipe))
        if trial() > target:
            layer["weight"][0]["bits"] = 8
    settings.write_text(json.dumps(recipe))
    assert trial() <= target
    bits = [layer["weight"][0]["bits"] for layer in layers(recipe)]
    assert 4 in bits
    # All float: nothing is left to report.
    for layer in layers(recipe):
        layer["weight"][0]["bits"] = 0
    settings.write_text(json.dumps(recipe))
    assert trial() < 0.001
    assert set(codes) <= {0, 3} and codes[-1] == 0
