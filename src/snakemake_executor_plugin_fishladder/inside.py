"""What runs in a job's container: fetch the job's command from S3, run it, and leave in S3 how it ended.

Needs nothing but Python and botocore. Exit code: that of the rule's own command where Snakemake tells it.
"""

import contextlib
import errno
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .manifest import ENVIRONMENT_NAME, Reference
from .states import NO_RUNTIME, UNREACHABLE, VOID, End, claim_key, end_folder

TAIL = 12_000
DRAIN_S = 1.0  # how long what a command left behind is listened to
CLAIMS, CLAIM_PAUSE_S = 8, 0.5
# What Snakemake says of each file, many of them after the error: it would be all that is left of a job's last lines.
TRANSFERS = (
    b"Retrieving from storage: ",
    b"Finished retrieval",
    b"Storing in storage: ",
    b"Finished upload",
    b"Removing local copy of ",
)
EXIT_STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>")
NO_SPACE = os.strerror(errno.ENOSPC)
METADATA = "http://169.254.169.254/latest/"


def say(text: str) -> None:
    print(f"fishladder: {text}", file=sys.stderr, flush=True)


def rule_code(code: int, output: str) -> int:
    """The exit code of the rule's own command, where the output of Snakemake (which always ends with 1) names it."""
    if code < 0:
        return 128 - code
    found = EXIT_STATUS.findall(output) if code == 1 else []
    if not found:
        return code
    status, number = found[-1]
    return (int(status) or 1) if status else 128 + int(number)


def oom_kills() -> int:
    """How many processes of this container the kernel has killed for want of memory (cgroup 2, else 0)."""
    with contextlib.suppress(OSError, ValueError):
        for row in Path("/sys/fs/cgroup/memory.events").read_text().splitlines():
            name, _, count = row.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def peak_mb() -> int:
    """The container's peak memory, else that of the largest process."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/sys/fs/cgroup/memory.peak").read_text()) >> 20
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10


def instance() -> str:
    """Instance type and id from EC2's metadata, `-` anywhere else."""
    if "ECS_CONTAINER_METADATA_URI_V4" not in os.environ:
        return "-"
    with contextlib.suppress(OSError):
        ask = urllib.request.Request(
            METADATA + "api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        token = urllib.request.urlopen(ask, timeout=0.5).read().decode()
        facts = []
        for fact in ("instance-type", "instance-id"):
            look = urllib.request.Request(METADATA + "meta-data/" + fact, headers={"X-aws-ec2-metadata-token": token})
            facts.append(urllib.request.urlopen(look, timeout=0.5).read().decode())
        return ":".join(facts)
    return "-"


class Job:
    """One job: its row of the manifest, its claim, its command, its end."""

    def __init__(self, s3: Any, reference: Reference, index: int, job_id: str, attempt: int) -> None:
        self.s3, self.reference, self.index, self.job_id, self.attempt = s3, reference, index, job_id, attempt
        self.header: dict[str, Any] = {}
        self.process: subprocess.Popen | None = None
        self.told_to_stop = False

    def fetch(self) -> dict[str, Any]:
        self.header = self.read(self.reference.header_range())
        return self.read(self.reference.row_range(self.index))

    def read(self, part: str) -> dict[str, Any]:
        answer = self.s3.get_object(Bucket=self.reference.bucket, Key=self.reference.key, Range=part)
        return json.loads(answer["Body"].read())

    def claim(self) -> str:
        """Claim the job; return the id of the Batch job that has it: our own, or that of a double."""
        place = {"Bucket": self.reference.bucket, "Key": claim_key(self.header["prefix"], self.submission, self.index)}
        for attempt in itertools.count(1):
            try:
                self.s3.put_object(**place, Body=self.job_id.encode(), IfNoneMatch="*")
                return self.job_id
            except self.s3.exceptions.ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code in ("NotImplemented", "InvalidArgument"):  # a store without conditional writes
                    return self.job_id
                if code in ("PreconditionFailed", "412"):
                    return self.s3.get_object(**place)["Body"].read().decode()
                # A conflict with another write, or a deletion, at the same moment says not who has won: ask again.
                if code != "ConditionalRequestConflict" or attempt == CLAIMS:
                    raise
            time.sleep(CLAIM_PAUSE_S * attempt)

    def has_succeeded(self) -> bool:
        """Whether an earlier attempt ended well, and its host was gone before Batch had heard of it."""
        folder = end_folder(self.header["prefix"], self.submission)
        found = self.s3.list_objects_v2(Bucket=self.reference.bucket, Prefix=f"{folder}{self.index}.")
        return any(not End.parse(one["Key"].removeprefix(folder)).code for one in found.get("Contents", []))

    @property
    def submission(self) -> str:
        return self.header["batch"]

    def run(self, command: str, folder: Path) -> tuple[int, str]:
        """Run the command; pass its output through and keep the end of it."""
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment(self.header.get("env", {}), folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.told_to_stop:
            self.stop()
        tail, line = b"", b""
        for part in output_of(self.process):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            *lines, line = (line + part).splitlines(keepends=True)
            if line.endswith(b"\n"):
                lines, line = [*lines, line], b""
            tail = b"".join([tail, *(one for one in lines if not one.startswith(TRANSFERS))])[-TAIL:]
            line = line[-TAIL:]
        return self.process.wait(), (tail + line).decode(errors="replace")

    def stop(self, *_: Any) -> None:
        """Pass SIGTERM on (Batch sends it, and SIGKILL 30 seconds later)."""
        self.told_to_stop = True
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)

    def leave(self, end: End, tail: str) -> None:
        body = json.dumps({"job": self.job_id, "tail": tail.splitlines()[-60:]}).encode()
        key = end_folder(self.header["prefix"], self.submission) + end.name()
        self.s3.put_object(Bucket=self.reference.bucket, Key=key, Body=body)


def output_of(process: subprocess.Popen) -> Iterator[bytes]:
    """What a process writes, until it ends: what it left in the background may hold its output open for ever."""
    ended = None
    while ended is None or time.monotonic() < ended + DRAIN_S:
        if ended is None and process.poll() is not None:
            ended = time.monotonic()
        if select.select([process.stdout], [], [], 0.1)[0]:
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                return
            yield part


def environment(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The command's environment: the container's, the job's own, and what a nameless user lacks."""
    names = {**os.environ, **given}
    names.pop(ENVIRONMENT_NAME, None)
    names.setdefault("USER", f"u{os.getuid()}")
    if not os.access(names.get("HOME", ""), os.W_OK):
        names["HOME"] = str(folder)
    names.setdefault("XDG_CACHE_HOME", str(folder / ".cache"))
    names.setdefault("TMPDIR", tempfile.gettempdir())
    return names


class ScratchWatch(threading.Thread):
    """Look how much scratch is free: when a command has failed, it or Snakemake has cleared away what filled it.

    That may be a tenth of a second after the disk was full. A look takes some microseconds.
    """

    def __init__(self, scratch: Path) -> None:
        super().__init__(daemon=True)
        self.scratch, self.over = scratch, threading.Event()
        self.least_mb = free_mb(scratch)

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.least_mb = min(self.least_mb, free_mb(self.scratch))

    def __enter__(self) -> "ScratchWatch":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()


def free_mb(scratch: Path) -> int:
    return shutil.disk_usage(scratch).free >> 20


def run_in(job: Job, row: Mapping[str, Any], scratch: Path) -> tuple[int, str, str]:
    """Run a job's command in a folder of its own, or in the one it shares with the driver; return code, tail, cause."""
    free, wanted = free_mb(scratch), row.get("disk_mb", 0)
    if wanted > free:
        tail = f"fishladder: the rule asks for {wanted} MB of scratch, {scratch} has {free} MB free"
        say(tail)
        return 1, tail, "disk"
    given = job.header.get("workdir")
    try:
        folder = Path(given) if given else Path(tempfile.mkdtemp(prefix="job.", dir=scratch))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 1, str(error), "disk"
    try:
        code, tail = job.run(job.header["before"] + row["args"] + job.header["after"], folder)
    finally:
        if not given:
            shutil.rmtree(folder, ignore_errors=True)
    return rule_code(code, tail), tail, ""


def perform(job: Job) -> int:
    row, start = job.fetch(), time.time()
    if (owner := job.claim()) != job.job_id:
        say(f"this job is a double of {owner}, which runs it: nothing to do here")
        return VOID
    if job.attempt > 1 and job.has_succeeded():
        say("an earlier attempt has done this job: nothing to do here")
        return 0
    scratch = Path("/scratch") if Path("/scratch").is_dir() else Path(tempfile.gettempdir())
    if scratch.name == "scratch":
        os.environ.setdefault("TMPDIR", str(scratch))
    kills = oom_kills()
    with ScratchWatch(scratch) as watch:
        code, tail, cause = run_in(job, row, scratch)
    if code and oom_kills() > kills:
        cause = "oom"
    elif code and not cause and (watch.least_mb < 1 or NO_SPACE in tail):
        cause, tail = "disk", f"{tail}\nfishladder: {scratch} was full"
        say(f"{scratch} was full")
    # By Batch: a timeout, a cancelled run, or Spot taking the host back. Batch says which; what is done is done.
    if job.told_to_stop and code:
        return 143
    job.leave(End(job.index, job.attempt, code, cause, start, time.time(), peak_mb(), instance()), tail)
    return 1 if code == NO_RUNTIME else code  # which Batch would try again


def main() -> int:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    reference = Reference.parse(os.environ[ENVIRONMENT_NAME])
    retries = {"mode": "adaptive", "total_max_attempts": 10}
    s3 = botocore.session.get_session().create_client("s3", config=Config(retries=retries))
    index = int(os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
    attempt = int(os.environ.get("AWS_BATCH_JOB_ATTEMPT", "1"))
    job = Job(s3, reference, index, os.environ.get("AWS_BATCH_JOB_ID", "-"), attempt)
    signal.signal(signal.SIGTERM, job.stop)
    try:
        return perform(job)
    except s3.exceptions.NoSuchKey:
        say("this submission was withdrawn (its commands are gone): nothing to do here")
        return VOID
    except (ClientError, BotoCoreError) as error:
        say(f"cannot read or write s3://{reference.bucket}/{reference.key}: {error}. Does the job role allow it?")
        return UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
