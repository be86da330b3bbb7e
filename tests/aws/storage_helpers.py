"""What the storage tests share: a bucket to look into, a provider for it, files and directories to send."""

import logging
import random
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import boto3

from snakemake_storage_plugin_fishladder import StorageProvider, StorageProviderSettings


@dataclass
class Bucket:
    """An empty bucket on a server, and a plain client to look into it."""

    url: str
    name: str

    def __post_init__(self) -> None:
        # Of a session of its own: boto3's keeps the credentials of the test that came first.
        self.client = boto3.Session().client("s3", endpoint_url=self.url)
        self.client.create_bucket(Bucket=self.name)

    def names(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def write(self, key: str, content: bytes = b"", **given) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content, **given)


def count_requests(client) -> Counter:
    """Count what a client sends from now on, every try of it, by operation."""
    counts: Counter = Counter()
    client.meta.events.register_first(
        "before-send.s3", lambda event_name, **_: counts.update([event_name.split(".")[-1]])
    )
    return counts


def provider_for(bucket, folder, **given) -> StorageProvider:
    settings = StorageProviderSettings(**{"endpoint_url": bucket.url, **given})
    return StorageProvider(local_prefix=Path(folder) / "local", logger=logging.getLogger(), settings=settings)


def random_bytes(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def file_at(provider, bucket, key, content: bytes | None = None):
    """A storage object; with content, its local file is written."""
    made = provider.object(f"s3://{bucket.name}/{key}")
    made.local_path().parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        made.local_path().write_bytes(content)
    return made


def directory_at(provider, bucket, key, files: dict[str, bytes]):
    made = provider.object(f"s3://{bucket.name}/{key}")
    subprocess.run(["rm", "-rf", made.local_path()], check=True)
    made.local_path().mkdir(parents=True)
    for name, content in files.items():
        path = made.local_path() / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return made


def tree(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    empty = {
        f"{p.relative_to(folder).as_posix()}/": b"" for p in folder.rglob("*") if p.is_dir() and not any(p.iterdir())
    }
    return found | empty
