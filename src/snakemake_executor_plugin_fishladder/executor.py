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
from typing import Any, NoReturn

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from . import commands, failures, preflight, submitting
from .adoption import Orphans
from .allowed import mistakes
from .capacity import Capacity
from .clients import Clients, is_expired, is_passing, is_unreached
from .jobs import all_exist, dependencies, last_attempt, rule_of
from .ledger import Ledger, digest
from .manifest import common_ends
from .needs import Needs, Refusal, disk_of, needs_of
from .outcomes import Outcome, grown
from .polling import Pace, Poller
from .progress import Progress
from .registry import BatchJob, Submission, ids_to_end
from .run_settings import run_settings_of, state_prefix
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
        storage = self.workflow.storage_settings.default_storage_prefix or ""
        if wrong := mistakes(self.settings, storage):
            self.refuse_settings(wrong)
        self.run_settings = run_settings_of(self.settings)
        self.workdir = str(self.workflow.workdir_init)
        self.clients = Clients(self.run_settings.region)
        self.ledger = Ledger(self.clients, state_prefix(self.settings, storage), digest(storage, self.workdir)[:10])
        self.shared = self.workflow.storage_settings.assume_common_workdir
        if self.settings.preflight:
            raise SystemExit(preflight.check_run(self.settings, self.ledger, self.workflow, self.shared))
        if self.shared and not self.settings.volumes:
            raise WorkflowError(
                "Snakemake assumes that jobs share a file system with this machine. On AWS Batch they do not: add "
                "--shared-fs-usage none (and a default storage), or mount what they share with --fishladder-volumes."
            )
        self.sender = Sender(self.clients, self.ledger, self.settings, self.run_settings, self.logger)
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
        self.submission_of: dict[JobExecutorInterface, Submission] = {}
        self.adopted: set[JobExecutorInterface] = set()
        self.withheld: set[str] = set()
        self.failed_looks = 0
        self.began = False
        self.ready = True

    def refuse_settings(self, wrong: Sequence[str]) -> NoReturn:
        if self.settings.preflight:
            raise SystemExit(preflight.tell_mistakes(wrong))
        raise WorkflowError("\n".join(wrong))

    # Submission

    def begin(self) -> None:
        """Once, before the first submission."""
        self.began = True
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        self.refuse_early()
        self.trace.event("begin", workflow=self.ledger.workflow, queue=self.settings.queue, state=self.ledger.address)
        try:
            self.sender.with_credentials(self.orphans.load)
        except Exception as error:
            if not is_unreached(error):
                raise
            remedy = failures.unreached(self.run_settings.region)
            raise WorkflowError(f"fishladder: {failures.to_do(error, remedy)}.") from error

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
                job_key = commands.job_key(job, self.workdir)
                if self.adopt(job, job_key):
                    continue
                try:
                    fresh.append((job, self.needs(job, job_key), job_key))
                except Refusal as refusal:
                    self.refuse(job, str(refusal))
            alike = submitting.plan(fresh, lambda one: (rule_of(one[0]), one[1]), self.settings.array_size)
            ready = [(self.submission(some[0]), [one[0] for one in some], self.rows(some)) for some in alike]
        sent = [self.sender.pool.submit(self.sender.send, *one) for one in ready]
        for (submission, members, _), future in zip(ready, sent, strict=True):
            self.submitted(submission, members, future.exception())

    def needs(self, job: Any, job_key: str) -> Needs:
        needs = needs_of(job, self.settings, self.memory_floor.get(job_key, 0))
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

    def submission(self, first: tuple[Any, Needs, str]) -> Submission:
        key, rule = submitting.new_key(), rule_of(first[0])
        return Submission(key, submitting.job_name(self.ledger.workflow, key, rule), rule, first[1], 0)

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
        # "token" is the job's key; the name stays, because manifests of earlier versions lie in buckets.
        rows = [{"token": job_key, "args": self.get_job_args(job), "disk_mb": disk_of(job)} for job, _, job_key in some]
        return header, rows

    def submitted(self, submission: Submission, members: Sequence[Any], error: BaseException | None) -> None:
        if error is None:
            self.pace.event()
            self.trace.submitted(submission, members)
            for batch_job in list(submission.batch_jobs.values()):
                self.track(batch_job)
            return
        if is_expired(error):
            raise WorkflowError(str(error)) from error
        self.sender.withdraw(submission)
        for job in members:
            self.refuse(job, f"Rule {submission.rule} could not be submitted: {error}")

    def track(self, batch_job: BatchJob) -> None:
        key = batch_job.submission.key
        self.unsettled[key] = self.unsettled.get(key, 0) + 1
        self.submission_of[batch_job.job] = batch_job.submission
        self.report_job_submission(SubmittedJobInfo(batch_job.job, batch_job.id, {"batch_job": batch_job}))
        self.wake.set()

    def adopt(self, job: Any, job_key: str) -> bool:
        """Take over the job of an earlier driver, unless what it reads has been made anew since."""
        found = self.orphans.claim(job_key)
        if found is None:
            return False
        submission, index = found
        if job_key in self.orphans.long_done and not self.workflow.async_run(all_exist(job)):
            return False  # it had made its files before this run looked for them, and someone has removed them
        if any(self.workflow.dag.finished(one) and one not in self.adopted for one in dependencies(self.dag, job)):
            self.sender.end([submission.child(index)], "its input was made anew")
            return False
        batch_job = BatchJob(submission, index, job, job.attempt)
        submission.batch_jobs[index] = batch_job
        self.sender.registry.reserve(submission)
        self.adopted.add(job)
        self.trace.event("adopted", rule=submission.rule, batch_job=batch_job.id, jobid=job.jobid)
        self.track(batch_job)
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
        return self.run_settings.python

    def envvars(self) -> dict[str, str]:
        places = {name: os.environ[name] for name in commands.PLACES if name in os.environ}
        return {**places, **super().envvars()}

    # Looking

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        if not self.ready or not active_jobs:
            return
        infos = {info.aux["batch_job"]: info for info in active_jobs}
        finished: set[BatchJob] = set()
        try:
            self.sender.with_credentials(lambda: self.look(infos, finished))
            self.failed_looks = 0
        except Exception as error:
            self.failed_looks += 1
            if not is_passing(error) or self.failed_looks >= FAILED_LOOKS:
                raise WorkflowError(failures.why_blind(error, self.failed_looks)) from error
            self.logger.warning(f"fishladder: cannot look at the jobs now ({error}); trying again.")
        if self.poller.changed:
            self.poller.changed = False
            self.pace.event()
        if news := self.progress.news(self.sender.registry.unfinished()):
            self.logger.info(news)
        for batch_job, info in infos.items():
            if batch_job not in finished:
                yield info

    def look(self, infos: dict[BatchJob, SubmittedJobInfo], finished: set[BatchJob]) -> None:
        for batch_job, outcome in self.poller.look([batch_job for batch_job in infos if batch_job not in finished]):
            if self.sender.stopping.is_set():
                return
            if outcome.kind != "void" or not self.follow(batch_job):
                self.finish(batch_job, infos[batch_job], outcome)
                finished.add(batch_job)  # not before: a job that is neither told nor looked at is waited for forever
        self.end_stuck(infos, finished)

    def follow(self, batch_job: BatchJob) -> bool:
        """The job was a double and did nothing: look at the one that runs instead."""
        owner = self.ledger.owner(batch_job.submission.key, batch_job.index)
        if owner is None or owner == batch_job.id:
            return False
        batch_job.owner_id = owner
        return True

    def finish(self, batch_job: BatchJob, info: SubmittedJobInfo, outcome: Outcome) -> None:
        self.pace.event()
        largest = self.capacity.largest_mb(batch_job.submission.needs.queue) if outcome.kind == "oom" else None
        if largest and batch_job.submission.needs.memory_mb >= largest:
            outcome = replace(outcome, kind="oom-on-largest-instance")
        self.trace.write(batch_job, outcome)
        self.sender.registry.finish(batch_job)
        if outcome.succeeded:
            self.progress.done[batch_job.submission.rule] += 1
            self.report_job_success(info)
            return
        self.progress.failed[batch_job.submission.rule] += 1
        job = batch_job.job
        if outcome.kind == "oom":
            floor = grown(batch_job.submission.needs.memory_mb, self.settings.memory_growth, largest)
            self.memory_floor[commands.job_key(job, self.workdir)] = floor
        text = failures.message(
            batch_job, outcome, self.last_lines(batch_job, outcome), self.run_settings.region, job.restart_times
        )
        if not outcome.repeated and not (outcome.kind == "user" and self.settings.retry_user_errors):
            last_attempt(job)
        self.report_job_error(info, msg=text)

    def last_lines(self, batch_job: BatchJob, outcome: Outcome) -> list[str]:
        if outcome.end:
            tail = self.sender.quietly(lambda: self.ledger.tail(batch_job.submission.key, outcome.end)) or []
            return tail + failures.rule_log_lines(batch_job.job)
        return failures.log_lines(self.clients, self.settings.log_group, outcome)

    def end_stuck(self, infos: dict[BatchJob, SubmittedJobInfo], finished: set[BatchJob]) -> None:
        """End submissions of which nothing has started, nor anything else in their queue, for longer than the limit."""
        limit = self.settings.runnable_limit * 60
        for submission in {batch_job.submission for batch_job in infos if batch_job not in finished}:
            idle = min(self.poller.idle(submission.needs.queue), time.time() - submission.submitted)
            if limit and idle > limit and WAITING & submission.summary.keys():
                detail = self.poller.describe([str(submission.job_id)]).get(str(submission.job_id), {})
                try:
                    queue, environments = self.capacity.environments(submission.needs.queue)
                    why = failures.why_stuck(queue, environments, str(detail.get("statusReason") or ""))
                except LookupError as error:  # someone has deleted the queue
                    why = str(error)
                self.sender.end(list(ids_to_end(submission)), "never started")
                for batch_job in [one for one in infos if one.submission is submission and one not in finished]:
                    told = Outcome("stuck", batch_job.id, reason=f"no start for {idle / 60:.0f} minutes: {why}")
                    self.finish(batch_job, infos[batch_job], told)
                    finished.add(batch_job)

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
        submission = self.submission_of.pop(job, None)
        if submission is None:
            return
        self.unsettled[submission.key] -= 1
        if not self.unsettled[submission.key] and not submission.batch_jobs:
            self.sender.pool.submit(self.sender.quietly, lambda: self.ledger.close(submission.key))

    def cancel(self) -> None:
        """End every job that was submitted or may have been, whether or not Snakemake has heard of it."""
        if self.ready:
            with ignoring_signals():
                self.trace.event("cancelled", batch_jobs=[one.job_id for one in self.sender.registry.unfinished()])
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
def ignoring_signals() -> Iterator[None]:
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
