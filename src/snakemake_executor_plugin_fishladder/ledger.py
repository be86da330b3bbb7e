"""The submissions that have not ended, kept in S3: what a restarted driver adopts, and what jobs left behind."""

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import manifest, states


def split(address: str) -> tuple[str, str]:
    """Bucket and folder of `s3://bucket/folder`; raise ValueError where it is none."""
    bucket, _, folder = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise ValueError(f"{address!r} is not s3://bucket/folder")
    return bucket, folder.strip("/")


def digest(*facts: Any) -> str:
    """A short name of some facts: the same for the same facts, wherever and whenever."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:20]


class Ledger:
    def __init__(self, clients: Mapping[str, Any], address: str, workflow: str) -> None:
        self.clients, self.workflow = clients, workflow
        self.bucket, self.prefix = split(address)
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def s3(self) -> Any:
        return self.clients["s3"]

    def key(self, submission: str) -> str:
        return states.open_folder(self.prefix, self.workflow) + submission

    def open(self, submission: str, header: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> manifest.Reference:
        """Write down a submission, before it is made."""
        body, first, width = manifest.pack(
            {**header, "batch": submission, "prefix": self.prefix, "size": len(rows)}, rows
        )
        self.s3.put_object(Bucket=self.bucket, Key=self.key(submission), Body=body)
        return manifest.Reference(self.bucket, self.key(submission), first, width)

    def void(self, submission: str) -> None:
        """Withdraw a submission: none of its jobs that has not begun will do anything."""
        self.s3.delete_object(Bucket=self.bucket, Key=self.key(submission))

    def close(self, submission: str) -> None:
        """Forget a submission whose jobs have all ended, and what they left."""
        self.void(submission)
        keys = list(self.list(states.folder(self.prefix, submission) + "/"))
        for start in range(0, len(keys), 1000):
            names = [{"Key": key} for key in keys[start : start + 1000]]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": names, "Quiet": True})

    def unfinished(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Header and rows of every submission of this workflow that has not ended."""
        for key in list(self.list(states.open_folder(self.prefix, self.workflow))):
            yield manifest.unpack(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def ends(self, submission: str) -> dict[int, states.End]:
        """How the jobs of a submission ended, the last attempt of each."""
        folder = states.end_folder(self.prefix, submission)
        found = (states.End.parse(key.removeprefix(folder)) for key in self.list(folder))
        return {end.index: end for end in sorted(found, key=lambda end: end.attempt)}

    def tail(self, submission: str, end: states.End) -> list[str]:
        """The last lines a job wrote."""
        key = states.end_folder(self.prefix, submission) + end.name()
        return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())["tail"]

    def owner(self, submission: str, index: int) -> str | None:
        """The Batch job that runs, or ran, a job; None where none has begun."""
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=states.claim_key(self.prefix, submission, index))
        except self.s3.exceptions.NoSuchKey:
            return None
        return answer["Body"].read().decode()

    def list(self, prefix: str) -> Iterable[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", ()):
                yield found["Key"]
