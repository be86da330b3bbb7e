"""What goes wrong in the cloud: after each fault no job is lost, none is run twice, none is left running."""

import csv
import json
import os
import random
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable

from snakemake_executor_plugin_fishladder.capacity import offered_mb
from snakemake_executor_plugin_fishladder.manifest import ENVIRONMENT_NAME, Reference, unpack
from tests.aws import driver, stub_job
from tests.aws.batch_server import ANSWER_LOST, BROKEN, EXPIRED, HOST_GONE, NOTHING_LISTED, THROTTLED, Fault, Trouble

RERUN = ("--rerun-incomplete", "--rerun-triggers", "mtime")


def wait_for(condition: Callable[[], object], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)


def left_open(server) -> list[str]:
    found = server.client("s3").list_objects_v2(Bucket="lab", Prefix="state/open/").get("Contents", [])
    return [one["Key"] for one in found]


def test_driver_killed_at_20_random_moments(batch_server, tmp_path):
    jobs, chance = 140, random.Random(7)
    python = stub_job.prepare(tmp_path, jobs, seconds=0.8)
    seen: dict[str, Counter] = defaultdict(Counter)  # calls of each driver, which has a key of its own
    batch_server.trouble = lambda call, key: seen[key].update([call])
    words = ("--jobs", "5", *RERUN)
    for number in range(20):
        process = driver.start(tmp_path, *words, python=python, env={"AWS_ACCESS_KEY_ID": f"driver{number}"})
        wait_for(lambda key=f"driver{number}": seen[key])
        time.sleep(chance.uniform(0, 3))
        assert process.poll() is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    code, said = driver.run(tmp_path, *words, python=python)

    assert code == 0, said[-3000:]
    assert sum("submitjob" in calls for key, calls in seen.items() if key.startswith("driver")) >= 8
    assert stub_job.lost(tmp_path, jobs) == []
    assert stub_job.doubled(tmp_path) == {}
    assert batch_server.active() == []
    assert left_open(batch_server) == []


def test_killed_between_submission_and_its_answer(batch_server, tmp_path):
    """The job exists, the driver has never heard of it: the next driver finds it by its name."""
    python = stub_job.prepare(tmp_path, 3, seconds=2)
    batch_server.answer = lambda job_id: time.sleep(3)
    process = driver.start(tmp_path, *RERUN, python=python)
    wait_for(lambda: batch_server.jobs)
    os.killpg(process.pid, signal.SIGKILL)
    batch_server.answer = lambda job_id: None
    code, said = driver.run(tmp_path, *RERUN, python=python)

    assert code == 0, said[-3000:]
    assert batch_server.calls["submitjob"] == 1  # the second driver took over, or found them done
    assert (stub_job.lost(tmp_path, 3), stub_job.doubled(tmp_path), batch_server.active()) == ([], {}, [])


def test_killed_before_submission_leaves_a_record_that_is_withdrawn(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 2)
    batch_server.trouble = lambda call, key: time.sleep(60) if call == "submitjob" and key == "killed" else None
    process = driver.start(tmp_path, *RERUN, python=python, env={"AWS_ACCESS_KEY_ID": "killed"})
    wait_for(lambda: batch_server.calls["submitjob"])
    os.killpg(process.pid, signal.SIGKILL)
    batch_server.trouble = lambda call, key: None
    assert len(left_open(batch_server)) == 1
    code, said = driver.run(tmp_path, *RERUN, python=python)

    assert code == 0, said[-3000:]
    assert (stub_job.lost(tmp_path, 2), stub_job.doubled(tmp_path), left_open(batch_server)) == ([], {}, [])


def test_spot_takes_back_a_third_without_using_retries(batch_server, tmp_path):
    jobs = 10
    python = stub_job.prepare(tmp_path, jobs, seconds=0.8)
    batch_server.fault = lambda job, attempt: HOST_GONE if attempt == 1 and job.job_id[-1] in "036" else None
    code, said = driver.run(tmp_path, "--retries", "0", python=python)

    assert code == 0, said[-3000:]
    assert (stub_job.lost(tmp_path, jobs), stub_job.doubled(tmp_path), batch_server.active()) == ([], {}, [])
    again = sorted(job_id[-1] for job_id, starts in batch_server.started.items() if starts == 2)
    assert again == ["0", "3", "6"]
    trace = (tmp_path / "fishladder-trace.tsv").read_text()
    assert trace.count("repeated by Batch") == 3
    assert trace.count("Host EC2") == 3


def test_a_fifth_of_all_calls_fails(batch_server, tmp_path):
    jobs, chance = 12, random.Random(3)

    def trouble(call: str, key: str):
        if key == "driver" and chance.random() < 0.2:
            return chance.choice([BROKEN, BROKEN, ANSWER_LOST, THROTTLED])
        return None

    python = stub_job.prepare(tmp_path, jobs, more="resources: mem_mb=lambda wc: 500 + int(wc.i) % 4")
    batch_server.trouble = trouble
    code, said = driver.run(tmp_path, python=python, env={"AWS_ACCESS_KEY_ID": "driver"})

    assert code == 0, said[-3000:]
    assert (stub_job.lost(tmp_path, jobs), stub_job.doubled(tmp_path), batch_server.active()) == ([], {}, [])


def test_submission_whose_answer_is_lost_is_found_by_name(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 3)
    answers = iter([ANSWER_LOST])
    batch_server.trouble = lambda call, key: next(answers, None) if call == "submitjob" else None
    code, said = driver.run(tmp_path, python=python)

    assert code == 0, said[-3000:]
    assert batch_server.calls["submitjob"] == 1
    assert (stub_job.lost(tmp_path, 3), stub_job.doubled(tmp_path)) == ([], {})


def test_submission_that_aws_carried_out_twice_runs_once(batch_server, tmp_path):
    """No answer, and Batch does not list the job yet: it is submitted again, and the double does nothing."""
    python = stub_job.prepare(tmp_path, 4)
    answers = iter([ANSWER_LOST])

    def trouble(call: str, key: str):
        return next(answers, None) if call == "submitjob" else NOTHING_LISTED if call == "listjobs" else None

    batch_server.trouble = trouble
    code, said = driver.run(tmp_path, python=python)
    assert code == 0, said[-3000:]
    assert batch_server.calls["submitjob"] == 2
    assert len([job for job in batch_server.jobs.values() if not job._child_jobs]) == 8
    assert (stub_job.lost(tmp_path, 4), stub_job.doubled(tmp_path), left_open(batch_server)) == ([], {}, [])


def test_files_removed_after_a_kill_are_made_again(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 3, seconds=0.5)
    process = driver.start(tmp_path, *RERUN, python=python)
    wait_for(lambda: batch_server.jobs)
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: not batch_server.active())
    time.sleep(3.5)
    (tmp_path / "out" / "1.txt").unlink()
    code, said = driver.run(tmp_path, *RERUN, python=python)
    assert code == 0, said[-3000:]
    assert stub_job.lost(tmp_path, 3) == []
    assert sorted(stub_job.doubled(tmp_path)) == [1]


def end_of_cancelled_run(server, process, folder) -> None:
    assert process.wait(60) != 0
    events = [json.loads(line) for line in (folder / "fishladder-trace.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "cancelled"
    assert server.active() == [], (folder / "driver.log").read_text()[-3000:]
    assert left_open(server) == []


def test_ctrl_c_during_submission(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 6, seconds=30, more="resources: mem_mb=lambda wc: 500 + int(wc.i)")
    batch_server.answer = lambda job_id: time.sleep(1.5)
    process = driver.start(tmp_path, python=python)
    wait_for(lambda: batch_server.jobs)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    end_of_cancelled_run(batch_server, process, tmp_path)


def test_ctrl_c_during_a_poll(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 4, seconds=30)
    batch_server.trouble = lambda call, key: time.sleep(2) if call == "describejobs" else None
    process = driver.start(tmp_path, python=python)
    wait_for(lambda: batch_server.calls["describejobs"] and batch_server.started)
    os.kill(process.pid, signal.SIGINT)
    end_of_cancelled_run(batch_server, process, tmp_path)


def test_sigterm_ends_jobs_too(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 4, seconds=30)
    process = driver.start(tmp_path, python=python)
    wait_for(lambda: batch_server.started)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    end_of_cancelled_run(batch_server, process, tmp_path)


def test_expired_credentials_end_the_driver_and_no_job(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 4, seconds=4)
    batch_server.trouble = lambda call, key: EXPIRED if key == "driver" and batch_server.started else None
    words = (*RERUN, "--fishladder-credentials-wait", "1")
    code, said = driver.run(tmp_path, *words, python=python, env={"AWS_ACCESS_KEY_ID": "driver"})
    assert code != 0
    assert "AWS refuses the credentials" in said
    assert "run the same command again" in said.replace("\n", " ")
    assert batch_server.active()

    code, said = driver.run(tmp_path, *words, python=python)
    assert code == 0, said[-3000:]
    assert (stub_job.lost(tmp_path, 4), stub_job.doubled(tmp_path), batch_server.active()) == ([], {}, [])
    assert batch_server.calls["submitjob"] == 1


def number_of(server, job) -> str:
    """Which job of the workflow a Batch job is. Snakemake hands them over in any order, so an index does not tell."""
    environment = {pair["name"]: pair["value"] for pair in job._get_container_property("environment", [])}
    place = Reference.parse(environment[ENVIRONMENT_NAME])
    _, rows = unpack(server.client("s3").get_object(Bucket=place.bucket, Key=place.key)["Body"].read())
    return re.search(r"make:i=(\d+)", rows[int(job.job_id.partition(":")[2] or 0)]["args"])[1]


def test_out_of_memory_is_tried_again_with_more_and_a_user_error_is_not(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 2, act="if number == '1': print('no such gene'); sys.exit(3)")
    killed = Fault(after=0.2, reason="OutOfMemoryError: Container killed due to memory usage", code=137)
    first = {"0"}

    def fault(job, attempt: int) -> Fault | None:
        number = number_of(batch_server, job)
        if number not in first:
            return None
        first.remove(number)
        return killed

    batch_server.fault = fault
    code, said = driver.run(tmp_path, "--retries", "2", "--keep-going", python=python)

    assert code != 0
    assert len(stub_job.runs(tmp_path)[1]) == 1  # the user's error: once
    assert stub_job.lost(tmp_path, 2) == [1]  # the one that ran out of memory has made it
    rows = list(csv.DictReader((tmp_path / "fishladder-trace.tsv").open(), delimiter="\t"))
    assert sorted((row["wildcards"], row["attempt"], row["memory_asked_mb"], row["outcome"]) for row in rows) == [
        ("i=0", "1", "500", "oom"),
        ("i=0", "2", "1000", "success"),
        ("i=1", "1", "500", "user"),
    ]
    for words in ("exit code: 3", "no such gene", "It is not tried again", "#jobs/detail/", "attempt 1 of 3"):
        assert words in said


def test_driver_killed_while_a_second_attempt_runs_takes_it_over(batch_server, tmp_path):
    """The command holds the memory, which the next driver, at its first attempt again, fills in otherwise."""
    more = "resources: mem_mb=lambda wildcards, attempt: 500 * attempt"
    python = stub_job.prepare(tmp_path, 1, seconds=12, more=more)
    killed = Fault(after=0.2, reason="OutOfMemoryError: Container killed due to memory usage", code=137)
    batch_server.fault = lambda job, attempt: killed if len(batch_server.started) == 1 else None
    process = driver.start(tmp_path, *RERUN, "--retries", "2", python=python)
    wait_for(lambda: len(batch_server.started) == 2)
    os.killpg(process.pid, signal.SIGKILL)
    code, said = driver.run(tmp_path, *RERUN, "--retries", "2", python=python)

    assert code == 0, said[-3000:]
    assert '"event":"adopted"' in (tmp_path / "fishladder-trace.jsonl").read_text()
    assert batch_server.calls["submitjob"] == 2
    assert (stub_job.lost(tmp_path, 1), batch_server.active(), left_open(batch_server)) == ([], [], [])


def test_trace_on_a_full_disk_is_told_once_and_no_job_waits_for_it(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 3)
    for name in ("full.tsv", "full.jsonl"):
        (tmp_path / name).symlink_to("/dev/full")
    code, said = driver.run(tmp_path, "--fishladder-trace", "full.tsv", python=python)
    assert code == 0, said[-3000:]
    assert said.count("the trace has gaps, as it cannot be written: [Errno 28] No space left on device") == 1
    assert (stub_job.lost(tmp_path, 3), stub_job.doubled(tmp_path), left_open(batch_server)) == ([], {}, [])


def test_out_of_memory_on_the_largest_instance_is_not_tried_again(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 1, seconds=60, more="resources: mem_mb=10000")
    killed = Fault(after=0.2, reason="OutOfMemoryError: Container killed due to memory usage", code=137)
    batch_server.fault = lambda job, attempt: killed
    code, said = driver.run(tmp_path, "--retries", "5", python=python)

    assert code != 0
    assert "on the largest instance of its queue, so it is not tried again" in said.replace("\n", " ")
    rows = list(csv.DictReader((tmp_path / "fishladder-trace.tsv").open(), delimiter="\t"))
    most = offered_mb(16 * 1024)  # a c5.2xlarge
    assert [(int(row["memory_asked_mb"]), row["outcome"]) for row in rows] == [
        (10_000, "oom"),
        (most, "oom-on-largest-instance"),
    ]


def test_right_that_is_missing_is_told_at_once(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 2, seconds=60)
    denied = Trouble(403, "AccessDeniedException")
    batch_server.trouble = lambda call, key: denied if (call, key) == ("describejobs", "driver") else None
    code, said = driver.run(tmp_path, python=python, env={"AWS_ACCESS_KEY_ID": "driver"})
    assert code != 0
    assert "the driver lacks batch:DescribeJobs" in said.replace("\n", " ")
    assert batch_server.calls["describejobs"] == 1
    assert len(batch_server.active()) == len(left_open(batch_server)) + 1 == 2  # they run on, to be taken over


def test_job_that_never_starts_says_why(batch_server, tmp_path):
    batch_server.hold.set()
    python = stub_job.prepare(tmp_path, 2)
    code, said = driver.run(tmp_path, "--fishladder-runnable-limit", "0.03", python=python)
    assert code != 0
    assert "no start for" in said
    assert "queue work and its compute environments are enabled and valid" in said
    assert batch_server.active() == []


def test_job_in_a_dead_queue_is_told_while_another_queue_works(batch_server, tmp_path):
    batch_server.dead.add(batch_server.queue("dead"))
    queues = "resources: batch_queue=lambda wildcards: 'dead' if wildcards.i == '1' else 'work'"
    python = stub_job.prepare(tmp_path, 2, seconds=20, more=queues)
    code, said = driver.run(tmp_path, "--keep-going", "--fishladder-runnable-limit", "0.03", python=python)
    assert code != 0
    assert stub_job.lost(tmp_path, 2) == [1]
    assert said.index("queue dead and its compute environments are") < said.index("Finished jobid")


def test_job_that_waits_in_a_queue_that_was_deleted_says_so(batch_server, tmp_path):
    batch_server.hold.set()
    python = stub_job.prepare(tmp_path, 2)
    process = driver.start(tmp_path, "--fishladder-runnable-limit", "0.03", python=python)
    wait_for(lambda: batch_server.jobs)
    batch_server.client("batch").delete_job_queue(jobQueue="work")
    assert process.wait(60) != 0
    assert "there is no queue work in this region" in (tmp_path / "driver.log").read_text().replace("\n", " ")
    assert batch_server.active() == []


def test_job_that_vanished_is_an_error(batch_server, tmp_path):
    python = stub_job.prepare(tmp_path, 2, seconds=30)
    process = driver.start(tmp_path, python=python)
    wait_for(lambda: batch_server.started)
    for job in list(batch_server.jobs.values()):
        job.backend.backend._jobs.pop(job.job_id)
    assert process.wait(60) != 0
    assert "AWS Batch does not know the job any more" in (tmp_path / "driver.log").read_text()


def test_jobs_that_end_while_they_are_being_told_of(batch_server, tmp_path):
    """Hundreds of jobs end at once, before Snakemake has heard of all of them: each is told once."""
    jobs = 400
    python = stub_job.prepare(tmp_path, jobs)
    for i in range(jobs):
        (tmp_path / "out" / f"{i}.txt").touch()
    batch_server.run = False
    words = ("--forceall", "--until", "make", "--max-jobs-per-timespan", "1000/1s")
    code, said = driver.run(tmp_path, *words, python=python)
    assert code == 0, said[-3000:]
    assert said.count("Finished jobid") == jobs
    assert batch_server.calls["submitjob"] == 1
    assert batch_server.calls["registerjobdefinition"] == 1
    assert batch_server.calls["describejobs"] <= 5
    assert left_open(batch_server) == []
