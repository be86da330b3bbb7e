"""The calls to S3 that this storage makes, and nothing that could create, empty or delete a bucket."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.utils import parse_timestamp
from snakemake_interface_common.exceptions import WorkflowError

from .errors import explained
from .inventory import Entry, Page
from .locations import Location, unfinished
from .settings import StorageProviderSettings

CHECKSUMS = ("ChecksumCRC32", "ChecksumSHA256", "ChecksumSHA1")  # those that Python can compute
BATCH = 1000  # keys in one DeleteObjects call: S3's limit
KEPT_BY_TOUCH = {  # what a copy of an object has to be given again
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata"),
    *("ServerSideEncryption", "SSEKMSKeyId", "StorageClass"),
}


@dataclass(frozen=True)
class Head:
    """What HEAD tells of one object."""

    entry: Entry
    checksums: dict[str, str]  # of the whole object, by S3's name: {"CRC32": base64}
    headers: dict[str, object]


class S3:
    """A boto3 client, and what to send with each call."""

    def __init__(self, settings: StorageProviderSettings) -> None:
        self.settings = settings
        with explained(settings.endpoint_url or "S3"):
            self.client = make_client(settings)

    @property
    def written_with(self) -> dict[str, str]:
        """Encryption and storage class of everything that is written."""
        given = {
            "ServerSideEncryption": self.settings.encryption,
            "SSEKMSKeyId": self.settings.kms_key_id,
            "StorageClass": self.settings.storage_class,
        }
        return {name: value for name, value in given.items() if value}

    @property
    def checks(self) -> bool:
        return self.settings.checksums != "off"

    def head(self, location: Location) -> Head | None:
        """Ask for one object; None where there is none."""
        mode = {"ChecksumMode": "ENABLED"} if self.checks else {}
        try:
            with explained(location):
                answer = self.client.head_object(Bucket=location.bucket, Key=location.key, **mode)
        except Exception as error:
            if answered(error) in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        # A checksum of checksums, as older multipart uploads have it, says nothing of the file as a whole.
        whole = answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        return Head(
            Entry(answer["ContentLength"], whole_second(answer["LastModified"]), answer.get("ETag", "")),
            {name.removeprefix("Checksum"): answer[name] for name in CHECKSUMS if whole and name in answer},
            {name: answer[name] for name in answer.keys() & KEPT_BY_TOUCH},
        )

    def list_page(self, bucket: str, prefix: str, start_after: str, most: int = 1000) -> Page:
        """One page of the listing. Raises PermissionError where listing is not allowed."""
        start = {"StartAfter": start_after} if start_after else {}
        try:
            with explained(f"s3://{bucket}/{prefix}"):
                answer = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **start)
        except Exception as error:
            if answered(error) in {"AccessDenied", "403"}:
                raise PermissionError(str(error)) from error
            raise
        return Page(entries_of(answer), answer["IsTruncated"])

    def listed(self, bucket: str, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Every object whose key starts with the prefix, now: its key and what it is; in any order."""
        with explained(f"s3://{bucket}/{prefix}"):
            for answer in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from entries_of(answer)

    def below(self, location: Location) -> Iterator[tuple[str, Entry]]:
        """Every object of a directory, now."""
        return self.listed(location.bucket, location.key + "/")

    def has_below(self, location: Location) -> bool:
        """Say whether a directory holds anything, now, and is whole."""
        try:
            found = self.list_page(location.bucket, location.key + "/", "", most=1).entries
        except PermissionError as error:
            raise WorkflowError(str(error)) from error
        return bool(found) and self.head(unfinished(location)) is None

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        keys = list(keys)
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            with explained(Location(bucket, batch[0])):
                if len(batch) == 1:
                    self.client.delete_object(Bucket=bucket, Key=batch[0])
                    continue
                wanted = {"Objects": [{"Key": key} for key in batch], "Quiet": True}
                answer = self.client.delete_objects(Bucket=bucket, Delete=wanted)
                for failed in answer.get("Errors", []):
                    raise ClientError({"Error": failed}, "DeleteObjects")


def make_client(settings: StorageProviderSettings):
    """A client with botocore's own retries, for any S3-compatible server."""
    core = botocore.session.Session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_time)
    client = boto3.session.Session(botocore_session=core).client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region or os.environ.get("AWS_REGION"),  # which boto3 does not read
        verify=None if settings.verify is None else settings.verify.lower() != "false" and settings.verify,
        config=Config(
            retries={"mode": settings.retry_mode, "total_max_attempts": settings.retries},
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            max_pool_connections=max(10, 2 * settings.transfers),
            s3={"addressing_style": settings.addressing_style},
            signature_version=botocore.UNSIGNED if settings.unsigned else None,
            request_checksum_calculation="when_supported" if settings.checksums != "off" else "when_required",
            response_checksum_validation="when_supported" if settings.checksums != "off" else "when_required",
            user_agent_extra="snakemake-storage-plugin-fishladder",
        ),
    )
    client.meta.events.register("before-parse.s3", take_429_for_503)
    return client


def entries_of(answer: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    """The objects of one answer of ListObjectsV2, as they come."""
    return [
        (found["Key"], Entry(found["Size"], whole_second(found["LastModified"]), found.get("ETag", "")))
        for found in answer.get("Contents", [])
    ]


def read_time(text: str) -> datetime:
    """Read a time of a listing, of which there are 1,000 a page, by the fast way; any other by botocore's."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return parse_timestamp(text)


def take_429_for_503(response_dict: dict, **_) -> None:
    """Let botocore retry "too many requests", which S3-compatible servers send as 429, as it retries S3's own 503."""
    if response_dict["status_code"] == 429:
        response_dict["status_code"] = 503


def answered(error: BaseException) -> str | None:
    """The code that the server answered with, where it did."""
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code")) if isinstance(cause, ClientError) else None


def whole_second(moment) -> float:
    """Listings of some servers tell milliseconds, HEAD never does: cut them off, so that both tell the same time."""
    return float(int(moment.timestamp()))
