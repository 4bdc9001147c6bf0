"""The terminal sessions that docs/terminal-session.md and README.md show are what the program prints.

usage: test_session.py [--accept]      --accept writes what it prints now into both

Times, rates, threads and the instruction set may differ, and which of several models ends first. The program is taken from
QUANTPRESS_BINARY. Needs only Python's standard library.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("QUANTPRESS_BINARY", ROOT / "build/release/tools/quantpress")).resolve()
DOCUMENTS = ["docs/terminal-session.md", "README.md"]
BLOCK = re.compile(r"```console\n(.*?)```", re.S)
VARIABLE = [
    (re.compile(r"^(  time ).*", re.M), r"\1"),
    (re.compile(r", [0-9.]+ s$", re.M), ""),
    (re.compile(r"\[\d+/(\d+)\]"), r"[/\1]"),
]


def comparable(text):
    for pattern, replacement in VARIABLE:
        text = pattern.sub(replacement, text)
    lines = text.splitlines()
    ended = sorted(line for line in lines if "[/" in line)  # in any order
    return [ended.pop(0) if "[/" in line else line for line in lines]


def printed(block, folder, env):
    """The block with what its commands print now."""
    if "models/broken.onnx" in block:
        (folder / "models/broken.onnx").write_text("no model")
    text = ""
    for command in [line[2:] for line in block.splitlines() if line.startswith("$ ")]:
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=120, check=False)
        text += f"$ {command}\n{done.stdout}"
    return text


def check(document, accept):
    """-> whether the document is right"""
    path, right = ROOT / document, True
    text = path.read_text()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for place in (folder, folder / "models"):
            place.mkdir(exist_ok=True)
            for model in ("digits.onnx", "shapes.onnx"):
                shutil.copy(ROOT / "tests/data" / model, place)
        (folder / "bin").mkdir()
        (folder / "bin/quantpress").symlink_to(BINARY)
        env = {key: value for key, value in os.environ.items() if key != "QUANTPRESS_ISA"}
        env.update(PATH=f"{folder / 'bin'}:{env.get('PATH', '/usr/bin:/bin')}", LC_ALL="C")
        for block in BLOCK.findall(text):
            now = printed(block, folder, env)
            if comparable(now) != comparable(block):
                right = False
                print(f"{document} shows another text than:\n{now}")
                text = text.replace(block, now)
    if accept and not right:
        path.write_text(text)
    return right


def main():
    right = [check(document, "--accept" in sys.argv[1:]) for document in DOCUMENTS]
    return 0 if all(right) or "--accept" in sys.argv[1:] else 1


if __name__ == "__main__":
    sys.exit(main())
