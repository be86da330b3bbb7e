"""A stand-in for AWS Batch: moto's server, whose jobs run as processes of this machine.

moto without Docker ends every job at once. `BatchServer` runs what a job's definition says (no container, the same
machine) and adds what moto lacks: exit codes and reasons, Batch's own retries, the array's index in the environment,
states of array parents, logs, terminating an array's children. Tests only.
"""

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.batch.models import BatchBackend, Job
from moto.batch_simple.models import BatchSimpleBackend
from moto.core.config import default_user_config
from moto.moto_server import threaded_moto_server
from moto.server import ThreadedMotoServer

SRC = Path(__file__).parents[2] / "src"
REGION = "eu-central-1"
ACCOUNT = "123456789012"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}


@dataclass(frozen=True)
class Fault:
    """What befalls an attempt: after so many seconds its host goes, or it ends with a reason of Batch's."""

    after: float = 0.3
    status_reason: str | None = None
    reason: str | None = None
    code: int | None = None


HOST_GONE = Fault(status_reason="Host EC2 (instance i-0abc) terminated.")


def matches(pattern: str | None, value: str) -> bool:
    if pattern is None:
        return True
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def tried_again(strategy: dict[str, Any], attempt: int, code: int | None, status_reason: str, reason: str) -> bool:
    """Batch's rule for retries: the first condition that matches decides, and without one it retries."""
    if attempt >= strategy.get("attempts", 1):
        return False
    for condition in strategy.get("evaluateOnExit", ()):
        if (
            matches(condition.get("onStatusReason"), status_reason)
            and matches(condition.get("onReason"), reason)
            and matches(condition.get("onExitCode"), str(code))
        ):
            return condition["action"].upper() == "RETRY"
    return True


@dataclass(frozen=True)
class Trouble:
    """An answer in place of the right one; `carried_out` says whether the call was done nevertheless."""

    status: int
    code: str
    carried_out: bool = False
    answer: bytes | None = None

    def body(self, xml: str | None) -> bytes:
        if xml:
            error = f"<Error><Code>{self.code}</Code><Message>made by the test</Message></Error>"
            return (error if xml == "s3" else f"<ErrorResponse>{error}</ErrorResponse>").encode()
        return json.dumps({"__type": self.code, "message": "made by the test"}).encode()


THROTTLED = Trouble(429, "TooManyRequestsException")
BROKEN = Trouble(500, "InternalError")
ANSWER_LOST = Trouble(500, "InternalError", carried_out=True)
NOTHING_LISTED = Trouble(200, "", answer=b'{"jobSummaryList": []}')
EXPIRED = Trouble(403, "ExpiredTokenException")
KEY = re.compile(r"Credential=([^/]+)/")


def gateway(server: "BatchServer") -> Any:
    """moto's application with a count of calls and, where the test wants it, trouble."""
    inner = threaded_moto_server.DomainDispatcherApplication(threaded_moto_server.create_backend_app)

    def application(environ: dict[str, Any], start_response: Callable) -> Any:
        path = environ["PATH_INFO"]
        batch = path.startswith("/v1/")
        s3 = "/s3/" in environ.get("HTTP_AUTHORIZATION", "")
        call = path.removeprefix("/v1/") if batch else f"s3:{environ['REQUEST_METHOD']}" if s3 else "other"
        server.calls[call] += 1
        key = KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
        trouble = server.trouble(call, key[1] if key else "")
        if trouble is None:
            return inner(environ, start_response)
        if trouble.carried_out:
            list(inner(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        kind = [("Content-Type", "application/json"), ("x-amzn-ErrorType", trouble.code)]
        start_response(f"{trouble.status} Trouble", kind)
        query = "urlencoded" in environ.get("CONTENT_TYPE", "")  # STS, IAM
        if trouble.answer is not None:
            return [trouble.answer]
        return [trouble.body("s3" if s3 else "query" if query else None)]

    return application


@dataclass(eq=False)
class BatchServer:
    """The server and its switches.

    `slots`: jobs that run at once. `run`: False ends jobs at once, well, without running them. `fault(job, attempt)`
    may return a Fault for an attempt. `trouble(call, key)` may name a Trouble for an API call of an access key, of
    which `calls` counts all by kind (SubmitJob is `submitjob`, an S3 call is `s3:PUT`). `hold`: while set, no job
    leaves RUNNABLE, nor ever does one of a queue that is in `dead`. `answer(job_id)` is called after a SubmitJob was
    carried out, and may take its time. `started` counts attempts by job id. `credentials` is what jobs act with, as
    Batch gives them those of the job role. A subclass that overrides `once` may run an attempt in a real container.
    """

    slots: int = 2
    run: bool = True
    fault: Callable[[Job, int], Fault | None] = lambda job, attempt: None
    trouble: Callable[[str, str], Trouble | None] = lambda call, key: None
    hold: threading.Event = field(default_factory=threading.Event)
    dead: set[str] = field(default_factory=set)
    answer: Callable[[str], None] = lambda job_id: None
    started: Counter = field(default_factory=Counter)
    calls: Counter = field(default_factory=Counter)
    jobs: dict[str, Job] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=lambda: dict(CREDENTIALS))

    def start(self) -> "BatchServer":
        default_user_config["batch"]["use_docker"] = False
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.pool = ThreadPoolExecutor(self.slots)
        self.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.original = BatchSimpleBackend.submit_job, Job.describe, Job.terminate, BatchBackend.describe_jobs
        server = self

        def submit_job(backend: Any, *args: Any, **kwargs: Any) -> tuple[str, str, str]:
            return server.submit(backend, *args, **kwargs)

        BatchSimpleBackend.submit_job = submit_job
        Job.describe = lambda job: server.describe(job)
        Job.terminate = lambda job, reason: server.terminate(job, reason)
        BatchBackend.describe_jobs = lambda backend, ids: [
            backend._jobs[one].describe() for one in ids or () if one in backend._jobs
        ]
        gate = threaded_moto_server.DomainDispatcherApplication
        application = gateway(self)
        threaded_moto_server.DomainDispatcherApplication = lambda *_: application
        self.server.start()
        threaded_moto_server.DomainDispatcherApplication = gate
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()
        return self

    def stop(self) -> None:
        for job in list(self.jobs.values()):
            self.terminate(job, "the test ended")
        self.hold.clear()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.server.stop()
        BatchSimpleBackend.submit_job, Job.describe, Job.terminate, BatchBackend.describe_jobs = self.original
        default_user_config["batch"]["use_docker"] = True

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def environment(self) -> dict[str, str]:
        """Variables that make any AWS client talk to this server."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def queue(self, name: str = "work", instance_types: tuple[str, ...] = ("m5.large", "c5.2xlarge")) -> str:
        """A queue with a compute environment of its own, roles and network among it."""
        role = {"RoleName": f"{name}-role", "AssumeRolePolicyDocument": "{}"}
        arn = self.client("iam").create_role(**role)["Role"]["Arn"]
        subnet = self.client("ec2").describe_subnets()["Subnets"][0]
        group = self.client("ec2").describe_security_groups()["SecurityGroups"][0]
        self.client("iam").create_instance_profile(InstanceProfileName=f"{name}-profile")
        self.client("batch").create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            state="ENABLED",
            serviceRole=arn,
            computeResources={
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": 64,
                "desiredvCpus": 0,
                "instanceTypes": list(instance_types),
                "subnets": [subnet["SubnetId"]],
                "securityGroupIds": [group["GroupId"]],
                "instanceRole": f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}-profile",
            },
        )
        order = [{"order": 1, "computeEnvironment": name}]
        self.client("batch").create_job_queue(
            jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order
        )
        return name

    # What takes the place of moto's

    def submit(self, backend: Any, name: str, definition: str, queue: str, **given: Any) -> tuple[str, str, str]:
        size = (given.get("array_properties") or {}).get("size")
        given["array_properties"] = given.get("array_properties") or {}
        common = {"log_backend": backend.logs_backend, "all_jobs": backend._jobs, **given}
        job_definition, job_queue = backend.get_job_definition(definition), backend.get_job_queue(queue)
        assert job_definition is not None, f"no definition {definition}"
        assert job_queue is not None, f"no queue {queue}"
        job = Job(name, job_definition, job_queue, backend, **common)
        work = [job]
        if size:
            work = [
                Job(
                    name,
                    job_definition,
                    job_queue,
                    backend,
                    **{**common, "array_properties": {"index": index}, "tags": None},
                    provided_job_id=f"{job.job_id}:{index}",
                )
                for index in range(size)
            ]
            job._child_jobs = work
            job.status = "PENDING"
        for one in {job.job_id: job, **{child.job_id: child for child in work}}.values():
            backend.backend._jobs[one.job_id] = self.jobs[one.job_id] = one
        for index, one in enumerate(work):
            if self.run or self.hold.is_set():
                one.status = "RUNNABLE"
                self.pool.submit(self.perform, one, index if size else None)
            else:
                one.job_started_at = one.job_created_at
                one._mark_stopped(success=True)
        self.answer(job.job_id)
        return name, job.job_id, job.arn

    def describe(self, job: Job) -> dict[str, Any]:
        told = self.original[1](job)
        if job._child_jobs:
            counts = Counter(child.status for child in job._child_jobs)
            ended = counts["SUCCEEDED"] + counts["FAILED"] == len(job._child_jobs)
            told["status"] = ("FAILED" if counts["FAILED"] else "SUCCEEDED") if ended else "PENDING"
        else:
            told["container"]["exitCode"] = job.exit_code
            told["container"]["reason"] = getattr(job, "reason", None)
        return told

    def terminate(self, job: Job, reason: str) -> None:
        for one in job._child_jobs or [job]:
            if one.status not in ("SUCCEEDED", "FAILED"):
                one.stop, one.job_stopped_reason = True, reason
                if one.status == "RUNNABLE":
                    one._mark_stopped(success=False)

    # Running

    def perform(self, job: Job, index: int | None) -> None:
        while (self.hold.is_set() or job.job_queue.name in self.dead) and not job.stop:
            time.sleep(0.05)
        if not self.run:
            job._mark_stopped(success=not job.stop)
            return
        attempt = 0
        while not job.stop:
            attempt += 1
            job.status = "RUNNING"
            job.job_started_at = type(job.job_created_at).now()
            job._start_attempt()
            self.started[job.job_id] += 1
            code, status_reason, reason = self.once(job, index, attempt)
            job._stop_attempt()
            job.latest_attempt["statusReason"] = status_reason
            job.latest_attempt["container"] |= {"exitCode": code, "reason": reason or None}
            job.exit_code, job.reason = code, reason or None
            if job.stop:
                break
            job.job_stopped_reason = status_reason
            if not code and not reason and not status_reason.startswith("Host"):
                job._mark_stopped(success=True)
                return
            strategy = job.job_definition.retry_strategy or {}
            if not tried_again(strategy, attempt, code, status_reason, reason):
                break
            job.status = "RUNNABLE"
        job._mark_stopped(success=False)

    def once(self, job: Job, index: int | None, attempt: int) -> tuple[int | None, str, str]:
        """Run one attempt; return exit code, Batch's reason and the container's."""
        fault, began = self.fault(job, attempt), time.monotonic()
        command = job._add_parameters_to_command(job._get_container_property("command", []))
        environment = {pair["name"]: pair["value"] for pair in job._get_container_property("environment", [])}
        environment |= {"AWS_BATCH_JOB_ID": job.job_id, "AWS_BATCH_JOB_ATTEMPT": str(attempt)}
        if index is not None:
            environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w+b") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), **self.credentials, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            while process.poll() is None and not job.stop and not (fault and time.monotonic() - began > fault.after):
                time.sleep(0.02)
            if process.poll() is None:
                self.end(process, gently=job.stop)
                if fault and not job.stop:
                    return fault.code, fault.status_reason or "Essential container in task exited", fault.reason or ""
            log.seek(0)
            self.write_log(job, log.read().decode(errors="replace"))
        code = process.wait()
        return 128 - code if code < 0 else code, "Essential container in task exited", ""

    def end(self, process: subprocess.Popen, gently: bool) -> None:
        """Batch sends SIGTERM to a job it ends, then SIGKILL; a host that goes takes its jobs at once."""
        if gently:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        for victim in [*children(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        process.wait()

    def write_log(self, job: Job, text: str) -> None:
        group = "/aws/batch/job"
        job.log_stream_name = job._stream_name
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in text.splitlines() if line]
        with contextlib.suppress(Exception):
            job._log_backend.ensure_log_group(group)
            job._log_backend.ensure_log_stream(group, job.log_stream_name)
            job._log_backend.put_log_events(group, job.log_stream_name, events)

    def active(self) -> list[str]:
        """Ids of the jobs that have not ended."""
        jobs = [job for job in self.jobs.values() if not job._child_jobs]
        return [job.job_id for job in jobs if job.status not in ("SUCCEEDED", "FAILED")]

    def definitions(self) -> list[dict[str, Any]]:
        return self.client("batch").describe_job_definitions()["jobDefinitions"]


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []
