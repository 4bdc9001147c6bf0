"""Runs pytest for CTest: status 77 (skipped) where a module is missing or every test was skipped.

usage: run.py TEST_FILE [pytest options...]
"""

import importlib.util
import pathlib
import sys

NEEDED = ["numpy", "pytest", "MNN", "onnx", "onnxruntime"]


class Counter:
    """Counts outcomes: pytest's own status does not tell 'all skipped' from 'all passed'."""

    def __init__(self):
        self.passed = self.skipped = 0

    def pytest_runtest_logreport(self, report):
        self.skipped += report.skipped
        self.passed += report.passed and report.when == "call"


def main():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: Python modules {', '.join(missing)} are missing; scripts/setup installs them")
        return 77
    import pytest

    counter = Counter()
    test = pathlib.Path(__file__).resolve().parent / sys.argv[1]
    status = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", str(test), *sys.argv[2:]], plugins=[counter])
    return 77 if status == 0 and not counter.passed and counter.skipped else int(status)


if __name__ == "__main__":
    sys.exit(main())
