"""The backend tests of the onnx package, in one form: a model, its data sets and its tolerance."""

import dataclasses
import pathlib
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

# Element types that the runtime's float32, int32, uint8 and int8 can stand for.
TYPES = {
    getattr(TensorProto, name)
    for name in "FLOAT FLOAT16 DOUBLE BOOL INT8 UINT8 INT16 UINT16 INT32 UINT32 INT64 UINT64".split()
}
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
INT32 = np.iinfo(np.int32)
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclasses.dataclass
class Case:
    suite: str
    name: str
    model: onnx.ModelProto
    sets: list  # of ([input arrays], [output arrays])
    rtol: float
    atol: float

    @property
    def operators(self):
        return sorted({node.op_type for node in self.model.graph.node}) or ["-"]

    @property
    def inputs(self):
        """Graph inputs that are fed: those without a default."""
        defaults = {tensor.name for tensor in self.model.graph.initializer}
        return [value for value in self.model.graph.input if value.name not in defaults]

    def out_of_scope(self):
        """Why the runtime cannot answer the question that the test asks, or None."""
        for value in [*self.model.graph.input, *self.model.graph.output]:
            if value.type.WhichOneof("value") != "tensor_type" or value.type.tensor_type.elem_type not in TYPES:
                return "a type that the runtime has not"
        if RANDOM & set(self.operators) or ("training_dropout" in self.name and "zero_ratio" not in self.name):
            return "random by definition"
        for array in (array for data in self.sets for arrays in data for array in arrays):
            if array.size and array.dtype.kind in "iu" and (int(array.max()) > INT32.max or int(array.min()) < INT32.min):
                return "integers beyond 32 bits"
            if array.dtype == np.float64 and (np.abs(array[np.isfinite(array)]) > FLOAT32_MAX).any():
                return "numbers beyond float32"
        return None


def load():
    """-> list of Case, in the order of their names within each suite"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*node_cases(), *folder_cases("simple"), *light_cases()]


def node_cases():
    from onnx.backend.test.case.node import collect_testcases

    def array(item):
        return numpy_helper.to_array(item) if isinstance(item, TensorProto) else item

    for case in sorted(collect_testcases(None), key=lambda case: case.name):
        sets = [([array(x) for x in inputs], [array(x) for x in outputs]) for inputs, outputs in case.data_sets]
        if any(not isinstance(x, (np.ndarray, np.generic)) for data in sets for arrays in data for x in arrays):
            sets = []  # sequences and optionals: out of scope by their types
        sets = [tuple([np.asarray(x) for x in arrays] for arrays in data) for data in sets]
        yield Case("node", case.name, case.model, sets, case.rtol, case.atol)


def folder_cases(suite):
    for folder in sorted((data_folder() / suite).iterdir()):
        if not (folder / "model.onnx").exists():
            continue
        model = onnx.load(folder / "model.onnx")
        case = Case(suite, folder.name, model, [], 1e-3, 1e-7)
        if case.out_of_scope() is None:
            for data in sorted(folder.glob("test_data_set_*")):
                case.sets.append((tensors(data, "input", case.inputs), tensors(data, "output", model.graph.output)))
        yield case


def light_cases():
    """Real architectures with generated weights. Their inputs are the ramp that ONNX's own runner feeds."""
    for path in sorted((data_folder() / "light").glob("*.onnx")):
        model = onnx.load(path)
        case = Case("light", path.stem, model, [], 2e-3 if "densenet" in path.stem else 1e-3, 1e-7)
        inputs = []
        for value in case.inputs:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            size = int(np.prod(shape))
            inputs.append((np.arange(size) / size).astype(np.float32).reshape(shape))
        outputs = [
            numpy_helper.to_array(onnx.load_tensor(f"{path.with_suffix('')}_output_{i}.pb"))
            for i in range(len(model.graph.output))
        ]
        case.sets.append((inputs, outputs))
        yield case


def data_folder():
    return pathlib.Path(onnx.__file__).parent / "backend/test/data"


def tensors(folder, kind, values):
    return [numpy_helper.to_array(onnx.load_tensor(folder / f"{kind}_{i}.pb")) for i in range(len(values))]
