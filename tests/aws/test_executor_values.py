"""Manifests, states, outcomes, messages, pace and progress, as values."""

import asyncio
import json
from collections import Counter
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_fishladder import clients, failures, polling, progress
from snakemake_executor_plugin_fishladder.executor import FAILED_LOOKS, Executor
from snakemake_executor_plugin_fishladder.inside import rule_code
from snakemake_executor_plugin_fishladder.ledger import digest, split
from snakemake_executor_plugin_fishladder.manifest import Reference, common_ends, pack, unpack
from snakemake_executor_plugin_fishladder.needs import Needs
from snakemake_executor_plugin_fishladder.outcomes import ADVICE, Outcome, classify, grown, outcome
from snakemake_executor_plugin_fishladder.registry import BatchJob, Registry, Submission, ids_to_end
from snakemake_executor_plugin_fishladder.states import End
from snakemake_executor_plugin_fishladder.trial import verdict

ROWS = st.lists(st.fixed_dictionaries({"args": st.text(max_size=60)}), min_size=1, max_size=50)


@given(ROWS, st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5))
def test_each_row_of_a_manifest_is_read_by_its_range_alone(rows, header):
    body, first, width = pack(header, rows)
    reference = Reference.parse(str(Reference("b", "a/k#y", first, width)))

    def read(part: str) -> dict:
        start, end = part.removeprefix("bytes=").split("-")
        return json.loads(body[int(start) : int(end) + 1])

    assert read(reference.header_range()) == header
    assert [read(reference.row_range(index)) for index in range(len(rows))] == rows
    assert unpack(body) == (header, rows)
    assert reference.key == "a/k#y"


def test_a_manifest_of_10_000_rows_costs_a_job_two_short_reads():
    body, header, width = pack({"before": "x" * 3000}, [{"args": f"--target-jobs make:i={i}"} for i in range(10_000)])
    assert len(body) < 1_000_000
    assert header + width < 4000


def test_common_ends_part_a_command_around_its_own_arguments():
    assert common_ends("a && b --x 1 --y", "--x 1") == ("a && b ", " --y")
    with pytest.raises(ValueError, match="do not occur"):
        common_ends("a", "b")


ENDS = st.builds(
    End,
    index=st.integers(0, 9999),
    attempt=st.integers(1, 10),
    code=st.integers(0, 255),
    cause=st.sampled_from(["", "oom", "disk"]),
    start=st.integers(0, 2**33),
    stop=st.integers(0, 2**33),
    peak_mb=st.integers(0, 10**7),
    instance=st.sampled_from(["-", "m5.large:i-0abc", "c7i.metal-24xl:i-1"]),
)


@given(ENDS)
def test_an_end_is_read_back_from_its_name(end):
    assert End.parse(end.name()) == end
    assert len(end.name()) < 200


@pytest.mark.parametrize(
    ("code", "output", "told"),
    [
        (0, "", 0),
        (1, "x\nsubprocess.CalledProcessError: Command 'false' returned non-zero exit status 3.\n", 3),
        (1, "Command 'x' died with <Signals.SIGKILL: 9>.", 137),
        (1, "MissingOutputException", 1),
        (-9, "", 137),
        (2, "returned non-zero exit status 3", 2),
    ],
)
def test_exit_code_is_that_of_the_rules_own_command(code, output, told):
    assert rule_code(code, output) == told


def detail(status: str = "FAILED", why: str = "Essential container in task exited", code=None, reason=None):
    return {"jobId": "j", "status": status, "statusReason": why, "container": {"exitCode": code, "reason": reason}}


def end(code: int, cause: str = "") -> End:
    return End(0, 1, code, cause, 1, 2, 3)


@pytest.mark.parametrize(
    ("told", "left", "kind"),
    [
        (detail("SUCCEEDED", code=0), None, "success"),
        (detail(why="Host EC2 (instance i-1) terminated."), end(0), "success"),  # its files were stored before
        (detail(code=3), end(3), "user"),
        (detail(code=3), None, "user"),
        (detail(why="Host EC2 (instance i-1) terminated."), None, "host"),
        (detail(code=137, reason="OutOfMemoryError: Container killed due to memory usage"), None, "oom"),
        (detail(code=137), None, "oom"),
        (detail(code=1), end(1, "oom"), "oom"),
        (detail(code=137), end(137), "oom"),
        (detail(why="Task failed to start", reason="CannotPullContainerError: manifest unknown"), None, "image"),
        (detail(why="Task failed to start", reason="CannotPullContainerError: toomanyrequests"), None, "pull"),
        (detail(why="Task failed to start", reason="ResourceInitializationError: secret"), None, "container"),
        (detail(why="Job attempt duration exceeded timeout", code=137), None, "timeout"),
        (detail(why="ended by hand", code=143), None, "ended"),
        (detail(why="ended by hand"), None, "ended"),
        (detail(code=97), None, "runtime"),
        (detail(code=97), end(97), "user"),
        (detail(code=96), None, "void"),
        (detail(code=94), None, "access"),
        (detail(code=1), end(1, "disk"), "disk"),
        (detail(code=95), end(95), "user"),
        (detail(), None, "unknown"),
    ],
)
def test_failures_are_told_apart(told, left, kind):
    found = outcome(told, left)
    assert found.kind == kind == classify(told, left)
    assert found.repeated is (kind in {"oom", "host", "pull", "timeout", "disk", "unknown"})
    assert kind in ADVICE or kind in ("success", "void")


TEXTS = st.one_of(st.none(), st.text(max_size=30), st.sampled_from(["Host EC2 x", "OutOfMemoryError", "CannotPull"]))


@given(st.sampled_from(["SUCCEEDED", "FAILED"]), TEXTS, TEXTS, st.one_of(st.none(), st.integers(0, 255)))
def test_whatever_batch_says_is_classified(status, why, reason, code):
    kind = classify(detail(status, why, code, reason))
    assert (kind == "success") is (status == "SUCCEEDED")
    assert kind in {*ADVICE, "success", "void"}


@given(st.integers(4, 10**6), st.floats(1, 8), st.one_of(st.none(), st.integers(4, 10**6)))
def test_memory_grows_but_not_beyond_the_largest_instance(memory, factor, largest):
    more = grown(memory, factor, largest)
    assert more >= memory
    assert largest is None or more <= max(memory, largest)


@given(st.lists(st.uuids().map(str), max_size=350))
def test_ids_are_described_a_hundred_at_a_time(ids):
    parts = list(polling.chunks(ids))
    assert [one for part in parts for one in part] == ids
    assert all(len(part) <= 100 for part in parts)
    assert len(parts) == -(-len(ids) // 100)


def test_an_end_that_could_not_be_told_is_found_at_the_next_look():
    one = submission(2, job_id="p")
    detail = {"jobId": "p", "status": "PENDING", "arrayProperties": {"statusSummary": {"SUCCEEDED": 1, "RUNNING": 1}}}
    clients = {"batch": SimpleNamespace(describe_jobs=lambda jobs: {"jobs": [detail]})}
    poller = polling.Poller(clients, SimpleNamespace(ends=lambda key: {0: end(0)}))
    batch_jobs = list(one.batch_jobs.values())
    told = next(poller.look(batch_jobs))  # and here the telling fails
    assert [batch_job for batch_job, _ in poller.look(batch_jobs)] == [told[0]] == [one.batch_jobs[0]]
    assert list(poller.look(batch_jobs[1:])) == []


def test_pace_slows_with_silence_and_wakes_with_events(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(polling.time, "monotonic", lambda: now[0])
    pace = polling.Pace(1, 20)
    assert pace.seconds() == 1
    now[0] = 50
    assert pace.seconds() == 5
    now[0] = 5000
    assert pace.seconds() == 20
    pace.event()
    assert pace.seconds() == 1


def submission(size: int, **given_values) -> Submission:
    made = Submission("k", "fl-w-k-make", "make", Needs("tool:1", 2, 500, queue="work"), size, **given_values)
    made.batch_jobs = {index: BatchJob(made, index, None, 1) for index in range(size)}
    return made


def test_registry_tells_the_last_of_a_submission_and_what_to_end():
    registry, one = Registry(), submission(2, job_id="p")
    registry.reserve(one)
    assert list(ids_to_end(one)) == ["p"]
    assert registry.finish(one.batch_jobs[0]) is False
    assert registry.unfinished() == [one]
    assert registry.finish(one.batch_jobs[1]) is True
    assert registry.unfinished() == []
    taken = submission(3, job_id="q", adopted=True)
    del taken.batch_jobs[0]
    assert list(ids_to_end(taken)) == ["q:1", "q:2"]  # the third is not ours to end
    assert list(ids_to_end(submission(1))) == []


def test_failure_tells_everything_one_needs():
    batch_job = submission(1, job_id="p").batch_jobs[0]
    told = outcome({**detail(code=3), "attempts": [{}, {}]}, end(3))
    text = failures.message(batch_job, told, ["first", "last"], "eu-central-1", 2)
    for words in (
        "rule make",
        "Batch job j",
        "attempt 1 of 3 (2 on Batch)",
        "exit code: 3",
        "2 vCPU, 500 MB",
        "    last",
    ):
        assert words in text
    assert "https://eu-central-1.console.aws.amazon.com/batch/home?region=eu-central-1#jobs/detail/j" in text
    assert ADVICE["user"] in text


@pytest.mark.parametrize(
    ("queue", "environments", "words"),
    [
        ({"jobQueueName": "w", "state": "DISABLED", "status": "VALID"}, [{"state": "ENABLED"}], "queue w is DISABLED"),
        ({"jobQueueName": "w", "state": "ENABLED"}, [], "no compute environment"),
        (
            {"state": "ENABLED"},
            [{"computeEnvironmentName": "ce", "state": "ENABLED", "status": "INVALID", "statusReason": "no role"}],
            "compute environment ce is ENABLED/INVALID: no role",
        ),
        ({"state": "ENABLED"}, [{"state": "ENABLED", "computeResources": {"maxvCpus": 0}}], "allows 0 vCPUs"),
        ({"jobQueueName": "w", "state": "ENABLED"}, [{"state": "ENABLED"}], "EC2 may have no such instances now"),
    ],
)
def test_waiting_jobs_say_why(queue, environments, words):
    assert words in failures.why_stuck(queue, environments)
    assert failures.why_stuck(queue, environments, "MISCONFIGURATION: x").startswith("MISCONFIGURATION: x")


def answer(code: str, status: int, operation: str = "DescribeJobs") -> ClientError:
    told = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)


@pytest.mark.parametrize(
    ("error", "passing", "words"),
    [
        (answer("ThrottlingException", 429), True, "30 looks, one after the other, have failed. "),
        (answer("InternalError", 500), True, "30 looks"),
        (answer("RequestTimeout", 400), True, "30 looks"),
        (ReadTimeoutError(endpoint_url="u"), True, "30 looks"),
        (EndpointConnectionError(endpoint_url="u"), True, "30 looks"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), True, "30 looks"),
        (answer("AccessDeniedException", 403), False, "the driver lacks batch:DescribeJobs"),
        (answer("AccessDenied", 403, "ListObjectsV2"), False, "the driver lacks s3:ListBucket"),
        (answer("ExpiredToken", 403), False, "ExpiredToken"),
        (answer("ClientException", 400), False, "ClientError"),
        (KeyError("status"), False, "KeyError: 'status'"),
    ],
)
def test_only_what_may_pass_is_waited_for_and_the_rest_says_what_is_wrong(error, passing, words):
    assert clients.is_passing(error) is passing
    assert words in failures.why_blind(error, 30)


@pytest.mark.parametrize("said", ["Host EC2 (instance i-0) terminated.", "Host EC2 (instance i-0) terminated"])
def test_no_message_has_two_full_stops(said):
    told = Outcome("host", "j", reason=said)
    messages = (
        verdict(submission(1).batch_jobs[0], told, None, 0.0),
        failures.to_do(ValueError(f"{said}\n"), "wait"),
        failures.why_blind(ValueError(said), 1),
    )
    for message in messages:
        assert ".." not in message
        assert "terminated. T" in message


def test_looks_that_fail_are_repeated_so_often_and_no_more():
    info, told, fails = SimpleNamespace(aux={"batch_job": object()}), [], []

    def with_credentials(look):
        if fails.pop():
            raise ReadTimeoutError(endpoint_url="u")

    driver = SimpleNamespace(
        ready=True,
        failed_looks=0,
        sender=SimpleNamespace(with_credentials=with_credentials, registry=SimpleNamespace(unfinished=list)),
        logger=SimpleNamespace(warning=told.append),
        poller=SimpleNamespace(changed=False),
        progress=SimpleNamespace(news=lambda submissions: None),
    )

    async def look() -> list:
        return [one async for one in Executor.check_active_jobs(driver, [info])]

    few = [True] * (FAILED_LOOKS - 1)
    fails += [True, *few, False, *few]  # the last comes first: a good look between two rows that are too short
    while len(fails) > 1:
        assert asyncio.run(look()) == [info]
    assert len(told) == 2 * (FAILED_LOOKS - 1)
    with pytest.raises(WorkflowError, match=f"{FAILED_LOOKS} looks, one after the other, have failed"):
        asyncio.run(look())


def test_progress_is_one_line_by_rule():
    one = submission(5, summary={"RUNNING": 2, "RUNNABLE": 3})
    assert progress.line(Counter(make=7, join=1), Counter(make=1), [one]) == (
        "join 1 done | make 7 done, 2 running, 3 waiting, 1 failed"
    )


def test_tokens_tell_jobs_apart_and_addresses_are_checked():
    assert digest("a", ["b"]) == digest("a", ["b"]) != digest("a", ["c"])
    assert split("s3://bucket/a/b/") == ("bucket", "a/b")
    for wrong in ("bucket/a", "s3://"):
        with pytest.raises(ValueError, match="is not s3://bucket/folder"):
            split(wrong)
