"""The executor: what Snakemake calls, and in which order things happen."""

import asyncio
import datetime
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from . import commands, failures, submission
from .adoption import Orphans
from .capacity import Capacity
from .clients import Clients, is_expired, is_passing
from .ground import ground_of, state_prefix
from .ledger import Ledger, token
from .manifest import common_ends
from .needs import Needs, Refusal, disk_of, needs_of
from .outcomes import Outcome, grown
from .polling import Pace, Poller
from .progress import Progress
from .registry import Batch, Flight, ids_to_end
from .sender import Sender
from .settings import ExecutorSettings
from .trace import Trace

WAITING = {"SUBMITTED", "PENDING", "RUNNABLE"}
FAILED_LOOKS = 30  # one after the other, each of which botocore has tried ten times


class Executor(RemoteExecutor):
    ready = False  # the thread that polls starts before __post_init__ has run
    threads_of_job = 1

    def __post_init__(self) -> None:
        self.settings: ExecutorSettings = self.workflow.executor_settings
        self.wake = threading.Event()
        try:
            self.ground = ground_of(self.settings)
            address = state_prefix(self.settings, self.workflow.storage_settings.default_storage_prefix)
            self.workdir = str(self.workflow.workdir_init)
            storage = self.workflow.storage_settings.default_storage_prefix or ""
            self.clients = Clients(self.settings.region)
            self.ledger = Ledger(self.clients, address, token(storage, self.workdir)[:10])
        except ValueError as error:
            raise WorkflowError(f"fishladder: {error}") from error
        self.shared = self.workflow.storage_settings.assume_common_workdir
        if self.settings.preflight:
            from .preflight import check_and_tell, sources

            more = [] if self.shared else sources(self.workflow.globals["config"], Path(self.workdir))
            raise SystemExit(check_and_tell(self.settings, self.ledger, self.images(), more))
        if self.shared and not self.settings.volumes:
            raise WorkflowError(
                "Snakemake assumes that jobs share a file system with this machine. On AWS Batch they do not: add "
                "--shared-fs-usage none (and a default storage), or mount what they share with --fishladder-volumes."
            )
        self.sender = Sender(self.clients, self.ledger, self.settings, self.ground, self.logger)
        self.poller, self.capacity = Poller(self.clients, self.ledger), Capacity(self.clients)
        looked = getattr(self.workflow, "start_time", None) or datetime.datetime.now()
        self.orphans = Orphans(self.poller, self.ledger, self.logger.info, looked.timestamp())
        self.pace = Pace(self.settings.poll_interval, self.settings.poll_limit)
        self.trace = Trace(
            Path(self.settings.trace) if self.settings.trace else None, self.sender.tags, self.logger.warning
        )
        self.progress = Progress()
        self.memory_floor: dict[str, int] = {}
        self.unsettled: dict[str, int] = {}
        self.batch_of: dict[JobExecutorInterface, Batch] = {}
        self.adopted: set[JobExecutorInterface] = set()
        self.withheld: set[str] = set()
        self.failed_looks = 0
        self.began = False
        self.ready = True

    # Submission

    def begin(self) -> None:
        """Once, before the first submission."""
        self.began = True
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        self.refuse_early()
        self.trace.event("begin", workflow=self.ledger.workflow, queue=self.settings.queue, state=self.ledger.address)
        self.sender.with_credentials(self.orphans.load)

    def run_job(self, job: JobExecutorInterface) -> None:
        self.run_jobs([job])

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        """Adopt what an earlier driver left, submit the rest; what is wrong with one job is told for that job."""
        with commands.own_threads(self.workflow, jobs):
            if not self.began:
                self.begin()
            fresh: list[tuple[JobExecutorInterface, Needs, str]] = []
            for job in jobs:
                self.run_job_pre(job)
                mark = commands.identity(job, self.workdir)
                if self.adopt(job, mark):
                    continue
                try:
                    fresh.append((job, self.needs(job, mark), mark))
                except Refusal as refusal:
                    self.refuse(job, str(refusal))
            alike = submission.plan(fresh, lambda one: (rule_of(one[0]), one[1]), self.settings.array_size)
            ready = [(self.batch(some[0]), [one[0] for one in some], self.rows(some)) for some in alike]
        sent = [self.sender.pool.submit(self.sender.send, *one) for one in ready]
        for (batch, members, _), future in zip(ready, sent, strict=True):
            self.submitted(batch, members, future.exception())

    def needs(self, job: Any, mark: str) -> Needs:
        needs = needs_of(job, self.settings, self.memory_floor.get(mark, 0))
        if why := self.capacity.refusal(needs, disk_of(job), self.settings.scratch_mb):
            raise Refusal(f"Rule {rule_of(job)} can never run: {why}.")
        return needs

    def refuse_early(self) -> None:
        """Refuse the run, before anything is submitted, where a job of it can never run."""
        dag, refusals = self.workflow.dag, {}
        for job in dag.needrun_jobs():
            if not job.is_local and job.rule.name not in refusals:
                try:
                    self.needs(job, "")
                except Refusal as refusal:
                    refusals[job.rule.name] = str(refusal)
                except WorkflowError:
                    continue  # it depends on files that are not there yet: asked again when the job is ready
        if refusals:
            raise WorkflowError("\n".join(refusals.values()))
        for queue, why in self.capacity.unknown.items():
            self.logger.warning(f"fishladder: cannot tell what instances {queue} has, so requests go unchecked: {why}")

    def refuse(self, job: Any, why: str) -> None:
        last_attempt(job)
        self.trace.event("refused", rule=rule_of(job), jobid=job.jobid, reason=why)
        self.report_job_error(SubmittedJobInfo(job), msg=why)

    def batch(self, first: tuple[Any, Needs, str]) -> Batch:
        key, rule = submission.new_key(), rule_of(first[0])
        return Batch(key, submission.job_name(self.ledger.workflow, key, rule), rule, first[1], 0)

    def rows(self, some: Sequence[tuple[Any, Needs, str]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The manifest of some like jobs: what they share, and a row each."""
        before, after = common_ends(self.format_job_exec(some[0][0]), self.get_job_args(some[0][0]))
        python = self.get_python_executable()
        variables, withheld = commands.travelling(self.envvars())
        if news := set(withheld) - self.withheld:
            self.withheld |= news
            self.logger.warning(f"fishladder: {', '.join(sorted(news))} stay here: use --fishladder-secrets for jobs")
        header = {
            "rule": rule_of(some[0][0]),
            "queue": some[0][1].queue,
            "needs": asdict(some[0][1]),
            "submitted": time.time(),
            "env": variables,
            "workdir": self.workdir if self.shared else None,
            "before": commands.with_python(before, python),
            "after": after,
        }
        rows = [{"token": mark, "args": self.get_job_args(job), "disk_mb": disk_of(job)} for job, _, mark in some]
        return header, rows

    def submitted(self, batch: Batch, members: Sequence[Any], error: BaseException | None) -> None:
        if error is None:
            self.pace.event()
            self.trace.submitted(batch, members)
            for flight in list(batch.flights.values()):
                self.take_off(flight)
            return
        if is_expired(error):
            raise WorkflowError(str(error)) from error
        self.sender.withdraw(batch)
        for job in members:
            self.refuse(job, f"Rule {batch.rule} could not be submitted: {error}")

    def take_off(self, flight: Flight) -> None:
        key = flight.batch.key
        self.unsettled[key] = self.unsettled.get(key, 0) + 1
        self.batch_of[flight.job] = flight.batch
        self.report_job_submission(SubmittedJobInfo(flight.job, flight.id, {"flight": flight}))
        self.wake.set()

    def adopt(self, job: Any, mark: str) -> bool:
        """Take over the job of an earlier driver, unless what it reads has been made anew since."""
        found = self.orphans.claim(mark)
        if found is None:
            return False
        batch, index = found
        if mark in self.orphans.long_done and not self.workflow.async_run(all_exist(job)):
            return False  # it had made its files before this run looked for them, and someone has removed them
        if any(self.workflow.dag.finished(one) and one not in self.adopted for one in dependencies(self.dag, job)):
            self.sender.end([batch.child(index)], "its input was made anew")
            return False
        flight = Flight(batch, index, job, job.attempt)
        batch.flights[index] = flight
        self.sender.registry.reserve(batch)
        self.adopted.add(job)
        self.trace.event("adopted", rule=batch.rule, batch_job=flight.id, jobid=job.jobid)
        self.take_off(flight)
        return True

    # The command

    @property
    def cores(self) -> int:
        return self.threads_of_job

    def get_job_args(self, job: JobExecutorInterface) -> str:
        self.threads_of_job = max(1, job.threads)
        return super().get_job_args(job) + commands.caching(job, self.workflow.workflow_settings.cache)

    def get_python_executable(self) -> str:
        usage = self.workflow.storage_settings.shared_fs_usage
        if (
            self.settings.python is None
            and self.settings.runtime is None
            and SharedFSUsage.SOFTWARE_DEPLOYMENT in usage
        ):
            return sys.executable
        return self.ground.python

    def envvars(self) -> dict[str, str]:
        places = {name: os.environ[name] for name in commands.PLACES if name in os.environ}
        return {**places, **super().envvars()}

    def images(self) -> list[str]:
        jobs = [job for job in self.workflow.dag.needrun_jobs() if not job.is_local]
        return sorted({needs_of(job, self.settings).image for job in jobs})

    # Looking

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        if not self.ready or not active_jobs:
            return
        infos = {info.aux["flight"]: info for info in active_jobs}
        landed: set[Flight] = set()
        try:
            self.sender.with_credentials(lambda: self.look(infos, landed))
            self.failed_looks = 0
        except Exception as error:
            self.failed_looks += 1
            if not is_passing(error) or self.failed_looks >= FAILED_LOOKS:
                raise WorkflowError(failures.why_blind(error, self.failed_looks)) from error
            self.logger.warning(f"fishladder: cannot look at the jobs now ({error}); trying again.")
        if self.poller.changed:
            self.poller.changed = False
            self.pace.event()
        if news := self.progress.news(self.sender.registry.in_air()):
            self.logger.info(news)
        for flight, info in infos.items():
            if flight not in landed:
                yield info

    def look(self, infos: dict[Flight, SubmittedJobInfo], landed: set[Flight]) -> None:
        for flight, outcome in self.poller.look([flight for flight in infos if flight not in landed]):
            if self.sender.stopping.is_set():
                return
            if outcome.kind != "void" or not self.follow(flight):
                self.land(flight, infos[flight], outcome)
                landed.add(flight)  # not before: a job that is neither told nor looked at is waited for forever
        self.end_stuck(infos, landed)

    def follow(self, flight: Flight) -> bool:
        """The job was a double and did nothing: look at the one that runs instead."""
        owner = self.ledger.owner(flight.batch.key, flight.index)
        if owner is None or owner == flight.id:
            return False
        flight.batch_id = owner
        return True

    def land(self, flight: Flight, info: SubmittedJobInfo, outcome: Outcome) -> None:
        self.pace.event()
        largest = self.capacity.largest_mb(flight.batch.needs.queue) if outcome.kind == "oom" else None
        if largest and flight.batch.needs.memory_mb >= largest:
            outcome = replace(outcome, kind="oom-largest")
        self.trace.write(flight, outcome)
        self.sender.registry.land(flight)
        if outcome.succeeded:
            self.progress.done[flight.batch.rule] += 1
            self.report_job_success(info)
            return
        self.progress.failed[flight.batch.rule] += 1
        job = flight.job
        if outcome.kind == "oom":
            floor = grown(flight.batch.needs.memory_mb, self.settings.memory_growth, largest)
            self.memory_floor[commands.identity(job, self.workdir)] = floor
        text = failures.message(
            flight, outcome, self.last_lines(flight, outcome), self.ground.region, job.restart_times
        )
        if not outcome.repeated and not (outcome.kind == "user" and self.settings.retry_user_errors):
            last_attempt(job)
        self.report_job_error(info, msg=text)

    def last_lines(self, flight: Flight, outcome: Outcome) -> list[str]:
        if outcome.end:
            tail = self.sender.quietly(lambda: self.ledger.tail(flight.batch.key, outcome.end)) or []
            return tail + failures.rule_log_lines(flight.job)
        return failures.log_lines(self.clients, self.settings.log_group, outcome)

    def end_stuck(self, infos: dict[Flight, SubmittedJobInfo], landed: set[Flight]) -> None:
        """End submissions of which nothing has started, nor anything else in their queue, for longer than the limit."""
        limit = self.settings.runnable_limit * 60
        for batch in {flight.batch for flight in infos if flight not in landed}:
            idle = min(self.poller.idle(batch.needs.queue), time.time() - batch.submitted)
            if limit and idle > limit and WAITING & batch.summary.keys():
                detail = self.poller.describe([str(batch.job_id)]).get(str(batch.job_id), {})
                try:
                    queue, environments = self.capacity.environments(batch.needs.queue)
                    why = failures.why_stuck(queue, environments, str(detail.get("statusReason") or ""))
                except LookupError as error:  # someone has deleted the queue
                    why = str(error)
                self.sender.end(list(ids_to_end(batch)), "never started")
                for flight in [flight for flight in infos if flight.batch is batch and flight not in landed]:
                    told = Outcome("stuck", flight.id, reason=f"no start for {idle / 60:.0f} minutes: {why}")
                    self.land(flight, infos[flight], told)
                    landed.add(flight)

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: Any) -> None:
        job = job_info.job
        if job.is_group() and msg:  # Snakemake does not print the message of a group
            self.logger.error(msg)
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        job.log_error(msg, **kwargs)

    async def sleep(self) -> None:
        """Wait until it is time to look again, something was submitted, or the run ends."""
        until = time.monotonic() + (self.pace.seconds() if self.ready else 0.1)
        while self.wait and time.monotonic() < until:
            await asyncio.sleep(0.1)
            if self.ready and self.wake.is_set():
                self.wake.clear()
                until = min(until, time.monotonic() + self.settings.poll_interval)

    # The end

    def handle_job_success(self, job: JobExecutorInterface) -> None:
        self.settle(job)

    def handle_job_error(self, job: JobExecutorInterface) -> None:
        self.settle(job)

    def settle(self, job: JobExecutorInterface) -> None:
        """Snakemake has written down how the job ended: with the last of a submission, forget it."""
        batch = self.batch_of.pop(job, None)
        if batch is None:
            return
        self.unsettled[batch.key] -= 1
        if not self.unsettled[batch.key] and not batch.flights:
            self.sender.pool.submit(self.sender.quietly, lambda: self.ledger.close(batch.key))

    def cancel(self) -> None:
        """End every job that was submitted or may have been, whether or not Snakemake has heard of it."""
        if self.ready:
            with deaf():
                self.trace.event("cancelled", batch_jobs=[batch.job_id for batch in self.sender.registry.in_air()])
                self.sender.cancel()
        self.shutdown()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Snakemake's list is empty while a look is under way: `cancel` uses our own."""

    def shutdown(self) -> None:
        if self.ready and not self.sender.stopping.is_set():
            self.sender.stopping.set()
            self.sender.quietly(self.orphans.leave)
            self.sender.pool.shutdown(wait=True)
            self.trace.event("end", done=dict(self.progress.done), failed=dict(self.progress.failed))
        super().shutdown()


@contextmanager
def deaf() -> Iterator[None]:
    """Let a second Ctrl-C not keep jobs from being ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


async def all_exist(job: Any) -> bool:
    return all([await file.exists() for file in job.output])


def last_attempt(job: Any) -> None:
    """Snakemake repeats a failed job while its attempt is not above restart_times: make this the last one."""
    job.attempt = max(job.attempt, job.restart_times + 1)


def rule_of(job: Any) -> str:
    return "-".join(sorted(job.rules)) if job.is_group() else job.rule.name


def dependencies(dag: Any, job: Any) -> list[Any]:
    return [one for single in (job.jobs if job.is_group() else [job]) for one in dag.dependencies[single]]
