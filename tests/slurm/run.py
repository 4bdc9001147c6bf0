"""An array job of Slurm, run for real on this machine: `quantpress batch --shard` as docs/batch.md shows it.

Starts a private munged, slurmctld and slurmd with their files in a temporary folder, submits the job, requeues one task while it runs, and
compares every output with that of one process. Ends with status 77 (skipped) where Slurm is not installed
(Debian: slurm-wlm, munge) or its daemons do not start here. Needs only Python's standard library.
"""

import getpass
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("QUANTPRESS_BINARY", ROOT / "build/release/tools/quantpress")).resolve()
SKIPPED = 77
PARTS = 4
WAIT = 300
TOOLS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """One node, this machine, as the user that runs the test."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        self.env = dict(os.environ, SLURM_CONF=str(folder / "slurm.conf"))
        host, cores = socket.gethostname().split(".")[0], os.cpu_count() or 1
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o400)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(
            f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
SlurmUser={getpass.getuser()}
SlurmdUser={getpass.getuser()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SwitchType=switch/none
JobRequeue=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
        )

    def start(self, *command):
        log = open(self.folder / f"{pathlib.Path(command[0]).name}.out", "wb")
        self.daemons.append(subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def up(self):
        path = self.folder
        self.start(tool("munged"), "--foreground", "--force", f"--key-file={path}/munge.key", f"--socket={path}/munge.socket",
                   f"--pid-file={path}/munge.pid", f"--log-file={path}/munge.log", f"--seed-file={path}/munge.seed")
        if not wait_for(lambda: (path / "munge.socket").exists(), 20):
            return False
        self.start(tool("slurmctld"), "-D", "-f", str(path / "slurm.conf"))
        self.start(tool("slurmd"), "-D", "-f", str(path / "slurm.conf"))
        return wait_for(lambda: self.call("sinfo", "-h", "-o", "%T").stdout.strip() in ("idle", "mixed", "allocated"), 40)

    def call(self, *command):
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=60)

    def down(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def hashes(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.mnn"))}


def make_list(folder):
    """The bundled models under many settings, and one that takes a moment, so that there is a task to kill."""
    large = folder / "large.onnx"
    subprocess.run([sys.executable, ROOT / "tests/cli/models.py", "large", large, "64"], check=True)
    rows = [{"source": str(large), "output": "large.mnn", "options": {"hqq": True, "weightQuantBlock": 32}}]
    for source in sorted((ROOT / "tests/data").glob("*.onnx")):
        rows += [{"source": str(source), "output": f"{source.stem}_{bits}.mnn", "options": {"weightQuantBits": bits}} for bits in range(2, 9)]
    (folder / "list.json").write_text(json.dumps(rows))
    return len(rows)


def main():
    missing = [name for name in TOOLS if tool(name) is None]
    if missing:
        skip(f"{', '.join(missing)} not found; Debian has them in slurm-wlm and munge")
    with tempfile.TemporaryDirectory(prefix="qp-slurm-") as name:
        folder = pathlib.Path(name)
        count = make_list(folder)
        cluster = Cluster(folder)
        try:
            if not cluster.up():
                logs = "".join(f"--- {p.name}\n{p.read_text(errors='replace')[-1500:]}\n" for p in folder.glob("*.log"))
                skip(f"the daemons do not start here\n{logs}")
            run_job(cluster, folder, count)
        finally:
            cluster.down()


def run_job(cluster, folder, count):
    out = folder / "out"
    script = folder / "job.sh"
    script.write_text(
        f"""#!/bin/sh
#SBATCH --job-name=quantize --array=1-{PARTS} --cpus-per-task=1 --requeue --output={folder}/task-%a.log --open-mode=append
exec {BINARY} batch {folder}/list.json --output {out} --weightQuantBits 4 --resume \\
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --threads "$SLURM_CPUS_PER_TASK" --memory 256M --verbose
"""
    )
    submitted = cluster.call("sbatch", "--parsable", str(script))
    if submitted.returncode:
        raise AssertionError(submitted.stderr)
    job = submitted.stdout.strip()
    # Requeue a task while it runs, as a scheduler does with jobs of lower priority.
    requeued = wait_for(lambda: "RUNNING" in cluster.call("squeue", "-h", "-j", f"{job}_1", "-o", "%T").stdout, 30)
    if requeued:
        requeued = cluster.call("scontrol", "requeue", f"{job}_1").returncode == 0
        # It would wait for a minute or two.
        wait_for(lambda: "PENDING" in cluster.call("squeue", "-h", "-j", f"{job}_1", "-o", "%T").stdout, 30)
        cluster.call("scontrol", "update", f"JobId={job}_1", "StartTime=now")
    assert wait_for(lambda: not cluster.call("squeue", "-h", "-j", job).stdout.strip(), WAIT), cluster.call("squeue").stdout
    logs = "".join((folder / f"task-{part}.log").read_text() for part in range(1, PARTS + 1))
    assert " failed" not in logs, logs
    subprocess.run([BINARY, "batch", folder / "list.json", "--output", folder / "alone", "--weightQuantBits", "4", "--quiet"], check=True)
    assert len(hashes(out)) == count, (sorted(hashes(out)), logs)
    assert hashes(out) == hashes(folder / "alone")
    assert len(list(out.glob("*.ledger.*-of-*"))) == PARTS
    print(f"{count} models in {PARTS} tasks of job {job}, one task requeued: {'yes' if requeued else 'no, it was done'}")


if __name__ == "__main__":
    main()
