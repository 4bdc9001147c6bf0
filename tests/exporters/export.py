"""Writes one case as an ONNX file with an exporter, and the answers of onnxruntime beside it."""

import pathlib
import sys
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
import clients  # noqa: E402


def randomize(model):
    """Statistics and offsets that are 0 or 1 after creation would hide mistakes."""
    import torch

    with torch.no_grad():
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.7, 1.4)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.05)


def torch_old(example, path):
    import torch

    torch.onnx.export(
        example.model, tuple(example.inputs.values()), path, dynamo=False, input_names=list(example.inputs), output_names=example.outputs,
        dynamic_axes=example.dynamic or None, opset_version=17,
    )  # fmt: skip


def torch_new(example, path):
    import torch

    torch.onnx.export(
        example.model, tuple(example.inputs.values()), path, dynamo=True, input_names=list(example.inputs), output_names=example.outputs,
        verbose=False,
    )  # fmt: skip


def torch_dynamic(example, path):
    import torch

    auto = torch.export.Dim.AUTO
    shapes = tuple({axis: auto for axis in example.dynamic.get(name, {})} for name in example.inputs)
    variadic = example.model.forward.__code__.co_flags & 4  # the arguments of *args are one argument
    torch.onnx.export(
        example.model, tuple(example.inputs.values()), path, dynamo=True, input_names=list(example.inputs), output_names=example.outputs,
        dynamic_shapes=(shapes,) if variadic else shapes, verbose=False,
    )  # fmt: skip


def fused(example, path):
    """What onnxruntime makes of the old exporter's file: graphs with operators of its own domain."""
    import onnxruntime

    plain = pathlib.Path(path).with_name("plain.onnx")
    torch_old(example, str(plain))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = path
    onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])


def half(example, path):
    """All weights as half floats."""
    import torch

    def cast(array):
        return array.half() if isinstance(array, torch.Tensor) and array.is_floating_point() else array

    example.model.half()
    example.inputs = {name: cast(array) for name, array in example.inputs.items()}
    torch_old(example, path)


def eight_bits(example, path):
    """What onnxruntime's quantizer makes of it without an example: products of integers, with scales that a run computes."""
    import onnxruntime.quantization as quantization

    plain = pathlib.Path(path).with_name("plain.onnx")
    torch_old(example, str(plain))
    quantization.quantize_dynamic(str(plain), path, weight_type=quantization.QuantType.QInt8, reduce_range=True)


def eight_bits_by_example(example, path):
    """The same with an example: QuantizeLinear and DequantizeLinear around every operator."""
    import onnxruntime.quantization as quantization

    class Feeds(quantization.CalibrationDataReader):
        left = [{name: np.asarray(array) for name, array in example.inputs.items()}]

        def get_next(self):
            return self.left.pop() if self.left else None

    plain = pathlib.Path(path).with_name("plain.onnx")
    torch_old(example, str(plain))
    quantization.quantize_static(str(plain), path, Feeds(), quant_format=quantization.QuantFormat.QDQ, per_channel=True)


def tf2onnx_keras(example, path):
    import tensorflow as tf
    import tf2onnx

    signature = [
        tf.TensorSpec((None, *array.shape[1:]), array.dtype, name=name) for name, array in example.inputs.items()
    ]
    function = tf.function(lambda *arrays: example.model(*arrays), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=17, output_path=path)


def keras_export(example, path):
    example.model(*example.inputs.values())  # a model that was never called is refused
    example.model.export(path, format="onnx", verbose=False)


def skl2onnx_export(example, path):
    import skl2onnx

    options = {"zipmap": False} if hasattr(example.model, "predict_proba") else None
    proto = skl2onnx.to_onnx(example.model, next(iter(example.inputs.values())), options={id(example.model): options} if options else None)
    pathlib.Path(path).write_bytes(proto.SerializeToString())


EXPORTERS = {
    "torch-old": torch_old,
    "torch-new": torch_new,
    "torch-dyn": torch_dynamic,
    "torch-ort": fused,
    "torch-half": half,
    "ort-dynamic": eight_bits,
    "ort-static": eight_bits_by_example,
    "tf2onnx": tf2onnx_keras,
    "keras": keras_export,
    "skl2onnx": skl2onnx_export,
}


def export(case, exporter, folder):
    """-> nothing; folder/model.onnx, feeds.npz (as the model takes them), expected.npz (what onnxruntime gives)"""
    import onnx

    warnings.filterwarnings("ignore")
    if exporter.startswith(("torch", "ort")):
        import torch

        torch.manual_seed(1)
        torch.set_num_threads(1)
    example = case.make()
    if exporter.startswith(("torch", "ort")):
        example.model.eval()
        randomize(example.model)
    path = folder / "model.onnx"
    EXPORTERS[exporter](example, str(path))
    # Exporters other than torch's choose names of their own.
    ports = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in ports.initializer}
    names = [port.name for port in ports.input if port.name not in weights]
    arrays = [np.asarray(array) for array in example.inputs.values()]
    # An argument that the model does not use is no input of the file.
    if exporter.startswith(("torch", "ort")):
        feeds = {name: array for name, array in zip(example.inputs, arrays) if name in names}
    else:
        feeds = dict(zip(names, arrays, strict=True))
    np.savez(folder / "expected.npz", **clients.run_onnx(path, feeds))
    np.savez(folder / "feeds.npz", **feeds)
