"""Resize with scales, sizes and regions that a run computes, and over axes of free size, against the reference of the standard."""

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from single_op import check, model

rng = np.random.default_rng(3)
X = rng.standard_normal((1, 2, 5, 6)).astype(np.float32)
COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
FORMS = {"computed": ((), False), "free": (("roi", "scales", "sizes"), True), "both": ((), True)}


def resize(tmp_path, form, x=X, scales=None, sizes=None, roi=None, opset=19, **attributes):
    constants, free = FORMS[form]
    inputs = {"x": x, "roi": roi, "scales": None, "sizes": None}
    if scales is not None:
        inputs["scales"] = np.array(scales, np.float32)
    else:
        inputs["sizes"] = np.array(sizes, np.int64)
    while list(inputs.values())[-1] is None:
        inputs.popitem()
    present = {name: value for name, value in inputs.items() if value is not None}
    proto = model("Resize", inputs, onnx_opset=opset, **attributes)
    expected = {"y0": ReferenceEvaluator(proto).run(None, present)[0]}
    check(tmp_path, "Resize", inputs, constants, 1e-4, expected, free_dims=free, onnx_opset=opset, **attributes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("amount", [{"scales": [1, 1, 0.6, 2]}, {"sizes": [1, 2, 8, 4]}], ids=["scales", "sizes"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_coordinates(tmp_path, coordinates, mode, amount, form):
    details = dict(amount)
    if coordinates == "tf_crop_and_resize":
        details |= {"roi": np.array([0, 0, 0.4, 0.2, 1, 1, 0.7, 1.3], np.float32), "extrapolation_value": 7.5}
    resize(tmp_path, form, mode=mode, coordinate_transformation_mode=coordinates, **details)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("sizes", [[1, 2, 15, 3], [1, 2, 7, 12]], ids=str)
def test_rounding(tmp_path, sizes, nearest, form):
    resize(tmp_path, form, sizes=sizes, mode="nearest", nearest_mode=nearest)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("scales", [[1, 1, 0.6, 2], [1, 1, 0.3, 0.8]], ids=str)
@pytest.mark.parametrize("outside", [0, 1])
def test_filters(tmp_path, outside, scales, mode, form):
    resize(tmp_path, form, scales=scales, mode=mode, antialias=1, exclude_outside=outside)
    if mode == "cubic":
        resize(tmp_path, form, scales=scales, mode=mode, exclude_outside=outside, cubic_coeff_a=-0.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_aspect_ratio(tmp_path, policy, form):
    resize(tmp_path, form, sizes=[9, 7], mode="linear", axes=[3, 2], keep_aspect_ratio_policy=policy)


@pytest.mark.parametrize("form", FORMS)
def test_ranks(tmp_path, form):
    resize(tmp_path, form, X[0, 0, 0], scales=[2.5], mode="linear")
    resize(tmp_path, form, X[0], sizes=[3, 4, 8], mode="linear")
    resize(tmp_path, form, X[..., None], scales=[1, 1, 2, 0.5, 3], mode="nearest")
