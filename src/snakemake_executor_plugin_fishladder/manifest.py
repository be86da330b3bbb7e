"""The commands of one submission as one object, of which each job of an array reads its own row and nothing else.

A header and rows of JSON, each padded to a fixed width: row i begins at header + i * width. While the object exists
the submission counts: it is written before SubmitJob, tells a restarted driver what may be running, and a job whose
manifest is gone does nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENVIRONMENT_NAME = "FISHLADDER_MANIFEST"


@dataclass(frozen=True)
class Reference:
    """Where a manifest is and how to find a row in it; travels to the job as one environment variable."""

    bucket: str
    key: str
    header: int
    width: int

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}#{self.header},{self.width}"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        address, _, layout = text.rpartition("#")
        bucket, _, key = address.removeprefix("s3://").partition("/")
        header, _, width = layout.partition(",")
        return cls(bucket, key, int(header), int(width))

    def header_range(self) -> str:
        return f"bytes=0-{self.header - 1}"

    def row_range(self, index: int) -> str:
        start = self.header + index * self.width
        return f"bytes={start}-{start + self.width - 1}"


def line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def padded(content: bytes, width: int) -> bytes:
    return content[:-1].ljust(width - 1) + b"\n"


def pack(header: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[bytes, int, int]:
    """Lay out a manifest; return its bytes, the header's width and the rows' width."""
    first, lines = line(header), [line(row) for row in rows]
    width = max(map(len, lines))
    return first + b"".join(padded(one, width) for one in lines), len(first), width


def unpack(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a whole manifest: header and rows."""
    header, *rows = body.splitlines()
    return json.loads(header), [json.loads(row) for row in rows]


def common_ends(whole: str, part: str) -> tuple[str, str]:
    """What stands before and after a part of a command, the same for all jobs of a rule."""
    before, found, after = whole.partition(part)
    if not part or not found:
        raise ValueError("the job's arguments do not occur in its command")
    return before, after
