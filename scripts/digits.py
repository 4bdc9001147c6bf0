"""The handwritten digits that scikit-learn ships: 1797 pictures of 8x8 pixels, split the same way every time."""

import numpy as np
from sklearn.datasets import load_digits


def load():
    """-> (train pictures, train labels, test pictures, test labels); pictures are [n, 1, 8, 8] float32 within 0..1."""
    data = load_digits()
    pictures = (data.images / 16.0).astype(np.float32)[:, None]
    test = np.arange(len(pictures)) % 4 == 3
    return pictures[~test], data.target[~test], pictures[test], data.target[test]
