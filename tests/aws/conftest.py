"""Fixtures shared by the tests of the executor and of the storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.batch_server import BatchServer

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def batch_server(monkeypatch) -> Iterator[BatchServer]:
    """moto's server on 127.0.0.1 with a Batch that runs jobs as processes of this machine, queue `work`, bucket `lab`.

    `batch_server.url` is its address, `batch_server.environment()` what a client or a driver needs of variables,
    `batch_server.client("s3")` a boto3 client. How jobs run, fail and are counted: see BatchServer.
    """
    server = BatchServer().start()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.client("s3").create_bucket(Bucket="lab", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    server.queue()
    yield server
    server.stop()
