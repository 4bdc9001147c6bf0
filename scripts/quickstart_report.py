"""Quantizes the bundled digit model in several ways and prints a table: size, and accuracy on the stock MNN runtime.

usage: quickstart_report.py QUANTPRESS [OUTPUT_FOLDER]
"""

import os
import pathlib
import sys

import numpy as np

import digits

ROOT = pathlib.Path(__file__).resolve().parents[1]
WAYS = [
    ("float", []),
    ("fp16", ["--fp16"]),
    ("8 bit", ["--weightQuantBits", "8"]),
    ("4 bit, block 32", ["--weightQuantBits", "4", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "32"]),
    (
        "4 bit, block 32, HQQ",
        ["--weightQuantBits", "4", "--hqq", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "32"],
    ),
    (
        "3 bit, block 32, HQQ",
        ["--weightQuantBits", "3", "--hqq", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "32"],
    ),
    (
        "2 bit, block 32, HQQ",
        ["--weightQuantBits", "2", "--hqq", "--weightQuantAsymmetric", "1", "--weightQuantBlock", "32"],
    ),
]


def main():
    os.environ["QUANTPRESS_BINARY"] = str(pathlib.Path(sys.argv[1]).resolve())
    sys.path.insert(0, str(ROOT / "tests/interop"))
    import clients

    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "build/quickstart")
    folder.mkdir(parents=True, exist_ok=True)
    source = clients.DIGITS
    _, _, pictures, labels = digits.load()

    def right(scores):
        return f"{np.mean(scores.argmax(1) == labels):.2%}"

    before = source.stat().st_size
    print(
        f"{len(labels)} test digits; sizes in bytes; accuracy on the stock MNN runtime,\n"
        "with weights widened at load (normal) and kept as integers (low memory)\n"
    )
    print(f"{'model':28}{'bytes':>10}{'of source':>11}{'normal':>10}{'low memory':>12}")
    scores = clients.run_onnx(source, {"picture": pictures})["scores"]
    print(f"{'ONNX source (onnxruntime)':28}{before:>10}{'100.0%':>11}{right(scores):>10}")
    for name, options in WAYS:
        target = folder / ("digits_" + name.replace(", ", "_").replace(" ", "") + ".mnn")
        clients.convert(source, target, *options)
        size = target.stat().st_size
        accuracy = [
            right(clients.run_mnn(target, {"picture": pictures}, memory)["scores"]) for memory in ("normal", "low")
        ]
        print(f"{name:28}{size:>10}{size / before:>11.1%}{accuracy[0]:>10}{accuracy[1]:>12}")
    shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    print(
        f"\nThe files are in {shown}. Yours: build/release/tools/quantpress convert "
        "--modelFile model.onnx --MNNModel model.mnn --weightQuantBits 4 --hqq"
    )


if __name__ == "__main__":
    main()
