"""Recipes for models that compute with int8, made by running the float model; and what such a model holds."""

import json
import pathlib
import re
import sys
import tempfile

import numpy as np

import clients
from mnn_file import CONVOLUTION_2D, Net

NUMBERED = re.compile(r"ConvertTensor\d+")
KINDS = {12: "Convolution", 13: "ConvolutionDepthwise"}


def float_layers(net):
    """-> [(op, its name, input tensor, output tensor, outputs, weights)] of the convolutions that can compute with int8"""
    layers = []
    decoded = net.convolutions()
    for op in net.ops[: len(net.root.tables(3))]:  # of the main graph
        if op.scalar(5, "i") not in KINDS or op.scalar(1, "B") != CONVOLUTION_2D or op.text(3) not in decoded:
            continue
        conv = decoded[op.text(3)]
        if conv.kind == "Convolution" and conv.group > 1:
            continue
        ends = [net.tensors[op.vector(slot, "i4")[0]] for slot in (0, 4)]
        layers.append((op.text(3), *ends, conv.weights.reshape(conv.outputs, -1)))
    return layers


def ranges(path, feeds, names, layout="NCHW"):
    """-> {tensor: largest magnitude} of a float .mnn file on the stock runtime"""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        np.savez(scratch / "feeds.npz", **feeds)
        (scratch / "names.json").write_text(json.dumps(names))
        worker = pathlib.Path(__file__).with_name("tensor_ranges.py")
        command = [sys.executable, worker, path, scratch / "feeds.npz", scratch / "ranges.json", layout, scratch / "names.json"]
        clients.call(command, f"ranges of {path}", scratch / "ranges.json")
        return json.loads((scratch / "ranges.json").read_text())


def activation(name, largest, variety, index):
    """A step of 1/127 of the largest magnitude; with `variety`, other zero points and limits too."""
    params = {"name": name, "scales": [max(largest, 1e-3) / 127]}
    if variety:
        params |= {"zeroPoint": (0, 5, -7)[index % 3], "clampMin": (-128, -127, -100)[index % 3], "clampMax": (127, 120, 127)[index % 3]}
    return params


def full_recipe(plain, feeds, target, layout="NCHW", variety=False, keep=lambda name: True, edit=lambda entry: None):
    """Writes a recipe for the layers of the float file `plain` that `keep` wants. -> names of these layers"""
    # The tensor between a matrix product that became a convolution and an activation has a number for a name, which only the stock converter knows.
    layers = [layer for layer in float_layers(Net(plain)) if keep(layer[0]) and not NUMBERED.fullmatch(layer[2])]
    tensors = sorted({tensor for layer in layers for tensor in layer[1:3]})
    largest = ranges(plain, feeds, tensors, layout)
    entries = []
    for name, source, output, weights in layers:
        scales = np.abs(weights).max(1) / np.float32(127)
        weight = {"name": name, "bits": 8, "scales": [float(scale) for scale in scales]}
        if variety:
            weight |= {"clampMin": -127, "clampMax": 127}
        entry = {
            "input": [activation(source, largest[source], variety, tensors.index(source))],
            "weight": [weight],
            "output": [activation(output, largest[output], variety, tensors.index(output))],
            "method": "QAT",
        }
        edit(entry)
        entries.append(entry)
    quantize = {"type": "QUANTIZE", "quantParams": {"roundMode": "ROUND_AWAY_FROM_ZERO", "layer": entries}}
    target.write_text(json.dumps({"version": "3.6.1", "algo": [quantize]}))
    return [layer[0] for layer in layers]


def int8_layers(net):
    """-> {layer: everything of it that makes it compute with int8}"""
    found = {}
    for op in net.ops:
        if op.scalar(5, "i") not in KINDS or op.scalar(1, "B") != CONVOLUTION_2D:
            continue
        quan, symmetric = op.table(2).table(3), op.table(2).table(4)
        if quan is None or symmetric is None:
            continue
        conv = net.decode(op)
        winograd = symmetric.vector(10, "i4")
        found[op.text(3)] = dict(
            kind=conv.kind,
            scale_in=quan.scalar(5, "f"),
            scale_out=quan.scalar(6, "f"),
            bits=quan.scalar(7, "i"),
            offset=quan.scalar(8, "i"),
            read_type=quan.scalar(9, "i"),
            codes=conv.codes.tobytes(),
            scales=conv.scales.tobytes(),
            bias=conv.bias,
            method=symmetric.scalar(4, "b"),
            activation_bits=symmetric.scalar(5, "i", 8),
            zero_in=symmetric.scalar(6, "b"),
            zero_out=symmetric.scalar(7, "b"),
            low=symmetric.scalar(8, "b", -128),
            high=symmetric.scalar(9, "b", 127),
            winograd=None if winograd is None else list(winograd),
        )
    return found


def descriptions(net):
    """-> {tensor: (scale, zero point, least and largest code, type)} of the main graph"""
    found = {}
    for describe in net.root.tables(1):
        info = describe.table(4)
        if info is not None:
            values = (info.scalar(0, "f"), info.scalar(1, "f"), info.scalar(2, "f", -128.0), info.scalar(3, "f", 127.0), info.scalar(4, "i"))
            assert found.setdefault(net.tensors[describe.scalar(1, "i")], values) is values, "a tensor is described twice"
    return found


def described_layers(net):
    """-> {layer: descriptions of its input and output}: tensors between them have other names in other converters"""
    known = descriptions(net)
    return {
        op.text(3): tuple(known.get(net.tensors[op.vector(slot, "i4")[0]]) for slot in (0, 4))
        for op in net.ops[: len(net.root.tables(3))]
        if op.scalar(5, "i") in KINDS
    }
