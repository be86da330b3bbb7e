"""Fixtures: S3 servers on this machine (moto, MinIO), a bucket, and counters and faults in front of a client."""

import os
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.aws import minio


@dataclass
class Bucket:
    """An empty bucket on a server, and a plain client to look into it."""

    url: str
    name: str

    def __post_init__(self) -> None:
        self.client = boto3.client("s3", endpoint_url=self.url)
        self.client.create_bucket(Bucket=self.name)

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def write(self, key: str, content: bytes = b"", **given) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content, **given)


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (minio.KEYS | minio.NOT_THE_MACHINES_OWN).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def moto_url():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def minio_url(tmp_path_factory):
    if (reason := minio.missing()) and not os.environ.get("CI"):
        pytest.skip(reason)
    with minio.serve(Path(tmp_path_factory.mktemp("minio")) / "data") as url:
        yield url


@pytest.fixture(params=["moto", "minio"])
def bucket(request, credentials) -> Bucket:
    """A new bucket on each of the two servers in turn."""
    return Bucket(request.getfixturevalue(f"{request.param}_url"), f"b-{uuid.uuid4().hex}")


@pytest.fixture
def moto_bucket(moto_url, credentials) -> Bucket:
    return Bucket(moto_url, f"b-{uuid.uuid4().hex}")


def count_requests(client) -> Counter:
    """Count what a client sends from now on, every try of it, by operation."""
    counts: Counter = Counter()
    client.meta.events.register_first(
        "before-send.s3", lambda event_name, **_: counts.update([event_name.split(".")[-1]])
    )
    return counts
