"""What goes to AWS Batch, as values: submissions, names, job definitions, needs, and who can hold them."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_fishladder import capacity, submitting
from snakemake_executor_plugin_fishladder.clients import is_throttled, is_unclear
from snakemake_executor_plugin_fishladder.commands import SECRET_WORDS, travelling, with_python
from snakemake_executor_plugin_fishladder.job_definitions import Definitions, RunSettings, definition, parse_volumes
from snakemake_executor_plugin_fishladder.manifest import Reference
from snakemake_executor_plugin_fishladder.needs import Needs, Refusal, disk_of, image_of, in_registry, needs_of
from snakemake_executor_plugin_fishladder.run_settings import run_settings_of, state_prefix
from snakemake_executor_plugin_fishladder.settings import ExecutorSettings, pairs
from snakemake_executor_plugin_fishladder.states import NO_RUNTIME
from tests.aws.batch_server import tried_again

NEEDS = Needs("tool:1", 2, 3000, queue="work")
RUN_SETTINGS = RunSettings(
    "arn:job", "arn:exec", "/logs", "eu-central-1", "/opt/fishladder/bin/python", runtime="/mnt/runtime"
)


def job(image: str | None = "docker://a/tool:1", threads: int = 2, rule: str = "make", **resources: object):
    return SimpleNamespace(
        is_group=lambda: False,
        container_img_url=image,
        threads=threads,
        resources=resources,
        rule=SimpleNamespace(name=rule),
    )


def group(*jobs):
    return SimpleNamespace(is_group=lambda: True, jobs=jobs, threads=1, resources={})


@given(st.lists(st.integers(0, 4), max_size=400), st.integers(1, 150))
def test_plan_keeps_every_job_once_and_only_alike_jobs_together(kinds, limit):
    jobs = list(enumerate(kinds))
    planned = submitting.plan(jobs, lambda one: one[1], limit)
    assert sorted(one for some in planned for one in some) == jobs
    for some in planned:
        assert 1 <= len(some) <= limit
        assert len({kind for _, kind in some}) == 1
    fewest = sum(-(-kinds.count(kind) // limit) for kind in set(kinds))
    assert len(planned) == fewest


def test_plan_makes_arrays_as_large_as_aws_takes_them_and_no_larger():
    sizes = [len(some) for some in submitting.plan(range(20_001), lambda _: 0)]
    assert sizes == [10_000, 10_000, 1]


@given(st.text(max_size=300))
def test_job_names_are_valid_and_tell_their_submission(rule):
    name = submitting.job_name("0123456789", key := submitting.new_key(), rule)
    assert 1 <= len(name) <= 128
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    assert submitting.key_of(name, "0123456789") == key
    assert submitting.key_of(name, "other") is None


def test_requests_stay_small_however_long_the_command():
    reference = Reference("b" * 63, "k" * 1024, 10**6, 10**6)
    made = submitting.request("n", "arn", NEEDS, reference, 10_000, {})
    assert made["arrayProperties"] == {"size": 10_000}
    assert len(str(made["containerOverrides"])) < 8192
    assert "arrayProperties" not in submitting.request("n", "arn", NEEDS, reference, 1, {})


def test_tags_are_at_most_fifty_and_the_users_come_first():
    given_tags = {f"k{n}": "v" for n in range(60)}
    assert list(submitting.tags("rule", "w", given_tags)) == [f"k{n}" for n in range(50)]
    assert submitting.tags("rule", "w", {"cost": "lab"})["fishladder-rule"] == "rule"


def test_submit_looks_by_name_where_no_answer_came():
    class Lost(Exception):
        response = {"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}  # noqa: RUF012

    class Slow(Exception):
        response = {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}  # noqa: RUF012

    assert is_unclear(Lost()) and not is_throttled(Lost())
    assert is_throttled(Slow()) and not is_unclear(Slow())
    answers = iter([Slow(), Slow(), Lost()])

    def send() -> str:
        raise next(answers)

    assert submitting.submit(send, lambda: ["found"], lambda _: None) == ("found", True)
    answers = iter([Lost(), "second"])

    def again() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert submitting.submit(again, list, lambda _: None) == ("second", True)


@given(
    st.builds(
        Needs,
        image=st.text(min_size=1),
        vcpus=st.integers(1, 96),
        memory_mb=st.integers(4, 10**6),
        gpus=st.integers(0, 8),
        queue=st.just("work"),
    )
)
def test_submissions_ask_for_exactly_what_the_rule_asks_and_share_the_definition_of_their_image(needs):
    made = submitting.request("n", "arn", needs, Reference("b", "k", 1, 1), 1, {})
    asked = {one["type"]: one["value"] for one in made["containerOverrides"]["resourceRequirements"]}
    wanted = {"VCPU": str(needs.vcpus), "MEMORY": str(needs.memory_mb)}
    assert asked == (wanted | {"GPU": str(needs.gpus)} if needs.gpus else wanted)
    registered = definition(needs.image, RUN_SETTINGS)
    assert registered["containerProperties"]["privileged"] is False
    assert registered == definition(needs.image, RUN_SETTINGS)
    other = definition(needs.image + "x", RUN_SETTINGS)
    assert registered["jobDefinitionName"] != other["jobDefinitionName"]
    assert len(registered["jobDefinitionName"]) <= 128


def test_definitions_are_registered_once_however_many_ask_at_the_same_time():
    registered = []

    def register(**request):
        time.sleep(0.05)
        registered.append(request["containerProperties"]["image"])
        return {"jobDefinitionArn": request["jobDefinitionName"]}

    nothing = SimpleNamespace(
        describe_job_definitions=lambda **_: {"jobDefinitions": []}, register_job_definition=register
    )
    definitions = Definitions({"batch": nothing}, RUN_SETTINGS)
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(definitions.arn, ["a:1", "b:1"] * 8))
    assert sorted(registered) == ["a:1", "b:1"]
    assert len(set(arns)) == 2


def test_definition_names_roles_logs_and_mounts_the_runtime_read_only():
    container = definition(NEEDS.image, RUN_SETTINGS)["containerProperties"]
    assert (container["jobRoleArn"], container["executionRoleArn"]) == ("arn:job", "arn:exec")
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/logs"
    assert container["mountPoints"] == [{"sourceVolume": "v0", "containerPath": "/opt/fishladder", "readOnly": True}]
    assert container["volumes"] == [{"name": "v0", "host": {"sourcePath": "/mnt/runtime"}}]


@pytest.mark.parametrize(
    ("code", "status_reason", "reason", "again"),
    [
        (None, "Host EC2 (instance i-1) terminated.", "", True),
        (1, "Essential container in task exited", "", False),
        (9, "Essential container in task exited", "", False),
        (NO_RUNTIME, "Essential container in task exited", "", True),
        (137, "Essential container in task exited", "OutOfMemoryError: killed", False),
        (None, "Task failed to start", "DockerTimeoutError: slow", True),
        (None, "Task failed to start", "CannotPullContainerError: not found", False),
    ],
)
def test_batch_repeats_only_what_the_host_is_to_blame_for(code, status_reason, reason, again):
    strategy = definition(NEEDS.image, RUN_SETTINGS)["retryStrategy"]
    assert len(strategy["evaluateOnExit"]) <= 5
    assert strategy["evaluateOnExit"][-1]["action"] == "EXIT"
    assert tried_again(strategy, 1, code, status_reason, reason) is again
    assert tried_again(strategy, 5, code, status_reason, reason) is False


@pytest.mark.parametrize(
    ("image", "registry", "named"),
    [
        ("quay.io/bio/salmon:1", "mine.example/x", "mine.example/x/bio/salmon:1"),
        ("debian:12", "mine.example/x/", "mine.example/x/debian:12"),
        ("user/tool:1", "mine.example", "mine.example/user/tool:1"),
        ("mine.example/x/tool:1", "mine.example/x", "mine.example/x/tool:1"),
        ("localhost:5000/tool", "mine.example", "mine.example/tool"),
        ("quay.io/bio/salmon:1", None, "quay.io/bio/salmon:1"),
    ],
)
def test_registry_takes_the_place_of_each_images_own(image, registry, named):
    assert in_registry(image, registry) == named
    assert in_registry(named, registry) == named


@given(
    memory=st.integers(1, 10**6), threads=st.integers(1, 96), disk=st.integers(0, 10**7), floor=st.integers(0, 10**6)
)
def test_needs_are_never_less_than_asked(memory, threads, disk, floor):
    found = needs_of(job(threads=threads, mem_mb=memory), ExecutorSettings(queue="work"), floor)
    assert found.memory_mb == max(memory, floor, 4)
    assert (found.vcpus, disk_of(job(disk_mb=disk)), disk_of(job())) == (threads, disk, 0)


def test_what_a_rule_does_not_say_comes_from_the_settings():
    settings = ExecutorSettings(queue="work", image="base:1", memory_mb=1234, timeout=7)
    found = needs_of(job(image=None, mem_mb="<TBD>"), settings)
    assert (found.image, found.memory_mb, found.timeout_s, found.queue) == ("base:1", 1234, 420, "work")
    own = needs_of(job(runtime=90, batch_queue="gpu", nvidia_gpu=2), settings)
    assert (own.image, own.timeout_s, own.queue, own.gpus) == ("a/tool:1", 5400, "gpu", 2)
    assert needs_of(job(), ExecutorSettings(timeout=0)).timeout_s is None


def test_groups_with_different_images_are_refused_with_the_remedy():
    with pytest.raises(Refusal, match="one container: give its rules the same container:"):
        image_of(group(job("docker://a:1", rule="one"), job("docker://b:1", rule="two")), None)
    assert image_of(group(job("docker://a:1"), job("docker://a:1")), None) == "a:1"
    with pytest.raises(Refusal, match="Rule make names no container"):
        image_of(job(image=None), None)
    with pytest.raises(Refusal, match="cannot run shub://x"):
        image_of(job(image="shub://x"), None)


# What is advertised (MiB), and of that what the system of a running instance did not see (bytes). The first is of AWS's
# page on memory of Batch's compute resources, where 7,985 MiB are left; the others were measured by Karpenter
# (aws/karpenter-provider-aws, pkg/providers/instancetype/zz_generated.memory_overhead.go), the worst of their kinds.
@pytest.mark.parametrize(
    ("advertised_mb", "unseen"),
    [
        pytest.param(8192, 8192 * 2**20 - 8_373_026_816, id="m4.large"),
        pytest.param(4096, 453_677_056, id="c5.large"),
        pytest.param(8192, 645_001_216, id="c5d.xlarge"),
        pytest.param(8192, 585_805_824, id="m5.large"),
        pytest.param(16_384, 999_677_952, id="a1.2xlarge"),
        pytest.param(73_728, 3_691_565_056, id="c5.9xlarge"),
        pytest.param(147_456, 7_053_815_808, id="c5.18xlarge"),
        pytest.param(786_432, 30_038_941_696, id="m6a.48xlarge"),
        pytest.param(1_048_576, 34_284_675_072, id="i4i.32xlarge"),
    ],
)
def test_an_instance_is_never_thought_to_offer_more_than_it_registers(advertised_mb, unseen):
    described = {"MemoryInfo": {"SizeInMiB": advertised_mb}, "VCpuInfo": {"DefaultVCpus": 2}, "InstanceType": "t"}
    registers = advertised_mb - unseen / 2**20 - capacity.AGENT_MB
    assert 0.85 * registers < capacity.shape(described).memory_mb <= registers


SHAPES = [capacity.Shape(7494, 2, 0, "m5.large"), capacity.Shape(15_276, 8, 0, "c5.2xlarge")]


@given(st.integers(1, 128), st.integers(4, 40_000), st.integers(0, 2))
def test_a_request_is_refused_exactly_where_no_instance_holds_it(vcpus, memory, gpus):
    needs = Needs("t", vcpus, memory, gpus, queue="work")
    fits = gpus == 0 and ((vcpus <= 2 and memory <= 7494) or (vcpus <= 8 and memory <= 15_276))
    assert (capacity.refusal(needs, SHAPES, None) is None) is fits


def test_refusals_tell_what_there_is():
    assert "The largest is c5.2xlarge" in capacity.refusal(Needs("t", 1, 99_999, queue="w"), SHAPES, None)
    too_much = capacity.refusal(Needs("t", 1, 1), SHAPES, None, disk_mb=60, scratch_mb=50)
    assert too_much.startswith("it asks for 60 MB of scratch, an instance has 50 MB")
    assert capacity.refusal(Needs("t", 1, 1), SHAPES, None, disk_mb=50, scratch_mb=50) is None
    assert "allows 4 altogether" in capacity.refusal(Needs("t", 8, 100, queue="w"), SHAPES, 4)
    assert capacity.refusal(Needs("t", 999, 10**9), [], None) is None  # nothing is known: go on
    assert capacity.patterns(["c5", "m5.large"]) == ["c5.*", "m5.large"]
    assert "m5.*" in capacity.patterns(["optimal"])


@pytest.mark.parametrize(
    "name",
    [
        *("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "NCBI_KEY", "SSH_KEY", "LICENSE_KEY"),
        *("DB_PASS", "DB_PASSWORD", "MYSQL_PWD", "GPG_PASSPHRASE", "LAB_CREDENTIALS", "private_repo", "GITHUB_AUTH"),
        *(f"LAB_{word}_1" for word in SECRET_WORDS),
    ],
)
def test_secrets_stay_at_home(name):
    assert travelling({name: "x", "LANG": "C", "REF_PATH": "/r"}) == ({"LANG": "C", "REF_PATH": "/r"}, [name])


def test_documentation_says_which_names_look_secret():
    page = (Path(__file__).parents[2] / "docs" / "executor.md").read_text()
    *most, last = SECRET_WORDS
    assert f"contains {', '.join(most)} or {last}" in " ".join(page.split())


def test_settings_are_read_with_their_mistakes_told(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    run_settings = run_settings_of(
        ExecutorSettings(runtime="/mnt/r", tags="cost=lab,who=me", secrets="KEY=arn:x", volumes="/a:/b:ro")
    )
    assert run_settings.python == "/opt/fishladder/bin/python"
    assert (run_settings.tags, run_settings.secrets) == ((("cost", "lab"), ("who", "me")), (("KEY", "arn:x"),))
    assert run_settings.volumes == (("/a", "/b", True),)
    for wrong in ("a", "=b"):
        with pytest.raises(ValueError, match="is not NAME=VALUE"):
            pairs(wrong)
    for wrong in ("/a", "a:/b", "/a:/b:rx"):
        with pytest.raises(ValueError, match="is not HOST:CONTAINER"):
            parse_volumes(wrong)


def test_state_prefix_is_the_setting_or_below_the_storage():
    assert state_prefix(ExecutorSettings(prefix="s3://b/x"), "s3://c") == "s3://b/x"
    assert state_prefix(ExecutorSettings(), "s3://c/run/") == "s3://c/run/.fishladder"
    with pytest.raises(ValueError, match="--fishladder-prefix"):
        state_prefix(ExecutorSettings(), None)


def test_sources_are_deployed_by_the_runtimes_python():
    command = "python -m snakemake --deploy-sources s3://q sum && /opt/p -m snakemake"
    assert with_python(command, "/opt/p") == "/opt/p -m snakemake --deploy-sources s3://q sum && /opt/p -m snakemake"


def test_documentation_lists_every_setting():
    page = (Path(__file__).parents[2] / "docs" / "executor.md").read_text()
    for one in fields(ExecutorSettings):
        default = "" if one.default is None else f"`{one.default}`"
        assert f"| `{one.name.replace('_', '-')}` | {default} | {one.metadata['help']} |" in page
