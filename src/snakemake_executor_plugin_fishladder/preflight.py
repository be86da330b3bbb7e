"""Check what a run needs before it costs anything: each line is ok, or says what to do.

snakemake --executor fishladder --fishladder-preflight ...
python -m snakemake_executor_plugin_fishladder.preflight --queue work --prefix s3://bucket/folder --image tool:1
"""

import argparse
import datetime
import email.utils
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .allowed import mistakes
from .capacity import Capacity
from .clients import Clients, code_of, is_denied, is_unreached
from .failures import to_do, unreached
from .ledger import Ledger
from .needs import Refusal, image_for
from .run_settings import region_of
from .settings import ExecutorSettings
from .sources import named_files, unlisted
from .trial import try_images

ECR = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?:@(sha256:\w+)|:([\w.-]+))?$")
CLOCK_LIMIT_S = 300


@dataclass(frozen=True)
class Line:
    what: str
    ok: bool | None  # None: cannot be told from here
    text: str

    def __str__(self) -> str:
        return f"{ {True: 'ok  ', False: 'FAIL', None: '?   '}[self.ok] } {self.what}: {self.text}"


class Checks:
    def __init__(self, settings: ExecutorSettings, ledger: Ledger, images: Sequence[str], clients: Clients) -> None:
        self.settings, self.ledger, self.images, self.clients = settings, ledger, images, clients
        self.capacity = Capacity(clients)

    def run(self) -> Iterator[Line]:
        """All checks; an error of AWS is a line, not the end."""
        checks: list[tuple[str, Callable[[], Iterable[Line]], str]] = [
            ("credentials and clock", self.identity, "log in (aws sso login), or set AWS_PROFILE or a key"),
            ("queue", self.queue, "allow batch:DescribeJobQueues and batch:DescribeComputeEnvironments"),
            ("instances", self.instances, "allow ec2:DescribeInstanceTypes"),
            ("roles", self.roles, "allow iam:GetRole, to have the roles checked"),
            (
                "bucket",
                self.bucket,
                "allow s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket on the prefix",
            ),
            ("log group", self.logs, "allow logs:DescribeLogGroups, to have it checked"),
            ("images", self.pull, "allow ecr:DescribeImages, to have them checked"),
        ]
        for what, check, remedy in checks:
            try:
                yield from check()
            except Exception as error:
                unsure = is_denied(error) and what not in ("credentials and clock", "bucket")
                if is_unreached(error):
                    remedy = unreached(self.clients.region)
                yield Line(what, None if unsure else False, to_do(error, remedy))

    def identity(self) -> Iterator[Line]:
        answer = self.clients["sts"].get_caller_identity()
        yield Line("credentials", True, answer["Arn"])
        yield Line("region", True, self.clients["batch"].meta.region_name)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date:
            now = datetime.datetime.now(datetime.UTC)
            off = abs((now - email.utils.parsedate_to_datetime(date)).total_seconds())
            fine = off < CLOCK_LIMIT_S
            yield Line("clock", fine, f"{off:.0f} s from AWS's" + ("" if fine else ". To do: set this machine's clock"))

    def queue(self) -> Iterator[Line]:
        name = self.settings.queue
        if not name:
            yield Line("queue", False, "none given. To do: set --fishladder-queue")
            return
        try:
            queue, environments = self.capacity.environments(name)
        except LookupError as error:
            yield Line("queue", False, to_do(error, "check name, region and account"))
            return
        fine = queue["state"] == "ENABLED" and queue.get("status", "VALID") == "VALID"
        yield Line(
            "queue", fine, f"{name} {queue['state']}/{queue.get('status')} {queue.get('statusReason', '')}".strip()
        )
        if not environments:
            yield Line("compute environment", False, f"queue {name} has none. To do: give it one")
        for one in environments:
            fine = one["state"] == "ENABLED" and one.get("status", "VALID") == "VALID"
            limit = (one.get("computeResources") or {}).get("maxvCpus")
            told = f"{one['computeEnvironmentName']} {one['state']}/{one.get('status')}, at most {limit} vCPUs"
            yield Line("compute environment", fine, told if fine else f"{told}: {one.get('statusReason', '')}")

    def instances(self) -> Iterator[Line]:
        if not self.settings.queue:
            return
        shapes, _ = self.capacity.of(self.settings.queue)
        if shapes:
            most = max(shapes)
            told = f"{len(shapes)} types, the largest {most.name}: {most.vcpus} vCPUs, {most.memory_mb} MB for jobs"
            yield Line("instances", True, told)
        else:
            why = self.capacity.unknown.get(self.settings.queue, "its compute environments name no types")
            yield Line(
                "instances", None, f"unknown, so requests go unchecked ({why}). To do: allow ec2:DescribeInstanceTypes"
            )

    def roles(self) -> Iterator[Line]:
        for what, arn in (("job role", self.settings.job_role), ("execution role", self.settings.execution_role)):
            if not arn:
                yield Line(
                    what,
                    None,
                    f"none given: jobs act as their instance. To do: set --fishladder-{what.replace(' ', '-')}",
                )
                continue
            try:
                self.clients["iam"].get_role(RoleName=arn.rpartition("/")[2])
                yield Line(what, True, arn)
            except self.clients["iam"].exceptions.NoSuchEntityException:
                yield Line(what, False, f"{arn} does not exist. To do: check the ARN and the account")

    def bucket(self) -> Iterator[Line]:
        s3, place = self.clients["s3"], f"s3://{self.ledger.bucket}/{self.ledger.prefix}"
        key = "/".join(filter(None, (self.ledger.prefix, f"preflight-{secrets.token_hex(4)}")))
        try:
            s3.put_object(Bucket=self.ledger.bucket, Key=key, Body=b"preflight")
        except s3.exceptions.NoSuchBucket:
            yield Line("bucket", False, f"{self.ledger.bucket} does not exist. To do: create it; fishladder never does")
            return
        try:
            body = s3.get_object(Bucket=self.ledger.bucket, Key=key)["Body"].read()
            found = s3.list_objects_v2(Bucket=self.ledger.bucket, Prefix=key).get("KeyCount", 0)
        finally:
            s3.delete_object(Bucket=self.ledger.bucket, Key=key)
        yield Line("bucket", body == b"preflight" and found == 1, f"{place} can be written, read, listed and deleted")

    def logs(self) -> Iterator[Line]:
        group = self.settings.log_group
        groups = self.clients["logs"].describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        there = any(one["logGroupName"] == group for one in groups)
        yield Line("log group", there, group if there else f"{group} does not exist. To do: create it, or run one job")

    def pull(self) -> Iterator[Line]:
        for image in self.images:
            found = ECR.match(image)
            if not found:
                yield Line("image", None, f"{image}: not in ECR; an instance must be able to reach its registry")
                continue
            account, region, name, digest, tag = found.groups()
            if region != self.clients["batch"].meta.region_name:
                yield Line("image", None, f"{image}: in another region; pulling it costs time and money")
                continue
            wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
            try:
                self.clients["ecr"].describe_images(registryId=account, repositoryName=name, imageIds=[wanted])
                yield Line("image", True, image)
            except Exception as error:
                if code_of(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
                    raise
                yield Line("image", False, f"{image} is not there. To do: push it, or correct container:")


def sources(config: Any, folder: Path) -> Iterator[Line]:
    """Whether jobs, which share no folder with the driver, get what the configuration names."""
    missing = unlisted(named_files(config, folder), folder)
    if missing is None:
        yield Line(
            "sources", False, f"{folder} is in no git repository. To do: git init, git add: jobs get what git lists"
        )
    elif missing:
        names = " ".join(missing)
        yield Line("sources", False, f"git does not list {names}: jobs would not have it. To do: git add {names}")
    else:
        yield Line("sources", True, "git lists the tables that the configuration names, so jobs get them")


def images_of(jobs: Iterable[Any], settings: ExecutorSettings) -> tuple[list[str], list[Line]]:
    """The images that the jobs of a run need, and a line for each rule that has none that Batch can run."""
    images, refusals = set(), set()
    for job in jobs:
        if job.is_local:
            continue
        try:
            images.add(image_for(job, settings))
        except Refusal as refusal:
            refusals.add(str(refusal))
    return sorted(images), [Line("image", False, refusal) for refusal in sorted(refusals)]


def check_run(settings: ExecutorSettings, ledger: Ledger, workflow: Any, shared: bool) -> int:
    """Check what the jobs of a workflow need; 0 where nothing fails. `shared`: they share a folder with the driver."""
    images, more = images_of(workflow.dag.needrun_jobs(), settings)
    if not shared:
        more += sources(workflow.globals["config"], Path(workflow.workdir_init))
    return check_and_tell(settings, ledger, images, more)


def tell_mistakes(wrong: Sequence[str]) -> int:
    """Print a line for each mistake in the settings, without which nothing can be checked."""
    for mistake in wrong:
        print(Line("settings", False, mistake))
    print(f"{len(wrong)} to do")
    return 1


def check_and_tell(settings: ExecutorSettings, ledger: Ledger, images: Sequence[str], more: Iterable[Line] = ()) -> int:
    """Print every line, and try the images where nothing stands against it; 0 where nothing fails."""
    failed = 0
    for line in (*more, *Checks(settings, ledger, images, ledger.clients).run()):
        failed += line.ok is False
        print(line, flush=True)
    if failed:
        print(Line("images", None, "not tried: first the rest has to be right"))
    elif images:
        print(
            f"     trying the images, one job of 1 vCPU each ({len(images)}); instances take minutes to start",
            flush=True,
        )
        for image, ok, told in try_images(settings, ledger, images):
            failed += ok is False
            print(Line("image", ok, f"{image}: {told}"), flush=True)
    print(f"{failed} to do" if failed else "ready")
    return 1 if failed else 0


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__.splitlines()[0])
    for name in ("queue", "prefix", "region", "job_role", "execution_role", "log_group", "runtime"):
        field = next(one for one in fields(ExecutorSettings) if one.name == name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=field.default,
            required=name in ("queue", "prefix"),
            help=field.metadata["help"],
        )
    parser.add_argument("--image", action="append", default=[], help="An image that jobs need; may be repeated.")
    given: dict[str, Any] = vars(parser.parse_args(words))
    images = given.pop("image")
    settings = ExecutorSettings(**given)
    if wrong := mistakes(settings):
        return tell_mistakes(wrong)
    return check_and_tell(settings, Ledger(Clients(region_of(settings)), settings.prefix or "", "preflight"), images)


if __name__ == "__main__":
    sys.exit(main())
