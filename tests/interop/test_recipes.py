"""The compression parameter file between the two converters: what one makes the other takes, with the same bits and blocks."""

import json
import re
import subprocess

import numpy as np
import pytest

import clients
from mnn_file import Net

MNN = ["face_blendshape_fp32", "face_landmarks_wquant8", "plate_cls_fp16", "rnnt_predictor_wquant8", "ultraface_rfb320", "ultraface_rfb320_int8_kl"]
ONNX = ["basic_pitch_nmp", "conv_qdq_external_ini", "dtln_1", "gpt2_past_decomposed", "gtcrn_stream", "magika_standard_v3_3", "mobilenet_v2_qdq_int8",
        "ppocr_en_rec_crnn", "silero_vad", "t5_encoder_random", "tiny_gpt2_past_fp32", "tiny_qwen35_decoder_fp16", "tinybert", "ultraface_rfb320",
        "yolox_nano"]
MODELS = [f"mnn/{name}.mnn" for name in MNN] + [f"onnx/{name}.onnx" for name in ONNX]


# Layers that have no counterpart there: recurrent operators become other graphs, with names that count everything before them.
RECURRENT = re.compile(r"/[WR](_reverse)?$")


def layers_of(path):
    """{(subgraph, layer): weight[0]} of a JSON recipe"""
    recipe = json.loads(path.read_text())
    entries = [entry for algo in recipe["algo"] for entry in algo["quantParams"].get("layer", [])]
    return {(entry.get("subgraphName", ""), entry["opName"]): entry["weight"][0] for entry in entries}


def mixed(path, target):
    """The same recipe with other settings for every layer, so that a layer that is overlooked shows."""
    recipe = json.loads(path.read_text())
    for i, entry in enumerate(recipe["algo"][0]["quantParams"].get("layer", [])):
        weight = entry["weight"][0]
        channels = entry["conv"]["inputChannel"]
        weight["bits"] = (8, 4, 0, 3)[i % 4]
        weight["asymmetric"] = i % 3 == 0
        weight["blockSize"] = 16 if i % 2 and channels % 16 == 0 else -1
    target.write_text(json.dumps(recipe))
    return target


def codings(path):
    """{layer: (bits, asymmetric, scales per output)} of all convolutions with weights of their own; float is 0 bits, half 16.

    Transposed convolutions have scales for equal slices instead, which the converters cut differently: 0.
    """
    return {
        name: (0 if conv.type == -1 else conv.bits, conv.asymmetric, 0 if "Deconvolution" in conv.kind else conv.blocks)
        for name, conv in Net(path).convolutions().items()
    }


def ours(source, target, *options):
    try:
        return clients.convert(source, target, *options)
    except clients.ClientError as error:
        if "cannot be converted" not in str(error):
            raise
        pytest.skip(f"we do not convert it: {error}")


def stock(source, target, *options):
    try:
        clients.stock_convert(source, target, *options)
    except (clients.ClientError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the stock converter does not convert it: {str(error).splitlines()[0]}")


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_ours_means_the_same_to_the_stock_converter(model, tmp_path, name):
    source = model(name)
    made = tmp_path / "made.json"
    ours(source, tmp_path / "first.mnn", "--weightQuantBits", "4", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "32",
         "--compressionParamsFile", made)
    ours(source, tmp_path / "again.mnn", "--compressionParamsFile", made)
    assert (tmp_path / "again.mnn").read_bytes() == (tmp_path / "first.mnn").read_bytes()
    for recipe in (made, mixed(made, tmp_path / "mixed.json")):
        before = recipe.read_bytes()
        ours(source, tmp_path / "ours.mnn", "--compressionParamsFile", recipe)
        stock(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
        assert recipe.read_bytes() == before
        here, there = codings(tmp_path / "ours.mnn"), codings(tmp_path / "stock.mnn")
        listed = [layer for _, layer in layers_of(recipe)]
        shared = [layer for layer in listed if not RECURRENT.search(layer)]
        assert [layer for layer in shared if layer not in Net(tmp_path / "stock.mnn").convolution_names()] == []
        # It leaves half weights of the source as they are.
        comparable = [layer for layer in shared if layer in there and there[layer][0] != 16]
        different = {layer: (here[layer], there[layer]) for layer in comparable if here[layer] != there[layer]}
        print(f"{name}: {len(listed)} layers, {len(comparable)} compared, {len(listed) - len(shared)} recurrent")
        assert different == {}


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_the_stock_converter_is_taken(model, tmp_path, name):
    source = model(name)
    recipe = tmp_path / "stock.json"
    stock(source, tmp_path / "stock.mnn", "--weightQuantBits", "8", "--weightQuantAsymmetric=0", "--compressionParamsFile", recipe)
    notes = ours(source, tmp_path / "ours.mnn", "--hqq", "--verbose", "--compressionParamsFile", recipe)
    here = codings(tmp_path / "ours.mnn")
    listed = [layer for _, layer in layers_of(recipe)]
    known = [layer for layer in listed if layer in here]
    print(f"{name}: {len(listed)} layers, {len(known)} have that name here")
    assert notes.count("no layer is called") == len([layer for layer in listed if layer not in Net(tmp_path / "ours.mnn").op_names()])
    assert {here[layer][0] for layer in known} <= {8, 16}
    if name.startswith("onnx/"):
        # Where a layer of that name has no weights of its own, it has none there either, whatever the entry says.
        unweighted = [layer for layer in listed if layer in Net(tmp_path / "ours.mnn").op_names() and layer not in here]
        assert set(unweighted) & set(codings(tmp_path / "stock.mnn")) == set()
        assert notes.count("has no weights of its own") == len(unweighted)


def save_convolution(path, op, shape, weight, nodes=(), constants=()):
    """One (transposed) convolution named conv, whose weights are `weight`, or come from `nodes`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = [*constants, numpy_helper.from_array(weight, "w" if not nodes else "stored")]
    nodes = [*nodes, helper.make_node(op, ["x", "w"], ["y"], name="conv")]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), ("y", None))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def loop(tmp_path):
    """-> {layer: (bits, asymmetric, scales)} of convolution.onnx here and there, from a recipe that was made here"""
    source, made = tmp_path / "convolution.onnx", tmp_path / "made.json"
    ours(source, tmp_path / "ours.mnn", "--weightQuantBits", "4", "--compressionParamsFile", made)
    stock(source, tmp_path / "stock.mnn", "--compressionParamsFile", made)
    assert len(layers_of(made)) == 1
    return [{name: (conv.bits, conv.asymmetric, conv.blocks) for name, conv in Net(tmp_path / f"{side}.mnn").convolutions().items()}
            for side in ("ours", "stock")]


def test_weights_that_are_computed_from_constants(tmp_path):
    from onnx import helper, numpy_helper

    weight = np.random.default_rng(1).normal(0, 0.3, (16, 32, 3, 3)).astype(np.float32)
    forms = [
        (weight.transpose(2, 3, 1, 0).copy(), helper.make_node("Transpose", ["stored"], ["w"], perm=[3, 2, 0, 1]), None),
        (weight.reshape(16, -1), helper.make_node("Reshape", ["stored", "other"], ["w"]), np.array(weight.shape)),
        (weight, helper.make_node("Mul", ["stored", "other"], ["w"]), np.full((16, 1, 1, 1), 2, np.float32)),
    ]
    for stored, node, other in forms:
        constants = [] if other is None else [numpy_helper.from_array(other, "other")]
        save_convolution(tmp_path / "convolution.onnx", "Conv", [1, 32, 8, 8], stored, [node], constants)
        here, there = loop(tmp_path)
        assert here == there == {"y": (4, False, 1)}


@pytest.mark.parametrize("inputs,outputs,kernel", [(32, 16, 2), (16, 64, 3), (8, 4, 1), (24, 6, 5), (4, 40, 1)])
def test_transposed_convolutions_differ_in_scales_only(tmp_path, inputs, outputs, kernel):
    weight = np.random.default_rng(2).normal(0, 0.3, (inputs, outputs, kernel, kernel)).astype(np.float32)
    save_convolution(tmp_path / "convolution.onnx", "ConvTranspose", [1, inputs, 8, 8], weight)
    (here,), (there,) = (side.values() for side in loop(tmp_path))
    assert here[:2] == there[:2] == (4, False)
    assert there[2] == 1 <= here[2]  # in scales per output channel: one there, no fewer here


@pytest.mark.parametrize("name", ["mnn/ultraface_rfb320.mnn", "onnx/tinybert.onnx"])
def test_the_stock_converter_reads_our_binary_form(model, tmp_path, name):
    source = model(name)
    recipe = tmp_path / "made.bin"
    ours(source, tmp_path / "ours.mnn", "--weightQuantBits", "4", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "16",
         "--compressionParamsFile", recipe)
    before = recipe.read_bytes()
    stock(source, tmp_path / "stock.mnn", "--compressionParamsFile", recipe)
    assert recipe.read_bytes() == before
    here, there = codings(tmp_path / "ours.mnn"), codings(tmp_path / "stock.mnn")
    assert there == {layer: coding for layer, coding in here.items() if layer in there}
    assert any(coding[0] == 4 for coding in there.values())
