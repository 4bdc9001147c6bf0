"""Starts run.py with the Python that QUANTPRESS_EXPORTERS names; status 77 (skipped) without it.

usage: start.py [options of run.py]
"""

import os
import pathlib
import sys

python = os.environ.get("QUANTPRESS_EXPORTERS")
if not python:
    print("skipped: QUANTPRESS_EXPORTERS does not name a Python with tests/exporters/requirements.txt; see scripts/test exporters")
    sys.exit(77)
os.execv(python, [python, str(pathlib.Path(__file__).with_name("run.py")), *sys.argv[1:]])
