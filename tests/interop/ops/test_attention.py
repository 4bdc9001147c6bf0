"""onnxruntime's attention operators and rotary embedding, with caches, masks, and packed operands."""

import numpy as np
import onnx
import pytest


import clients
from single_op import check, model, run

MS = "com.microsoft"
rng = np.random.default_rng(11)
TOLERANCE = 2e-5


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def ints(values, dtype=np.int32):
    return np.array(values, dtype)


# ---- Attention: batch 2, 4 queries, hidden size 8, 2 heads

MASKS = {
    "none": None,
    "ends": ints([4, 2]),
    "ends_and_starts": ints([4, 3, 0, 1]),
    "rows": ints([[1, 1, 1, 0], [1, 0, 1, 1]]),
    "matrices": rng.integers(0, 2, (2, 4, 4)).astype(np.int32),
}


def attention_inputs(mask=None, past=None, added=None, hidden=8, value_hidden=8):
    return {
        "x": normal(2, 4, 6),
        "w": normal(6, 2 * hidden + value_hidden),
        "bias": normal(2 * hidden + value_hidden),
        "mask": mask,
        "past": past,
        "added": added,
    }


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("causal", [0, 1])
def test_attention_masks(tmp_path, mask, causal):
    inputs = attention_inputs(MASKS[mask])
    check(tmp_path, "Attention", inputs, ("w", "bias"), TOLERANCE, domain=MS, num_heads=2, unidirectional=causal)


def test_attention_of_wide_values_and_own_scale(tmp_path):
    inputs = attention_inputs(MASKS["rows"], added=normal(2, 2, 4, 4), value_hidden=12)
    check(
        tmp_path, "Attention", inputs, ("w",), TOLERANCE, domain=MS,
        num_heads=2, qkv_hidden_sizes=[8, 8, 12], scale=0.3, mask_filter_value=-20.0,
    )  # fmt: skip


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("kept", [0, 3])
def test_attention_with_past(tmp_path, causal, kept):
    inputs = attention_inputs(rng.integers(0, 2, (2, 4 + kept)).astype(np.int32), normal(2, 2, 2, kept, 4))
    details = dict(outputs=2, domain=MS, num_heads=2, unidirectional=causal)
    check(tmp_path, "Attention", inputs, ("w", "bias"), TOLERANCE, **details)


# ---- MultiHeadAttention: batch 2, 3 queries, 5 keys, 2 heads of 4


def multi_head(query, key=None, value=None, bias=None, mask=None, added=None, past_key=None, past_value=None):
    return {
        "q": query, "k": key, "v": value, "bias": bias, "mask": mask, "added": added, "pk": past_key, "pv": past_value,
    }  # fmt: skip


PROJECTIONS = {
    "apart": lambda: multi_head(normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8)),
    "wide_values": lambda: multi_head(normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 12)),
    "bias": lambda: multi_head(normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8), normal(24)),
    "heads_in_front": lambda: multi_head(normal(2, 3, 8), normal(2, 2, 5, 4), normal(2, 2, 5, 4)),
}


@pytest.mark.parametrize("form", PROJECTIONS)
def test_multi_head_forms(tmp_path, form):
    check(tmp_path, "MultiHeadAttention", PROJECTIONS[form](), (), TOLERANCE, domain=MS, num_heads=2)


def test_multi_head_packed(tmp_path):
    """onnxruntime's CPU code takes separate operands only: it is asked for the same product in that form."""
    whole = normal(2, 3, 2, 3, 4)
    q, k, v = (whole[..., i, :].reshape(2, 3, 8) for i in range(3))
    onnx.save(model("MultiHeadAttention", multi_head(q, k, v), domain=MS, num_heads=2), tmp_path / "apart.onnx")
    want = clients.run_onnx(tmp_path / "apart.onnx", {"q": q, "k": k, "v": v})["y0"]
    for name, inputs in {"packed": multi_head(whole), "packed_keys": multi_head(q, np.ascontiguousarray(whole[..., 1:, :]))}.items():
        source, target = tmp_path / f"{name}.onnx", tmp_path / f"{name}.mnn"
        onnx.save(model("MultiHeadAttention", inputs, domain=MS, num_heads=2), source)
        clients.convert(source, target)
        got = clients.run_mnn(target, {key: array for key, array in inputs.items() if array is not None})["y0"]
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("mask", [ints([5, 2]), ints([[1, 1, 0, 1, 1], [1, 1, 1, 0, 0]])], ids=["ends", "rows"])
def test_multi_head_masks(tmp_path, mask):
    inputs = multi_head(normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8), mask=mask, added=normal(2, 2, 3, 5))
    check(tmp_path, "MultiHeadAttention", inputs, (), TOLERANCE, domain=MS, num_heads=2, scale=0.7)


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("kept", [0, 4])
def test_multi_head_with_past(tmp_path, causal, kept):
    past = normal(2, 2, kept, 4), normal(2, 2, kept, 4)
    inputs = multi_head(normal(2, 3, 8), normal(2, 3, 8), normal(2, 3, 8), None, None, normal(1, 2, 3, 3 + kept), *past)
    check(tmp_path, "MultiHeadAttention", inputs, (), TOLERANCE, outputs=3, domain=MS, num_heads=2, unidirectional=causal)


# ---- GroupQueryAttention: 4 heads in 2 groups, size 16

SIZE = 16


def group_query(length, capacity, seqlens, total, packed=False):
    """`capacity`: places of the cache; None: there is no cache. `seqlens`: index of the last key of each sequence"""
    batch = len(seqlens)
    past = None if capacity is None else normal(batch, 2, capacity, SIZE)
    return {
        "q": normal(batch, length, (8 if packed else 4) * SIZE),
        "k": None if packed else normal(batch, length, 2 * SIZE),
        "v": None if packed else normal(batch, length, 2 * SIZE),
        "pk": past,
        "pv": None if past is None else normal(*past.shape),
        "seqlens": ints(seqlens),
        "total": np.array(total, np.int32),
        "cos": None,
        "sin": None,
        "positions": None,
        "added": None,
        "sink": None,
    }


CACHES = {
    "prompt": (5, None, [4, 4], 5),
    "padded_prompt": (5, None, [4, 2], 5),
    "empty_cache": (5, 0, [4, 4], 5),
    "prompt_in_buffer": (5, 9, [4, 3], 5),
    "one_more": (1, 6, [6, 6], 7),
    "one_more_in_buffer": (1, 12, [6, 6], 7),
    "ragged_in_buffer": (1, 12, [6, 3], 7),
    "several_more": (3, 4, [6], 7),
    "several_more_in_buffer": (3, 10, [6], 7),
}


def check_group_query(folder, form, inputs, constants=(), **details):
    """What onnxruntime gives for padding behind a sequence of a prompt means nothing, in no output."""
    proto = model("GroupQueryAttention", inputs, constants, 3, MS, num_heads=4, kv_num_heads=2, **details)
    values, reference = run(folder, proto, inputs)
    length, _, seqlens, total = CACHES[form]
    for name, want in reference.items():
        got = values[name]
        assert got.shape == want.shape, f"{name}: shape {got.shape}, expected {want.shape}"
        for i, last in enumerate(seqlens):
            places = slice(0, last + 1)  # keys that count; queries: in a prompt the same, else all
            part = (i, places if length == total else slice(None)) if name == "y0" else (i, slice(None), places)
            np.testing.assert_allclose(got[part], want[part], rtol=0, atol=TOLERANCE, err_msg=f"{name} of sequence {i}")


@pytest.mark.parametrize("packed", [False, True], ids=["apart", "packed"])
@pytest.mark.parametrize("form", CACHES)
def test_group_query_caches(tmp_path, form, packed):
    check_group_query(tmp_path, form, group_query(*CACHES[form], packed))


def angles(positions, count):
    turned = rng.uniform(0, 6, (positions, count))
    return {"cos": np.cos(turned).astype(np.float32), "sin": np.sin(turned).astype(np.float32)}


@pytest.mark.parametrize("form", CACHES)
@pytest.mark.parametrize("interleaved", [0, 1])
def test_group_query_rotary(tmp_path, form, interleaved):
    inputs = group_query(*CACHES[form], packed=True) | angles(16, SIZE // 2)
    check_group_query(tmp_path, form, inputs, ("cos", "sin"), do_rotary=1, rotary_interleaved=interleaved)


@pytest.mark.parametrize("form", ["prompt", "one_more", "several_more", "ragged_in_buffer"])
@pytest.mark.parametrize("window", [1, 2, 3, 6])
def test_group_query_window(tmp_path, form, window):
    check_group_query(tmp_path, form, group_query(*CACHES[form]), local_window_size=window)


SCORES = [dict(softcap=1.5), dict(scale=0.2), dict(smooth_softmax=1), dict(softcap=2.0, smooth_softmax=1)]


@pytest.mark.parametrize("details", SCORES, ids=str)
@pytest.mark.parametrize("form", ["prompt", "one_more_in_buffer"])
def test_group_query_scores(tmp_path, form, details):
    check_group_query(tmp_path, form, group_query(*CACHES[form]), **details)


@pytest.mark.parametrize("form", ["prompt", "one_more", "several_more_in_buffer"])
def test_group_query_sink_and_bias(tmp_path, form):
    length, _, _, total = CACHES[form]
    check_group_query(tmp_path, form, group_query(*CACHES[form]) | {"sink": normal(4)})
    check_group_query(tmp_path, form, group_query(*CACHES[form]) | {"added": normal(1, 4, length, total)})


# ---- RotaryEmbedding

POSITIONS = [ints([3], np.int64), ints([[0, 1, 2], [4, 5, 6]], np.int64)]


@pytest.mark.parametrize("positions", POSITIONS, ids=["first", "all"])
@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("shape", [(2, 3, 16), (2, 2, 3, 8)], ids=str)
def test_rotary_embedding(tmp_path, shape, interleaved, positions):
    inputs = {"x": normal(*shape), "p": positions} | angles(9, 4)
    check(tmp_path, "RotaryEmbedding", inputs, ("cos", "sin"), 1e-6, domain=MS, interleaved=interleaved)


def test_rotary_embedding_of_a_part(tmp_path):
    inputs = {"x": normal(2, 3, 16), "p": POSITIONS[1]} | angles(9, 2)
    check(tmp_path, "RotaryEmbedding", inputs, ("cos", "sin"), 1e-6, domain=MS, num_heads=2, rotary_embedding_dim=4)
