"""Rules of the tree: who may include whom, what lies at the top, how long a file may be, what it must not say.

Needs only Python's standard library and git.
"""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = """CMakeLists.txt kernels dispatch graph tools bench tests toolchains docs scripts
         README.md CHANGELOG.md CONTRIBUTING.md LICENSE CMakePresets.json""".split()
ORDER = ["kernels", "dispatch", "graph", "tools"]  # an include may only point left
FREE = ["bench", "tests"]  # these may include anything, and nothing of ORDER may include them
CODE = {".cc", ".h", ".hpp", ".cpp", ".py"}
LONGEST = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|farm|home)/")
REGISTRY = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|(?:deb|security)\.debian\.org)")
LEFT_OPEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|HA" r"CK)\b")


def tracked():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [pathlib.PurePosixPath(name) for name in names.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked() if (ROOT / ".git").exists() else []


def text_of(name):
    data = (ROOT / name).read_bytes()
    return None if b"\0" in data else data.decode("utf-8", "replace")


def lines_with(pattern, names):
    found = []
    for name in names:
        for number, line in enumerate((text_of(name) or "").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


class Tree(unittest.TestCase):
    def test_includes_point_left(self):
        wrong = []
        for name in FILES:
            if name.suffix not in CODE or name.parts[0] not in ORDER:
                continue
            allowed = ORDER[: ORDER.index(name.parts[0]) + 1]
            for target in INCLUDE.findall(text_of(name)):
                folder = target.split("/")[0]
                if folder in ORDER + FREE and folder not in allowed:
                    wrong.append(f"{name} includes {target}; {name.parts[0]} may include only {', '.join(allowed)}")
        self.assertEqual(wrong, [])

    def test_includes_start_at_the_root(self):
        wrong = []
        for name in FILES:
            if name.suffix in CODE - {".py"}:
                quoted = re.findall(r'^\s*#\s*include\s*"([^"]+)"', text_of(name), re.M)
                wrong += [f"{name} includes {t}" for t in quoted if "/" not in t or t.startswith(".")]
        self.assertEqual(wrong, [])

    def test_top_level(self):
        top = {name.parts[0] for name in FILES}
        self.assertEqual({name for name in top if not name.startswith(".")}, set(TOP))

    def test_files_stay_small(self):
        sizes = {str(name): len(text_of(name).splitlines()) for name in FILES if name.suffix in CODE}
        self.assertEqual({name: size for name, size in sizes.items() if size > LONGEST}, {})

    def test_no_machine_paths_or_registry_hosts(self):
        self.assertEqual(lines_with(MACHINE_PATH, FILES), [])
        self.assertEqual(lines_with(REGISTRY, FILES), [])

    def test_nothing_is_left_open(self):
        self.assertEqual(lines_with(LEFT_OPEN, [name for name in FILES if name.suffix != ".md"]), [])

    def test_scripts_can_be_run(self):
        scripts = [name for name in FILES if name.parts[0] == "scripts" and not name.suffix] + [
            pathlib.PurePosixPath(".ci/run")
        ]
        self.assertEqual([str(s) for s in scripts if not (ROOT / s).stat().st_mode & 0o100], [])
        self.assertIn("scripts/test", text_of(".ci/run"))


if __name__ == "__main__":
    if not FILES:
        print("skipped: not a git checkout")
        sys.exit(77)
    unittest.main()
