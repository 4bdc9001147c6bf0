"""What a case is: a model with random weights and one example of its inputs."""

import dataclasses
from typing import Any, Callable


@dataclasses.dataclass
class Example:
    """What a case's function returns."""

    model: Any
    inputs: dict  # name -> array or tensor, in the order of the model's arguments
    outputs: list  # names
    # name -> {axis: symbol}: sizes that may change, for exporters that take them
    dynamic: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Case:
    name: str
    family: str
    exporters: tuple
    make: Callable[[], Example]
    tolerance: float = 1e-3


CASES: dict[str, Case] = {}
# The exporter that traces; the one that captures, with all sizes fixed; and that one with the sizes of Example.dynamic open.
STATIC = ("torch-old", "torch-new")
TORCH = (*STATIC, "torch-dyn")
FUSED = (*TORCH, "torch-ort")  # and as onnxruntime writes it after its own fusions
# Half floats, and what onnxruntime's quantizer makes of the first without and with an example.
SMALLER = ("torch-half", "ort-dynamic", "ort-static")
# A number that is rounded to 8 bits may fall on the other side, and the layers behind it make the difference grow. onnxruntime rounds
# the activations of a quantized LSTM, we do not.
ROUNDED = {"ort-dynamic": 1e-2, "ort-static": 3e-2}


def case(name, family, exporters, **details):
    """Decorator of the function that makes the example."""

    def add(function):
        assert name not in CASES, name
        CASES[name] = Case(name, family, exporters, function, **details)
        return function

    return add


def load_all():
    """Fills CASES. The modules import their frameworks only when a case is made."""
    import handmade_cases  # noqa: F401
    import recurrent_cases  # noqa: F401
    import sklearn_cases  # noqa: F401
    import tensorflow_cases  # noqa: F401
    import torchvision_cases  # noqa: F401
    import transformers_cases  # noqa: F401
    import transformers_more_cases  # noqa: F401

    return CASES
