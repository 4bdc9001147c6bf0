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


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max"])
@pytest.mark.parametrize("tuples", [(), (3,), (2, 2)])
@pytest.mark.parametrize("rank, columns", [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3), (5, 3), (5, 4)])
def test_scatter_nd(tmp_path, rank, columns, tuples, reduction):
    rng = np.random.default_rng(rank * 10 + columns)
    shape = (3, 4, 5, 2, 6)[:rank]
    places = np.stack([rng.integers(0, size, tuples) for size in shape[:columns]], -1)
    if reduction == "none" and places.size > columns:  # the order of writes to one place is not defined
        flat = rng.permutation(int(np.prod(shape[:columns])))[: int(np.prod(tuples))]
        if flat.size < int(np.prod(tuples)):
            pytest.skip("fewer places than tuples")
        places = np.stack(np.unravel_index(flat, shape[:columns]), -1).reshape(*tuples, columns)
    feeds = {"x": rng.normal(size=shape), "i": places.astype(np.int64), "u": rng.normal(size=tuples + shape[columns:])}
    feeds = {name: value.astype(np.float32) if value.dtype == np.float64 else value for name, value in feeds.items()}
    check(tmp_path, "ScatterND", feeds, **({} if reduction == "none" else {"reduction": reduction}))


@pytest.mark.parametrize("rank, columns", [(2, 1), (3, 2), (4, 2)])
def test_scatter_nd_of_free_sizes(tmp_path, rank, columns):
    rng = np.random.default_rng(rank)
    shape = (3, 4, 5, 2)[:rank]
    places = np.stack([rng.permutation(3)[:2] for _ in range(columns)], -1).reshape(1, 2, columns)
    feeds = {"x": rng.normal(size=shape).astype(np.float32), "i": places, "u": rng.normal(size=(1, 2, *shape[columns:])).astype(np.float32)}
    check(tmp_path, "ScatterND", feeds, constants=("i",), free_dims=True)
