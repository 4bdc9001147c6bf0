#!/usr/bin/env python3
"""Writes docs/operators.md from the operator table of the program, or checks that it is up to date.

usage: operators_doc.py [--check]      the program: $QUANTPRESS_BINARY, or build/release/tools/quantpress
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operators.md"
KNOWN_GAPS = ROOT / "docs" / "operators-gaps.md"  # written by hand, included at the end


def versions(row):
    first, last = row["first_version"], row["last_version"]
    if last is None:
        return f"{first} –"
    return str(first) if first == last else f"{first} – {last}"


def render(rows):
    lines = ["# ONNX operators", "",
             "Generated from the operator table by `scripts/operators_doc.py`; do not edit. Operators without a remark map to one operator of",
             "the runtime, or to a short sequence that says the same. What cannot be done exactly is refused with a message.", ""]
    by_domain = {}
    for row in rows:
        by_domain.setdefault(row["domain"], []).append(row)
    for domain in sorted(by_domain):
        lines += [f"## {domain or 'ai.onnx'}", "", "| operator | opset | remark |", "|---|---|---|"]
        lines += [f"| {row['op']} | {versions(row)} | {row['note']} |"
                  for row in sorted(by_domain[domain], key=lambda r: (r["op"].lower(), r["first_version"]))]
        lines.append("")
    if KNOWN_GAPS.exists():
        lines.append(KNOWN_GAPS.read_text(encoding="utf-8").rstrip())
        lines.append("")
    return "\n".join(lines)


def main():
    binary = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build" / "release" / "tools" / "quantpress"))
    table = subprocess.run([binary, "ops", "--format", "onnx", "--json"], check=True, capture_output=True, text=True).stdout
    page = render(json.loads(table))
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            sys.exit("docs/operators.md does not show the operator table: run scripts/operators_doc.py")
        return
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
