"""Fixtures: S3 servers on this machine (moto, MinIO), and a new bucket on one or on each."""

import os
import uuid
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.aws import minio
from tests.aws.storage_helpers import Bucket


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


@pytest.fixture
def minio_bucket(minio_url, credentials) -> Bucket:
    return Bucket(minio_url, f"b-{uuid.uuid4().hex}")
