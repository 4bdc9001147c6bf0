"""The same conversion by command line, by saved plan, by recipe and by batch gives the same bytes.

Uses the models of the folder QUANTPRESS_MODELS (or shared/models beside the repository) where it exists, else the bundled ones. Needs only
Python's standard library.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build/release/tools/quantpress"))
MODELS = pathlib.Path(os.environ.get("QUANTPRESS_MODELS", ROOT.parent / "shared/models"))
NOT_CONVERTED = "cannot be converted"  # a model that holds what is not supported yet

# Options, and those of them that a recipe does not hold.
SETTINGS = {
    "float": ([], []),
    "symmetric 8": (["--weightQuantBits=8"], []),
    "asymmetric 3, block": (["--weightQuantBits=3", "--weightQuantAsymmetric=1", "--weightQuantBlock=32"], []),
    "hqq, half scales": (["--weightQuantBits=4", "--hqq", "--weightQuantBlock=64", "--weightQuantScaleBit=16"], ["--hqq", "--weightQuantScaleBit=16"]),
    "rules": (["--weightQuantBits=4", "--rule=.*[02468].*=bits:8,block:16", "--rule=op:ConvolutionDepthwise=skip"], []),
    "external, half": (["--fp16", "--saveExternalData"], ["--fp16", "--saveExternalData"]),
}


def run(*words):
    return subprocess.run([BINARY, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)


def must(*words):
    done = run(*words)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")


def files_of(path):
    """Hashes of a model and of its external weights."""
    side = pathlib.Path(f"{path}.weight")
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in (pathlib.Path(path), side) if p.exists()]


class SameBytes(unittest.TestCase):
    def check(self, source, folder, options, beside_recipe):
        """-> whether the model can be converted"""
        recipe, plan = folder / "recipe.json", folder / "plan.json"
        line = ["--modelFile", source, "--MNNModel", folder / "line.mnn", "--quiet", *options]
        done = run("convert", *line)
        if done.returncode and NOT_CONVERTED in done.stderr:
            return False
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = files_of(folder / "line.mnn")

        must("plan", source, *options, "-o", plan, "--quiet")
        must("convert", "--plan", plan, "--MNNModel", folder / "plan.mnn", "--quiet")
        must("convert", "--modelFile", source, "--MNNModel", folder / "made.mnn", "--compressionParamsFile", recipe, "--quiet", *options)
        must("convert", "--modelFile", source, "--MNNModel", folder / "recipe.mnn", "--compressionParamsFile", recipe, "--quiet", *beside_recipe)
        rows = [
            {"source": str(source), "output": "batch.mnn", "options": options},
            {"source": str(source), "output": "batch plan.mnn", "options": ["--plan", str(plan)]},
            {"source": str(source), "output": "batch recipe.mnn", "options": [f"--compressionParamsFile={recipe}", *beside_recipe]},
        ]
        (folder / "list.json").write_text(json.dumps(rows))
        must("batch", folder / "list.json", "--quiet")
        for way in ("plan", "made", "recipe", "batch", "batch plan", "batch recipe"):
            with self.subTest(source=source.name, options=options, way=way):
                self.assertEqual(files_of(folder / f"{way}.mnn"), expected)
        return True

    def test_every_way(self):
        sources = [p for p in sorted(MODELS.rglob("*")) if p.suffix in (".onnx", ".mnn")] if MODELS.exists() else []
        sources = sources or sorted((ROOT / "tests/data").glob("*.onnx"))
        count = 0
        for source in sources:
            for options, beside_recipe in SETTINGS.values():
                with tempfile.TemporaryDirectory() as name:
                    count += self.check(source, pathlib.Path(name), options, beside_recipe)
        print(f"{count} conversions of {len(sources)} models, each in seven ways", flush=True)
        self.assertGreater(count, len(SETTINGS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
