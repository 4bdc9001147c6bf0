"""Output errors of quantized ONNX models on the stock runtime, ours beside the stock converter's (docs/accuracy.md).

    python scripts/accuracy.py [--only PATTERN] [--settings NAMES] [--json FILE] [--keep FOLDER]

The reference is onnxruntime, the graph as it is written. A figure is the relative RMS error of the worst output, pooled over
--runs random inputs (tests/interop/zoo_inputs.py); a model runs with one thread, in high precision, in normal and in low-memory
mode. Behind the ratio of the two stands where 95 % of the ratios lie when the inputs are drawn again from these.
"""

import argparse
import fnmatch
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/interop"))
import clients  # noqa: E402  (the path above is for it)
import zoo_inputs  # noqa: E402

SETTINGS = {
    "float": [],
    "symmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=0"],
    "asymmetric8": ["--weightQuantBits", "8", "--weightQuantAsymmetric=1"],
    "hqq4": ["--weightQuantBits", "4", "--hqq", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32"],
}
MODES = ["normal", "low"]
CONVERTERS = {"ours": clients.convert, "stock": clients.stock_convert}


def errors(path, feeds, expected, memory):
    """-> {output: squares of error and of reference, one row for each run}, or a text that says why there is none"""
    try:
        found = clients.run_mnn_many(path, feeds, memory)
    except (clients.ClientError, subprocess.TimeoutExpired) as error:
        return f"does not run: {str(error).strip().splitlines()[-1][:100]}"
    squares = {}
    for name, reference in expected[0].items():
        if name not in found[0] or found[0][name].size != reference.size:
            return f"output {name} is missing or has another size"
        pairs = [(a[name].ravel().astype(np.float64), b[name].ravel().astype(np.float64)) for a, b in zip(found, expected)]
        squares[name] = np.array([(np.sum((a - b) ** 2), np.sum(b**2)) for a, b in pairs])
    return squares


def relative(squares):
    """Relative RMS error over all runs."""
    wrong, total = np.sum(squares, 0)
    return float(np.sqrt(wrong / (total or 1.0)))


def interval(ours, stock, samples=400):
    """95 % of the ratios of errors over runs drawn again with replacement: how much of a ratio is chance."""
    rng = np.random.default_rng(1)
    draws = rng.integers(0, len(ours), (samples, len(ours)))
    ratios = [np.sqrt(ours[d, 0].sum() / stock[d, 0].sum()) for d in draws if stock[d, 0].sum() > 0]
    return np.percentile(ratios, [2.5, 97.5]) if ratios else (np.nan, np.nan)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, default=clients.MODELS / "onnx")
    parser.add_argument("--only", default="*")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--options", default="", help="more options for both converters")
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--limit", type=float, default=1200, help="seconds for each conversion")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="keeps the converted models here; the stock converter's are used again")
    arguments = parser.parse_args()
    clients.TIME_LIMIT = arguments.limit
    rows = []
    print(f"{'model':28} {'setting':12} {'mode':6} {'ours':>10} {'stock':>10} {'ratio':>6}  95 %")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted(arguments.models.glob("*.onnx")):
            if not fnmatch.fnmatch(source.stem, arguments.only):
                continue
            feeds, expected = zoo_inputs.references(source, arguments.runs)
            for setting in arguments.settings.split(","):
                paths = {who: convert(who, source, folder, setting, arguments) for who in CONVERTERS}
                for mode in MODES:
                    row = {"model": source.stem, "setting": setting, "mode": mode}
                    row |= {who: path if isinstance(path, str) else errors(path, feeds, expected, mode) for who, path in paths.items()}
                    rows.append(summary(row))
                    show(rows[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def convert(who, source, folder, setting, arguments):
    """-> path of the file, or a text that says why there is none"""
    path = folder / f"{source.stem}.{setting}.{who}.mnn"
    if who == "stock" and path.exists():
        return path
    try:
        CONVERTERS[who](source, path, *SETTINGS[setting], *arguments.options.split())
    except (clients.ClientError, subprocess.TimeoutExpired) as error:
        return f"not converted: {str(error).strip().splitlines()[-1][:100]}"
    return path


def summary(row):
    """The numbers of a row: the worst output of each side, and the ratio of the two with what chance makes of it."""
    result = {key: row[key] for key in ("model", "setting", "mode")} | {"outputs": {}}
    known = {who: row[who] for who in CONVERTERS if isinstance(row[who], dict)}
    result |= {who: row[who] for who in CONVERTERS if who not in known}
    for who, squares in known.items():
        worst = max(squares, key=lambda name: relative(squares[name]))
        result |= {who: relative(squares[worst]), f"worst_{who}": worst}
    if len(known) == 2:
        for name in row["ours"]:
            sides = [row[who][name] for who in CONVERTERS]
            low, high = interval(*sides)
            result["outputs"][name] = [*map(relative, sides), float(low), float(high)]
    return result


def show(result):
    cells = [f"{result[who]:10.3e}" if isinstance(result[who], float) else f"{'-':>10}" for who in CONVERTERS]
    print(f"{result['model']:28} {result['setting']:12} {result['mode']:6} {cells[0]} {cells[1]} ", end="")
    if result["outputs"] and result["stock"]:
        low, high = result["outputs"][result["worst_ours"]][2:]
        print(f"{result['ours'] / result['stock']:6.3f}  {low:.3f} to {high:.3f}", end="")
    print("".join(f"  {who}: {result[who]}" for who in CONVERTERS if isinstance(result[who], str)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
