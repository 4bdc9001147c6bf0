"""One small ONNX model, converted, run on the stock runtime, and compared with onnxruntime or with given arrays."""

import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import clients  # noqa: E402  (the path above is for it)

TYPES = {
    "f": TensorProto.FLOAT,
    "i": TensorProto.INT32,
    "l": TensorProto.INT64,
    "b": TensorProto.BOOL,
}


def kind(array):
    return {"float32": "f", "int32": "i", "int64": "l", "bool": "b"}[str(np.asarray(array).dtype)]


def model_of(nodes, feeds, outputs, weights=None, dims=None, opset=21, ir=10):
    """`feeds` and `weights` map names to arrays; `outputs` lists names; `dims` gives declared dimensions of inputs, where a
    string is a free dimension."""
    inputs = [
        helper.make_tensor_value_info(name, TYPES[kind(array)], (dims or {}).get(name, array.shape))
        for name, array in feeds.items()
    ]
    results = [helper.make_tensor_value_info(name, TYPES[which], None) for name, which in outputs.items()]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "case", inputs, results, tensors)
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=ir)


def check(nodes, feeds, outputs, weights=None, dims=None, opset=21, wanted=None, tolerance=1e-4, more=()):
    """`outputs`: {name: type letter} or a list of float outputs. `more`: other feeds for the same file (free dimensions)."""
    if not isinstance(outputs, dict):
        outputs = {name: "f" for name in outputs}
    model = model_of(nodes, feeds, outputs, weights, dims, opset)
    with tempfile.TemporaryDirectory() as scratch:
        source, target = pathlib.Path(scratch) / "case.onnx", pathlib.Path(scratch) / "case.mnn"
        onnx.save(model, source)
        clients.convert(source, target)
        for given in (feeds, *more):
            expected = wanted if wanted is not None and given is feeds else clients.run_onnx(source, given)
            found = clients.run_mnn(target, given)
            for name in outputs:
                value, reference = found[name], np.asarray(expected[name])
                assert value.shape == reference.shape, f"{name}: {value.shape}, expected {reference.shape}"
                scale = max(1.0, np.abs(reference).max(initial=0))
                worst = np.abs(value.astype(np.float64) - reference.astype(np.float64)).max(initial=0)
                assert worst <= tolerance * scale, f"{name}: off by {worst}, largest value {scale}"
