"""Runs one command and measures wall and CPU time, peak resident memory and peak anonymous memory."""

import dataclasses
import os
import subprocess
import threading
import time

SAMPLE_SECONDS = 0.002


@dataclasses.dataclass
class Measured:
    seconds: float
    resident_mb: float  # peak, mapped file pages included
    anonymous_mb: float  # peak of what was sampled, mapped file pages not included
    cpu_seconds: float = 0  # of all threads


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def measure(command, cwd=None):
    peak = 0
    done = threading.Event()

    def watch(pid):
        nonlocal peak
        while not done.is_set():
            try:
                peak = max(peak, anonymous_kb(pid))
            except (OSError, ValueError):  # it has ended
                return
            time.sleep(SAMPLE_SECONDS)

    with open(os.devnull, "wb") as null:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=null, stdout=null, stderr=subprocess.PIPE, cwd=cwd
        )
        watcher = threading.Thread(target=watch, args=(process.pid,))
        watcher.start()
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]}: status {process.returncode}: {message.decode(errors='replace')[-1000:]}")
    return Measured(seconds, usage.ru_maxrss / 1024, peak / 1024, usage.ru_utime + usage.ru_stime)
