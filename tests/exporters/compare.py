"""When is an answer right?"""

import numpy as np
from export import clients

UNMATCHED = 0.03  # of the detections: almost equal scores change places, and then other boxes are suppressed
UNEQUAL = 0.1  # of the numbers about a detection: random weights give heat maps with two almost equal peaks


def difference(values, expected, tolerance):
    """-> '' or how they differ"""
    for name, want in expected.items():
        if name not in values:
            return f"no output {name}"
        got = values[name]
        if got.shape != want.shape:
            return f"{name}: shape {list(got.shape)}, expected {list(want.shape)}"
        if want.size == 0:
            continue
        if want.dtype.kind != "f":
            different = int((got.astype(np.int64) != want.astype(np.int64)).sum())
            if different:
                return f"{name}: {different} of {want.size} integers differ"
        elif not np.isfinite(got).all():
            return f"{name}: not finite"
        elif (error := clients.relative_rms(got, want)) > tolerance:
            return f"{name}: relative error {error:.1e}"
    return ""


def detections(values, expected, tolerance):
    """The same for a detector: its rows are matched, for random weights give scores that are almost equal."""
    for name, want in expected.items():
        if name not in values:
            return f"no output {name}"
        got = values[name]
        if got.shape[1:] != want.shape[1:] or abs(len(got) - len(want)) > UNMATCHED * len(want):
            return f"{name}: shape {list(got.shape)}, expected {list(want.shape)}"
    count = len(expected["scores"])
    free = np.ones(len(values["scores"]), bool)
    missed = 0
    for i in range(count):
        far = np.abs(values["boxes"] - expected["boxes"][i]).max(-1, initial=0)
        far[~free | (values["labels"] != expected["labels"][i])] = np.inf
        j = int(far.argmin()) if len(far) else -1
        alike = j >= 0 and far[j] < 0.1 and abs(values["scores"][j] - expected["scores"][i]) < tolerance
        for name in set(expected) - {"boxes", "labels", "scores"} if alike else ():
            far_off = np.abs(values[name][j] - expected[name][i]) > 10 * tolerance * np.abs(expected[name]).max()
            alike &= far_off.mean() <= UNEQUAL
        missed += not alike
        if alike:
            free[j] = False
    return f"{missed} of {count} detections differ" if missed > UNMATCHED * count else ""
