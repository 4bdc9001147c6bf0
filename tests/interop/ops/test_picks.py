"""Picking elements, also none of them."""

import numpy as np
import pytest

from single_op import check

X = np.arange(60, dtype=np.float32).reshape(5, 4, 3)


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("rank", [1, 3])
def test_gather_nd(tmp_path, rank, count, columns):
    if columns > rank:
        pytest.skip("more numbers than axes")
    check(tmp_path, "GatherND", {"x": X if rank == 3 else X.ravel(), "i": np.ones((count, columns), np.int64)})


def test_gather_nd_of_a_batch(tmp_path):
    for count in (0, 2):
        check(tmp_path, "GatherND", {"x": X[..., 0], "i": np.ones((5, count, 1), np.int64)}, batch_dims=1)
