"""Operators of no larger family, against the reference of the standard where onnxruntime has none."""

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from single_op import check, model

rng = np.random.default_rng(9)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6])
def test_determinant(tmp_path, rows):
    check(tmp_path, "Det", {"x": normal(2, 3, rows, rows)}, (), 1e-4)


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("constants", [(), ("shape",)], ids=["computed", "constant"])
@pytest.mark.parametrize("shape", [[4, 9, 3], [7, 2, 8], [5, 6, 7]], ids=str)
def test_center_crop_pad(tmp_path, shape, constants, free):
    inputs = {"x": normal(5, 6, 7), "shape": np.array(shape, np.int64)}
    expected = {"y0": ReferenceEvaluator(model("CenterCropPad", inputs)).run(None, inputs)[0]}
    check(tmp_path, "CenterCropPad", inputs, constants, 0.0, expected, free_dims=free)


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("shape", [(12,), (3, 12), (2, 2)], ids=str)
@pytest.mark.parametrize("skips", [0, 3])
@pytest.mark.parametrize("lengths", [(1, 1), (1, 3), (2, 2), (2, 3)], ids=str)
def test_counts_of_ngrams(tmp_path, lengths, skips, shape, mode):
    pool = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 5, 6, 7]  # 3 single tokens, 2 pairs, 2 triples
    details = {"min_gram_length": lengths[0], "max_gram_length": lengths[1], "max_skip_count": skips, "mode": mode}
    details |= {"ngram_counts": [0, 3, 7], "ngram_indexes": [1, 6, 0, 3, 2, 5, 4], "pool_int64s": pool}
    details["weights"] = [0.5, 1.5, 2.5, 3.0, 0.25, 1.0, 2.0]
    x = rng.integers(2, 9, shape).astype(np.int64)
    x.flat[:4] = [5, 6, 7, 8]
    check(tmp_path, "TfIdfVectorizer", {"x": x}, (), 1e-6, free_dims=skips == 3, **details)
