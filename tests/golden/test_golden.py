"""The same bytes for every instruction set, number of threads, compiler and machine: hashes of converted models.

usage: test_golden.py [--update]          the program is $QUANTPRESS_BINARY

Each conversion of our own models is run with every instruction set that this machine has and with 1, 2 and 7 threads, and
must give the hash in hashes.json. Every build runs this test, also the one for another architecture in an emulator, so a
hash that holds everywhere is one file everywhere. Needs only Python's standard library.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build/release/tools/quantpress"))
HASHES = HERE / "hashes.json"
MODELS = ["digits", "shapes"]
THREADS = [1, 2, 7]
ASYMMETRIC = "--weightQuantAsymmetric=1"
VARIANTS = {
    "float": [],
    "external": ["--saveExternalData"],
    "fp16": ["--fp16"],
    "symmetric4 half scales": ["--weightQuantBits=4", "--weightQuantScaleBit=16"],
    "asymmetric4 block32 half scales": [
        "--weightQuantBits=4",
        ASYMMETRIC,
        "--weightQuantBlock=32",
        "--weightQuantScaleBit=16",
    ],
    "hqq4 block64 adjusted": ["--weightQuantBits=4", "--hqq", "--weightQuantBlock=64", "--blockPolicy=adjust"],
    "hqq8 external": ["--weightQuantBits=8", "--hqq", "--saveExternalData"],
}
for bits in range(2, 9):
    VARIANTS[f"symmetric{bits}"] = [f"--weightQuantBits={bits}"]
    VARIANTS[f"asymmetric{bits}"] = [f"--weightQuantBits={bits}", ASYMMETRIC]
    VARIANTS[f"asymmetric{bits} block16"] = [f"--weightQuantBits={bits}", ASYMMETRIC, "--weightQuantBlock=16"]
    VARIANTS[f"hqq{bits}"] = [f"--weightQuantBits={bits}", "--hqq"]
    VARIANTS[f"hqq{bits} block32"] = [f"--weightQuantBits={bits}", "--hqq", "--weightQuantBlock=32"]


def call(*command):
    done = subprocess.run(
        [BINARY, *map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def instruction_sets():
    """What this machine can run, by the names that --isa takes."""
    return json.loads(call("cpu", "--json"))["available"]


def digest(model, options, isa, threads, folder):
    target = pathlib.Path(folder) / "out.mnn"
    outside = pathlib.Path(f"{target}.weight")
    call(
        "convert",
        "--modelFile",
        ROOT / f"tests/data/{model}.onnx",
        "--MNNModel",
        target,
        "--isa",
        isa,
        "--threads",
        threads,
        *options,
    )
    result = hashlib.sha256(target.read_bytes())
    if outside.exists():
        result.update(outside.read_bytes())
        outside.unlink()
    return result.hexdigest()


class Golden(unittest.TestCase):
    def test_hashes(self):
        known = json.loads(HASHES.read_text(encoding="utf-8"))
        self.assertEqual(set(known), {f"{model} {variant}" for model in MODELS for variant in VARIANTS})
        sets = instruction_sets()
        self.assertGreater(len(sets), 0)
        print("instruction sets:", ", ".join(sets))
        with tempfile.TemporaryDirectory() as folder:
            for model in MODELS:
                for variant, options in VARIANTS.items():
                    for isa in sets:
                        for threads in THREADS:
                            with self.subTest(model=model, variant=variant, isa=isa, threads=threads):
                                self.assertEqual(
                                    digest(model, options, isa, threads, folder), known[f"{model} {variant}"]
                                )


def update():
    with tempfile.TemporaryDirectory() as folder:
        hashes = {f"{m} {v}": digest(m, options, "auto", 1, folder) for m in MODELS for v, options in VARIANTS.items()}
    HASHES.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        unittest.main()
