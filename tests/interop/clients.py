"""The programs that the interop tests compare: our converter, the stock converter, the stock runtime, onnxruntime."""

import functools
import os
import pathlib
import subprocess
import tempfile
import zlib

import numpy as np

import warm_process

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build/release/tools/quantpress"))
MODELS = pathlib.Path(os.environ.get("QUANTPRESS_MODELS", ROOT.parent / "shared/models"))
DIGITS = ROOT / "tests/data/digits.onnx"
TIME_LIMIT = 300
STOCK = "import sys, _tools; _tools.mnnconvert(['mnnconvert'] + sys.argv[1:])"


class ClientError(Exception):
    """A program failed; the text has its output."""


def call(command, what, output, cwd=None):
    run = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        cwd=cwd,
        errors="replace",
        check=False,
    )
    if run.returncode or not pathlib.Path(output).exists():
        raise ClientError(f"{what}: status {run.returncode}\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}")
    return run


def convert(source, target, *options, framework=None):
    """Our converter. -> its text for people (stderr)"""
    source = pathlib.Path(source)
    framework = framework or source.suffix[1:].upper()
    command = [BINARY, "convert", "-f", framework, "--modelFile", source, "--MNNModel", target, *options]
    return call(command, "quantpress", target).stderr


def stock_convert(source, target, *options):
    """The converter of the MNN wheel, as a process of its own: it can crash, hang, or end well without a file."""
    source, target = pathlib.Path(source).resolve(), pathlib.Path(target).resolve()
    command = ["-f", source.suffix[1:].upper(), "--modelFile", source, "--MNNModel", target, "--bizCode", "x", *options]
    with tempfile.TemporaryDirectory() as scratch:  # it leaves files in the current directory
        _, output = call_warm("stock converter", "convert", [str(part) for part in command], folder=scratch)
    if not target.exists():
        raise ClientError(f"stock converter: no file\n{output[-4000:]}")


def run_mnn(path, feeds, memory="normal", layout="NCHW"):
    """Runs a .mnn file on the stock runtime. -> {output name: array}"""
    return run_mnn_many(path, [feeds], memory, layout)[0]


def run_mnn_many(path, inputs, memory="normal", layout="NCHW"):
    """The same with several inputs for one loaded model. -> list of {output name: array}"""
    return call_warm(f"stock runtime on {path}", "run", str(pathlib.Path(path).resolve()), inputs, memory, layout)[0]


def call_warm(what, function, *arguments, folder="."):
    """Calls a function of runtime_worker.py. -> (its result, its output)"""
    try:
        return warm_process.call("runtime_worker", function, *arguments, seconds=TIME_LIMIT, folder=folder)
    except warm_process.Failed as error:
        raise ClientError(f"{what}: {error}") from error


def run_onnx(path, feeds):
    """Runs an ONNX file in onnxruntime, the graph as it is written. -> {output name: array}"""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds)))


@functools.cache
def largest_factor():
    """127, or 63 where onnxruntime's products of uint8 and int8 are wrong for larger ones: without instructions for them it adds two in 16 bits."""
    import onnx

    shapes = {"x": (onnx.TensorProto.UINT8, [1, 2]), "w": (onnx.TensorProto.INT8, [2, 1]), "y": (onnx.TensorProto.INT32, [1, 1])}
    x, w, y = (onnx.helper.make_tensor_value_info(name, *shape) for name, shape in shapes.items())
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "factors", [x, w], [y])
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "factors.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
        [[product]] = run_onnx(path, {"x": np.full((1, 2), 255, np.uint8), "w": np.full((2, 1), 127, np.int8)})["y"]
    return 127 if product == 2 * 255 * 127 else 63


def random_input(name, shape, low, high, dtype=np.float32):
    """The same numbers for the same name and shape; pictures are smooth along their last two axes."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if np.dtype(dtype).kind == "i":
        return rng.integers(low, high, shape, dtype)
    if len(shape) != 4:
        return rng.uniform(low, high, shape).astype(dtype)
    rows, columns = np.linspace(0, 6, shape[2])[:, None], np.linspace(0, 6, shape[3])[None]
    phases = rng.uniform(0, 6, (2, *shape[:2], 1, 1))
    wave = (np.sin(rows + phases[0]) * np.cos(columns * 1.7 + phases[1]) + 1) / 2 + rng.uniform(0, 0.05, shape)
    return (low + (high - low) * wave / wave.max()).astype(dtype)


def relative_rms(value, reference):
    value, reference = (np.asarray(array, np.float64).ravel() for array in (value, reference))
    assert value.shape == reference.shape, f"{value.shape} values, expected {reference.shape}"
    assert np.isfinite(value).all(), "an output is not finite"
    return float(np.sqrt(np.mean((value - reference) ** 2)) / (np.sqrt(np.mean(reference**2)) or 1.0))


def worst_error(values, references):
    """The largest relative RMS error over the outputs, matched by name."""
    assert set(values) >= set(references), f"outputs {sorted(values)}, expected {sorted(references)}"
    return max(relative_rms(values[name], references[name]) for name in references)
