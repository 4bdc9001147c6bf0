"""Models of one operator, converted, run on the stock runtime, and compared with onnxruntime."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

import clients

OPSETS = [("", 21), ("com.microsoft", 1)]


def model(op, inputs, constants=(), outputs=1, domain="", onnx_opset=None, ml_opset=3, free_dims=False, **attributes):
    """A model of one node. `inputs` is an ordered {name: array or None}: None leaves an optional input out; names in
    `constants` become initializers. Output types are left to the runtime of the reference. `free_dims`: every dimension of
    the inputs is known at run time only."""
    names = [name if array is not None else "" for name, array in inputs.items()]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    present = {name: array for name, array in inputs.items() if array is not None}
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                [f"{name}_{i}" for i in range(array.ndim)] if free_dims else array.shape,
            )
            for name, array in present.items()
            if name not in constants
        ],
        [onnx.ValueInfoProto(name=name) for name in results],
        [numpy_helper.from_array(present[name], name) for name in constants if name in present],
    )
    wanted = dict(OPSETS) | {"ai.onnx.ml": ml_opset} | ({"": onnx_opset} if onnx_opset else {})
    versions = [helper.make_opsetid(name, version) for name, version in wanted.items()]
    return helper.make_model(graph, opset_imports=versions, ir_version=10)


def run(folder, proto, inputs, expected=None):
    """-> (values of our file on the stock runtime, values of onnxruntime or those expected), both {output: array}"""
    source, target = folder / "model.onnx", folder / "model.mnn"
    onnx.save(proto, source)
    clients.convert(source, target)
    fed = {value.name for value in proto.graph.input}
    feeds = {name: array for name, array in inputs.items() if name in fed}
    reference = expected or clients.run_onnx(source, feeds)
    return clients.run_mnn(target, {name: runtime_array(array) for name, array in feeds.items()}), reference


def runtime_array(array):
    """The array in the type that the runtime holds."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array if array.dtype in (np.int8, np.uint8) else array.astype(np.int32)


def check(folder, op, inputs, constants=(), tolerance=0.0, expected=None, **details):
    """Converts and compares; `tolerance` is absolute. `expected`: {"y0": array, ...} where onnxruntime cannot say."""
    arrays = {name: None if array is None else np.asarray(array) for name, array in inputs.items()}
    values, reference = run(folder, model(op, arrays, constants, **details), arrays, expected)
    for name, want in reference.items():
        got = values[name]
        assert got.shape == want.shape, f"{op} {name}: shape {got.shape}, expected {want.shape}"
        bad = ~np.isclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance and 1e-6, atol=tolerance, equal_nan=True)
        assert not bad.any(), f"{op} {name}: {got[bad][:8]}, expected {want[bad][:8]}"
