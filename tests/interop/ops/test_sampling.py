"""Operators that read pictures at computed positions or move elements between channels and space."""

import itertools

import numpy as np
import pytest

from single_op import check

rng = np.random.default_rng(11)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_sample(tmp_path, mode, padding, align, free):
    inputs = {"x": normal(2, 3, 5, 7), "grid": rng.uniform(-1.6, 1.6, (2, 4, 6, 2)).astype(np.float32)}
    details = {"mode": mode, "padding_mode": padding, "align_corners": align, "free_dims": free, "onnx_opset": 20}
    check(tmp_path, "GridSample", inputs, (), 1e-4, **details)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_grid_sample_of_volumes(tmp_path, mode):
    inputs = {"x": normal(2, 3, 4, 5, 6), "grid": rng.uniform(-1.3, 1.3, (2, 3, 2, 4, 3)).astype(np.float32)}
    check(tmp_path, "GridSample", inputs, (), 1e-4, mode=mode, onnx_opset=20)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 3, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("constants", [(), ("size",)], ids=["computed", "constant"])
def test_affine_grid(tmp_path, size, align, constants):
    inputs = {"theta": normal(2, len(size) - 2, len(size) - 1), "size": np.array(size, np.int64)}
    check(tmp_path, "AffineGrid", inputs, constants, 1e-5, align_corners=align, onnx_opset=20)


REGIONS = np.array([[0, 0, 9, 9], [-3, 2, 4.5, 20], [5.2, 1.1, 5.4, 1.3], [3, 3, 1, 1]], np.float32)


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("frame", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(tmp_path, mode, frame, ratio, free):
    inputs = {"x": normal(2, 3, 12, 10), "rois": REGIONS, "batch": np.array([0, 1, 0, 1], np.int64)}
    details = {"mode": mode, "coordinate_transformation_mode": frame, "sampling_ratio": ratio, "spatial_scale": 0.75}
    check(tmp_path, "RoiAlign", inputs, (), 1e-4, output_height=3, output_width=4, free_dims=free, onnx_opset=16, **details)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_max_roi_pool(tmp_path, scale):
    rois = np.array([[0, 0, 0, 7, 5], [1, 2, 3, 9, 9], [1, 4, 4, 4, 4], [0, 1, 1, 30, 30]], np.float32)
    check(tmp_path, "MaxRoiPool", {"x": normal(2, 3, 12, 10), "rois": rois}, (), 1e-6, pooled_shape=[2, 3], spatial_scale=scale)


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(tmp_path, mode, free):
    if free:
        pytest.skip("the number of channels must be known")
    check(tmp_path, "DepthToSpace", {"x": normal(2, 12, 3, 4)}, (), mode=mode, blocksize=2, onnx_opset=13)


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
def test_space_to_depth(tmp_path, free):
    check(tmp_path, "SpaceToDepth", {"x": normal(2, 3, 4, 6)}, (), blocksize=2, onnx_opset=13, free_dims=free)


@pytest.mark.parametrize("constants", [(), ("image", "block")], ids=["computed", "constant"])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 2, 1]], ids=str)
def test_col2im(tmp_path, pads, constants):
    image, block, stride, dilation = (7, 8), (2, 3), (2, 1), (1, 2)
    counts = [(image[i] + pads[i] + pads[i + 2] - dilation[i] * (block[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    x = normal(2, 3 * 6, counts[0] * counts[1])
    wanted = np.zeros((2, 3, *image), np.float32)
    columns = x.reshape(2, 3, *block, *counts)
    for a, b, i, j in itertools.product(range(block[0]), range(block[1]), range(counts[0]), range(counts[1])):
        row, column = a * dilation[0] + i * stride[0] - pads[0], b * dilation[1] + j * stride[1] - pads[1]
        if 0 <= row < image[0] and 0 <= column < image[1]:
            wanted[:, :, row, column] += columns[:, :, a, b, i, j]
    inputs = {"x": x, "image": np.array(image, np.int64), "block": np.array(block, np.int64)}
    details = {"strides": stride, "dilations": dilation, "pads": pads, "onnx_opset": 18}
    check(tmp_path, "Col2Im", inputs, constants, 1e-5, {"y0": wanted}, **details)


def test_deform_conv(tmp_path):
    x, weight = normal(2, 4, 6, 7), normal(6, 2, 3, 2)
    offset, mask = normal(2, 2 * 2 * 6, 3, 6), rng.uniform(0, 1, (2, 2 * 6, 3, 6)).astype(np.float32)
    inputs = {"x": x, "w": weight, "offset": offset, "bias": normal(6), "mask": mask}
    details = {"group": 2, "offset_group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0], "onnx_opset": 19}
    expected = {"y0": deformed(inputs, (2, 1), (1, 0), 2, 2)}
    check(tmp_path, "DeformConv", inputs, (), 1e-3, expected, **details)
    check(tmp_path, "DeformConv", inputs, ("w", "bias"), 1e-3, expected, **details)


def deformed(inputs, stride, pads, groups, offset_groups):
    """The formula of the standard, element by element."""
    x, w = inputs["x"].astype(np.float64), inputs["w"]
    n, c, height, width = x.shape
    rows, columns = inputs["offset"].shape[2:]
    kernel = w.shape[2] * w.shape[3]
    offset = inputs["offset"].reshape(n, offset_groups, w.shape[2], w.shape[3], 2, rows, columns)
    mask = inputs["mask"].reshape(n, offset_groups, w.shape[2], w.shape[3], rows, columns)

    def at(image, y, z):
        low, left = int(np.floor(y)), int(np.floor(z))
        total = 0.0
        for i, j in itertools.product((0, 1), (0, 1)):
            if 0 <= low + i < height and 0 <= left + j < width:
                total += image[low + i, left + j] * (1 - abs(y - low - i)) * (1 - abs(z - left - j))
        return total

    sampled = np.zeros((n, c, w.shape[2], w.shape[3], rows, columns))
    for b, channel, i, j, r, s in np.ndindex(sampled.shape):
        g = channel // (c // offset_groups)
        y = r * stride[0] - pads[0] + i + offset[b, g, i, j, 0, r, s]
        z = s * stride[1] - pads[1] + j + offset[b, g, i, j, 1, r, s]
        sampled[b, channel, i, j, r, s] = at(x[b, channel], y, z) * mask[b, g, i, j, r, s]
    sampled = sampled.reshape(n, groups, c // groups * kernel, rows * columns)
    flat = w.reshape(groups, w.shape[0] // groups, -1)
    return np.einsum("gok,bgkp->bgop", flat, sampled).reshape(n, -1, rows, columns) + inputs["bias"][:, None, None]
