"""`quantpress batch` under kill -9, in two processes, and against the clock.

Uses the models of the folder QUANTPRESS_MODELS (or shared/models beside the repository) where it exists, else the bundled ones. Needs only
Python's standard library. Seeds are printed.
"""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build/release/tools/quantpress"))
MODELS = pathlib.Path(os.environ.get("QUANTPRESS_MODELS", ROOT.parent / "shared/models"))
SETTINGS = {
    "int8": {"weightQuantBits": 8},
    "hqq4": {"weightQuantBits": 4, "hqq": True, "weightQuantBlock": 32},
    "half": {"fp16": True},
}
KILLS = 20
# What the program, and the graphs of the models that run at a time, need besides buffers.
PROGRAM_MEGABYTES = 16 + 2 * len(os.sched_getaffinity(0))


def run(*words, expect=0, **more):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=900, check=False, **more)
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")
    return done


def peak_memory(process):
    """Peak of the anonymous memory of a process until it ends, in MB, looked at every millisecond."""
    peak = 0
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                peak = max(peak, int(line.split()[1]))
        time.sleep(0.001)
    return peak / 1024


def hashes(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.mnn*"))}


class Batch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        found = [p for p in sorted(MODELS.rglob("*")) if p.suffix in (".onnx", ".mnn")] if MODELS.exists() else []
        sources = found or sorted((ROOT / "tests/data").glob("*.onnx"))
        rows = [
            {"source": str(source), "output": f"{setting}/{source.parent.name}_{source.name}.mnn", "options": options}
            for source in sources
            for setting, options in SETTINGS.items()
        ]
        cls.rows = [row for row in rows if cls.converts(row)]
        cls.manifest = cls.folder / "list.json"
        cls.manifest.write_text(json.dumps(cls.rows))
        run("batch", cls.manifest, "--output", cls.folder / "reference", "--threads", 1)
        cls.reference = hashes(cls.folder / "reference")
        print(f"{len(cls.rows)} conversions of {len(sources)} models", flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def converts(cls, row):
        """Whether a single conversion works; a few models hold what is not supported yet."""
        words = [word for name, value in row["options"].items() for word in (f"--{name}={int(value)}",)]
        target = cls.folder / "single.mnn"
        return subprocess.run([BINARY, "convert", "--modelFile", row["source"], "--MNNModel", target, "--quiet", *words],
                              capture_output=True, check=False).returncode == 0

    def batch(self, name, *words, **more):
        return run("batch", self.manifest, "--output", self.folder / name, *words, **more)

    def test_bytes_are_those_of_single_conversions(self):
        self.assertEqual(len(self.reference), len(self.rows))
        for row in self.rows[:: max(1, len(self.rows) // 12)]:
            target = self.folder / "single.mnn"
            words = [f"--{name}={int(value)}" for name, value in row["options"].items()]
            run("convert", "--modelFile", row["source"], "--MNNModel", target, "--quiet", *words)
            self.assertEqual(hashlib.sha256(target.read_bytes()).hexdigest(), self.reference[row["output"]], row)

    def test_survives_kill(self):
        seed = random.SystemRandom().randrange(1 << 30)
        print(f"seed {seed}", flush=True)
        moments = random.Random(seed)
        start = time.monotonic()
        self.batch("timed")
        seconds = time.monotonic() - start
        killed = number = 0
        while killed < KILLS and number < 5 * KILLS:
            number += 1
            folder = self.folder / f"killed{number}"
            start = time.monotonic()
            process = subprocess.Popen([BINARY, "batch", self.manifest, "--output", folder, "--resume", "--quiet"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(moments.uniform(0, seconds))
                seconds = time.monotonic() - start  # it was faster than thought
                continue
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
            # What is at an output path is complete, whenever that was.
            for name, value in hashes(folder).items() if folder.exists() else ():
                if not pathlib.PurePath(name).name.startswith("."):
                    self.assertEqual(value, self.reference[name])
            done = json.loads(self.batch(f"killed{number}", "--resume", "--json").stdout)
            self.assertEqual((done["failed"], done["not_run"], done["converted"] + done["complete"]), (0, 0, len(self.rows)))
            self.assertEqual(hashes(folder), self.reference)  # and nothing is left behind
        self.assertEqual(killed, KILLS)

    def test_two_processes_cover_it_once(self):
        folder = self.folder / "shards"
        processes = [
            subprocess.Popen([BINARY, "batch", self.manifest, "--output", folder, "--shard", f"{part}/2", "--threads", "1", "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for part in (1, 2)
        ]
        outputs = []
        for process in processes:
            text = process.communicate(timeout=900)[0]
            self.assertEqual(process.returncode, 0)
            outputs += [row["output"] for row in json.loads(text)["models"]]
        self.assertEqual(len(outputs), len(set(outputs)))
        self.assertEqual(len(outputs), len(self.rows))
        self.assertEqual(hashes(folder), self.reference)
        done = json.loads(self.batch("shards", "--resume", "--json").stdout)
        self.assertEqual(done["complete"], len(self.rows))

    def test_cancelled_and_resumed(self):
        process = subprocess.Popen([BINARY, "batch", self.manifest, "--output", self.folder / "cancelled", "--threads", "1"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        process.stderr.readline()  # the first model is in place
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=900)[1]
        if process.returncode == 0:
            self.skipTest("done before the signal came")
        self.assertEqual(process.returncode, 130)
        self.assertIn("--resume goes on from here", text)
        done = json.loads(self.batch("cancelled", "--resume", "--json").stdout)
        self.assertGreater(done["complete"], 0)
        self.assertEqual(hashes(self.folder / "cancelled"), self.reference)

    def test_memory_stays_inside_the_budget(self):
        """Memory of the process's own, without mapped files, at any moment; one of the models is many times the budget."""
        megabytes = 64
        large = self.folder / "large.onnx"
        subprocess.run([sys.executable, HERE / "models.py", "large", large, str(6 * megabytes)], check=True)
        rows = [{"source": str(large), "output": f"large/{setting}.mnn", "options": options} for setting, options in SETTINGS.items()]
        manifest = self.folder / "memory.json"
        manifest.write_text(json.dumps(self.rows + rows))
        peaks = {}
        for budget in (megabytes // 2, megabytes):
            words = [BINARY, "batch", manifest, "--output", self.folder / "memory", "--memory", f"{budget}M", "--quiet"]
            process = subprocess.Popen(words)
            peaks[budget] = peak_memory(process)
            self.assertEqual(process.wait(), 0)
        print("peaks: " + ", ".join(f"{peak:.0f} MB of {budget} MB" for budget, peak in peaks.items()), flush=True)
        for budget, peak in peaks.items():
            self.assertLess(peak, budget + PROGRAM_MEGABYTES)

    def test_speed_up(self):
        """Two threads against one, measured with the clock of the fastest of three runs. QUANTPRESS_SPEEDUP_TEST=1: it must be 1.7."""
        cores = len(os.sched_getaffinity(0))
        if cores < 2:
            self.skipTest("one processor")
        best = {}
        for threads in (1, 2) * 3:
            start = time.monotonic()
            self.batch(f"speed{threads}", "--threads", threads, "--quiet")
            best[threads] = min(best.get(threads, 1e9), time.monotonic() - start)
        factor = best[1] / best[2]
        print(f"one thread {best[1]:.2f} s, two {best[2]:.2f} s: {factor:.2f} times", flush=True)
        if os.environ.get("QUANTPRESS_SPEEDUP_TEST") == "1":
            self.assertGreaterEqual(factor, 1.7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
