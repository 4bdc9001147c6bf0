"""Einsum: every kind of letter against NumPy."""

import numpy as np
import pytest

from single_op import check

CASES = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bhid,bhjd->bhij": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "bij,bij->bij": [(2, 3, 4), (2, 3, 4)],
    "bij,bij->b": [(2, 3, 4), (2, 3, 4)],
    "i,j->ij": [(3,), (4,)],
    "i,i": [(3,), (3,)],
    "ii": [(4, 4)],
    "ii->i": [(4, 4)],
    "iji->j": [(3, 4, 3)],
    "iiji->ij": [(3, 3, 2, 3)],
    "ba": [(2, 3)],
    "abc->": [(2, 3, 4)],
    "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 6)],
    "...i,i...->...": [(2, 3), (3, 2)],
    "...ii->...i": [(2, 3, 3)],
    "ab,bc,cd->ad": [(2, 3), (3, 4), (4, 5)],
    "ab,ab,bc->ac": [(2, 3), (2, 3), (3, 4)],
    "abc,cde->abde": [(2, 3, 4), (4, 5, 2)],
    "abij,bcjk->acik": [(2, 3, 4, 5), (3, 2, 5, 6)],
    "ij,kj->": [(2, 3), (4, 3)],
    "ij,k->ik": [(2, 3), (4,)],
    "ij,jk->ki": [(1, 4), (4, 5)],
    "ab,b->a": [(2, 1), (3,)],
    "b n s , b n->b s": [(2, 3, 4), (2, 3)],
    "aB,Bc->ca": [(2, 3), (3, 4)],
}


def arrays(shapes):
    rng = np.random.default_rng(7)
    return {f"x{i}": rng.standard_normal(shape).astype(np.float32) for i, shape in enumerate(shapes)}


@pytest.mark.parametrize("form", ["computed", "free", "constant"])
@pytest.mark.parametrize("equation", CASES)
def test_einsum(tmp_path, equation, form):
    if form == "free" and equation == "ab,b->a":
        pytest.skip("a size of 1 that meets a larger one must be known at conversion time where the letter is summed")
    feeds = arrays(CASES[equation])
    expected = {"y0": np.einsum(equation.replace(" ", ""), *feeds.values())}
    constants = list(feeds)[-1:] if form == "constant" and len(feeds) > 1 else ()
    check(tmp_path, "Einsum", feeds, constants, 1e-4, expected, free_dims=form == "free", equation=equation)


def test_constant_first_operand_becomes_a_weight(tmp_path):
    check(tmp_path, "Einsum", arrays([(3, 4), (5, 4)]), ["x0"], 1e-4, equation="ij,kj->ki")
