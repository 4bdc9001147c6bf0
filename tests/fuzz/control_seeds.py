#!/usr/bin/env python3
"""Writes inputs for control_fuzz: every text of tests/data/malformed, with the byte in front that chooses its reader.

usage: control_seeds.py FOLDER
"""

import pathlib
import re
import sys

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/malformed"


def reader(kind, name):
    """The first byte of an input, as in control_fuzz.cc."""
    if kind == "recipes":
        return 0 if name.endswith(".json") else 1
    if kind == "manifests":
        return 4 if name.endswith(".csv") else 3
    return {"plans": 2, "rules": 5}[kind]


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "plan").write_bytes(bytes([2]) + (DATA / "base.json").read_bytes())
    for kind in ("recipes", "manifests", "plans", "rules"):
        cases = re.split(r"^--- (.*)$", (DATA / f"{kind}.txt").read_text("utf-8"), flags=re.MULTILINE)[1:]
        for number, (name, body) in enumerate(zip(cases[::2], cases[1::2])):
            text = body[1:].partition("\n===")[0]
            (folder / f"{kind}{number}").write_bytes(bytes([reader(kind, name)]) + text.encode())


if __name__ == "__main__":
    main()
