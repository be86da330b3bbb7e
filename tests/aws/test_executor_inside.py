"""What a job does in its container before and after its command, against S3: claims it, and never does it twice."""

import os
import signal
import time

import pytest
from botocore.awsrequest import AWSResponse

from snakemake_executor_plugin_fishladder import inside
from snakemake_executor_plugin_fishladder.clients import Clients
from snakemake_executor_plugin_fishladder.inside import Job, perform
from snakemake_executor_plugin_fishladder.ledger import Ledger
from snakemake_executor_plugin_fishladder.outcomes import classify
from snakemake_executor_plugin_fishladder.states import NO_RUNTIME, VOID, End
from tests.aws.batch_server import REGION


@pytest.fixture
def ledger(batch_server) -> Ledger:
    return Ledger(Clients(REGION), "s3://lab/state", "w")


def open_job(ledger: Ledger, folder, attempt: int = 1, job_id: str = "ours", after: str = "") -> Job:
    """A job of a submission of two, each of which leaves a line in a file."""
    header = {"before": "echo ran >> ", "after": after, "workdir": str(folder), "env": {}}
    reference = ledger.open("k", header, [{"args": "first"}, {"args": "second"}])
    return Job(ledger.s3, reference, 0, job_id, attempt)


class Body:
    """The body of an answer."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_):
        yield self.content


def conflicts(client, times: int) -> list[str]:
    """Answer the next claims with a conflict; return what is sent."""
    sent: list[str] = []

    def answer(request, **_):
        sent.append(request.url)
        if len(sent) <= times:
            body = b"<Error><Code>ConditionalRequestConflict</Code><Message>made by the test</Message></Error>"
            return AWSResponse(request.url, 409, {}, Body(body))
        return None

    client.meta.events.register("before-send.s3.PutObject", answer)
    return sent


def test_a_claim_that_meets_another_write_is_made_again_and_not_given_up(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(inside, "CLAIM_PAUSE_S", 0)
    job = open_job(ledger, tmp_path)
    sent = conflicts(ledger.s3, 2)
    assert perform(job) == 0
    assert (tmp_path / "first").read_text() == "ran\n"
    assert ledger.owner("k", 0) == "ours"
    assert [url.rpartition("/state/jobs/k/")[2] for url in sent[:3]] == ["claim/0"] * 3


def test_claims_that_always_meet_another_write_end_in_an_error(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(inside, "CLAIM_PAUSE_S", 0)
    job = open_job(ledger, tmp_path)
    sent = conflicts(ledger.s3, 10**6)
    with pytest.raises(ledger.s3.exceptions.ClientError, match="ConditionalRequestConflict"):
        perform(job)
    assert len(sent) == inside.CLAIMS
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_job_is_not_done_by_a_double(ledger, tmp_path):
    assert perform(open_job(ledger, tmp_path)) == 0
    assert perform(open_job(ledger, tmp_path, job_id="double")) == VOID
    assert (tmp_path / "first").read_text() == "ran\n"


def test_a_job_that_ended_well_before_its_host_went_is_not_done_again(ledger, tmp_path):
    assert perform(open_job(ledger, tmp_path)) == 0
    assert perform(open_job(ledger, tmp_path, attempt=2)) == 0
    assert (tmp_path / "first").read_text() == "ran\n"
    assert ledger.ends("k")[0].attempt == 1


def test_a_job_whose_first_attempt_failed_or_left_nothing_is_done_again(ledger, tmp_path):
    for code, index in ((3, 0), (0, 1)):  # its own end, and the good one of another job
        job = open_job(ledger, tmp_path)
        job.fetch()
        job.index = index
        job.leave(End(index, 1, code, "", 1, 2, 3), "")
    assert perform(open_job(ledger, tmp_path, attempt=2)) == 0
    assert (tmp_path / "first").read_text() == "ran\n"


@pytest.mark.parametrize("code", range(93, 98))
def test_a_rules_own_exit_code_says_nothing_of_runtime_scratch_or_access(ledger, tmp_path, code):
    told = perform(open_job(ledger, tmp_path, after=f"; exit {code}"))
    assert told == (1 if code == NO_RUNTIME else code)  # Batch tries 97 again
    end = ledger.ends("k")[0]
    assert end.code == code
    assert classify({"status": "FAILED", "container": {"exitCode": told}}, end) == "user"


def test_scratch_that_is_too_small_or_full_is_told_beside_the_exit_code(ledger, tmp_path):
    said = "; echo 'cannot write: No space left on device'; exit 3"
    job = open_job(ledger, tmp_path, after=said)
    assert perform(job) == 3
    end = ledger.ends("k")[0]
    assert (end.code, end.cause, classify({"status": "FAILED"}, end)) == (3, "disk", "disk")
    row = {"args": "first", "disk_mb": 10**9}
    code, tail, cause = inside.run_in(job, row, tmp_path)
    assert (code, cause) == (1, "disk")
    assert "asks for 1000000000 MB of scratch" in tail


def test_what_a_command_leaves_in_the_background_does_not_keep_the_job(ledger, tmp_path):
    job = open_job(ledger, tmp_path)
    start = time.monotonic()
    code, tail = job.run("echo early; sleep 60 & echo $! >background; echo told", tmp_path)
    took = time.monotonic() - start
    os.kill(int((tmp_path / "background").read_text()), signal.SIGKILL)
    assert (code, tail) == (0, "early\ntold\n")
    assert took < 30


def test_a_line_without_an_end_is_kept_at_its_end_only(ledger, tmp_path):
    code, tail = open_job(ledger, tmp_path).run("head -c 3000000 /dev/zero | tr '\\0' x; printf end", tmp_path)
    assert code == 0
    assert tail.endswith("xend")
    assert len(tail) <= 2 * inside.TAIL
