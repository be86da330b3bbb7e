"""Bring files to S3 and back, in parallel parts, and let no file through that is not the one that was sent."""

import base64
import hashlib
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import FlexibleChecksumError
from s3transfer.futures import TransferFuture
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber
from snakemake_interface_common.exceptions import WorkflowError

from .errors import explained
from .inventory import Entry
from .locations import Location, unfinished
from .s3 import S3, Head, answered

MB = 1024 * 1024
CHUNK = 4 * MB
LARGEST_COPY = 5 * 1024**3  # bytes in one CopyObject call: S3's limit


class NotWhole(WorkflowError):
    """What arrived is not what was sent."""


class Known(BaseSubscriber):
    """Tell a download what is known of the object, so that it need not ask, and never mixes two versions of it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def on_queued(self, future: TransferFuture, **_) -> None:
        future.meta.provide_transfer_size(self.entry.size)
        if self.entry.etag:
            future.meta.provide_object_etag(self.entry.etag)


class Mover:
    """Moves files between one machine and S3, all of them through one pool of threads."""

    def __init__(self, s3: S3) -> None:
        self.s3 = s3
        self.part = s3.settings.part_size_mb * MB
        self.manager = TransferManager(
            s3.client,
            TransferConfig(
                multipart_threshold=self.part,
                multipart_chunksize=self.part,
                max_request_concurrency=s3.settings.transfers,
            ),
        )

    def upload(self, files: Iterable[tuple[Path, Location]]) -> None:
        """Upload files, each with its checksum, which S3 refuses to take for another file's."""
        sent = []
        for file, location in files:
            given = self.s3.written_with | ({"ChecksumCRC32": crc32(file)} if self.s3.checks else {})
            sent.append((location, self.manager.upload(str(file), *location, given)))
        for location, future in sent:
            with explained(location):
                future.result()

    def upload_file(self, file: Path, location: Location) -> None:
        """Upload one file and see that it has arrived whole."""
        self.upload([(file, location)])
        if head := self.s3.head(location):
            verify(file, location, head)
        else:
            raise NotWhole(f"{location}: was sent, but is not there. Try again.")

    def upload_directory(self, folder: Path, location: Location) -> None:
        """Upload everything below a folder, and delete what an earlier version of it had and this one has not.

        S3 takes one object after the other: until all are there, a mark says that the directory is not.
        """
        files, markers = {}, []
        for path, name in files_below(folder):
            if path.is_dir():
                markers.append(f"{location.key}/{name}")
            else:
                files[f"{location.key}/{name}"] = path
        self.put_empty(mark := unfinished(location))
        self.upload((path, Location(location.bucket, key)) for key, path in files.items())
        for key in markers:
            self.put_empty(Location(location.bucket, key))
        arrived = dict(self.s3.below(location))
        for key, path in files.items():
            if key not in arrived or arrived[key].size != path.stat().st_size:
                raise NotWhole(f"s3://{location.bucket}/{key}: has not arrived whole. Try again.")
        self.s3.delete(location.bucket, [location.key, *(arrived.keys() - files.keys() - {*markers, mark.key})])
        self.s3.delete(location.bucket, [mark.key])

    def delete_directory(self, location: Location) -> None:
        """Delete everything below a key; what is left of it, if that is cut off, is marked as no whole directory."""
        if keys := {key for key, _ in self.s3.below(location)}:
            self.put_empty(mark := unfinished(location))
            self.s3.delete(location.bucket, keys - {mark.key})
            self.s3.delete(location.bucket, [mark.key])

    def put_empty(self, location: Location) -> None:
        with explained(location):
            self.s3.client.put_object(**address(location), Body=b"", **self.s3.written_with)

    def download_directory(self, location: Location, target: Path) -> None:
        """Download everything below a key into a folder, which appears only when it is whole."""
        hidden = target.with_name(f".{uuid.uuid4().hex}.part")
        hidden.mkdir(parents=True)
        try:
            wanted = []
            for key, entry in self.s3.below(location):
                if key == unfinished(location).key:
                    raise NotWhole(f"{location}: is not whole, its upload was cut off or is under way. Make it again.")
                if name := key.removeprefix(location.key + "/"):
                    path = inside(hidden, name)
                    (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
                    if not name.endswith("/"):
                        wanted.append((Location(location.bucket, key), entry, path))
            self.download(wanted)
            remove_local(target)
            hidden.rename(target)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def download(self, wanted: Iterable[tuple[Location, Entry, Path]]) -> None:
        """Download objects, each to a path that appears only when the file is whole; the first error ends them all."""
        started: list[tuple[Head, Path, TransferFuture]] = []
        try:
            wanted = list(wanted)
            for location, entry, target in wanted:
                started.append(self.start(location, entry, target))
            for (location, _, target), (head, part, future) in zip(wanted, list(started), strict=True):
                try:
                    self.finish(location, head, part, future)
                except NotWhole:  # or replaced since it was listed: look at what is there now, once more
                    head = self.look(location)
                    started.append(self.start(location, head.entry, target, head))
                    _, part, future = started[-1]
                    self.finish(location, head, part, future)
                part.replace(target)
        finally:
            for _, _, future in started:
                future.cancel()
            for _, part, future in started:
                with suppress(Exception):  # it was told, or is no news
                    future.result()
                part.unlink(missing_ok=True)

    def start(
        self, location: Location, entry: Entry, target: Path, head: Head | None = None
    ) -> tuple[Head, Path, TransferFuture]:
        """Begin a download into a hidden file beside the target."""
        if head is None and self.s3.checks and entry.size >= self.part:
            # An answer that holds the whole object is checked by botocore; for one in parts the sum has to be asked.
            head = self.look(location)
        head = head or Head(entry, {}, {})
        part = target.with_name(f".{uuid.uuid4().hex}.part")
        mode = {"ChecksumMode": "ENABLED"} if self.s3.checks else {}
        return head, part, self.manager.download(*location, str(part), mode, [Known(head.entry)])

    def finish(self, location: Location, head: Head, part: Path, future: TransferFuture) -> None:
        """Wait for a download; raise NotWhole where it is not what S3 holds."""
        try:
            with explained(location):
                future.result()
        except WorkflowError as error:
            if isinstance(error.__cause__, FlexibleChecksumError) or answered(error) in {"PreconditionFailed", "412"}:
                raise NotWhole(str(error)) from error
            raise
        verify(part, location, head)
        if head.entry.mtime > time.time():  # a clock behind the server's must not make the copy look outdated
            os.utime(part, (head.entry.mtime, head.entry.mtime))

    def look(self, location: Location) -> Head:
        if head := self.s3.head(location):
            return head
        raise WorkflowError(f"{location}: was deleted before it was downloaded.")

    def touch(self, location: Location, head: Head) -> None:
        """Give an object the time of now, by copying it onto itself."""
        given = head.headers | self.s3.written_with | {"MetadataDirective": "REPLACE"}
        with explained(location):
            if head.entry.size <= LARGEST_COPY:
                self.s3.client.copy_object(**address(location), CopySource=address(location), **given)
            else:
                self.manager.copy(address(location), *location, given).result()


def remove_local(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def address(location: Location) -> dict[str, str]:
    return {"Bucket": location.bucket, "Key": location.key}


def verify(file: Path, location: Location, head: Head) -> None:
    """Raise NotWhole where a file is not what S3 says that it holds."""
    size = file.stat().st_size
    if size != head.entry.size:
        raise NotWhole(f"{location}: S3 holds {head.entry.size} bytes, here are {size}. Try again.")
    for name, sum_of in SUMS.items():
        if name in head.checksums:
            if sum_of(file) != head.checksums[name]:
                raise NotWhole(f"{location}: S3 holds another {name} checksum than the file here has. Try again.")
            return


def digest(kind: str) -> Callable[[Path], str]:
    def sum_of(file: Path) -> str:
        with file.open("rb") as content:
            return base64.b64encode(hashlib.file_digest(content, kind).digest()).decode()

    return sum_of


def crc32(file: Path) -> str:
    value = 0
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            value = zlib.crc32(chunk, value)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


SUMS: dict[str, Callable[[Path], str]] = {"CRC32": crc32, "SHA256": digest("sha256"), "SHA1": digest("sha1")}


def files_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder with its relative name; an empty folder as itself with a name ending in a slash.

    Links are followed, because what they point to is not on the next machine; a link to a folder above is refused.
    """
    for path, folders, files in os.walk(folder, followlinks=True):
        here = Path(path)
        for name in folders:
            if (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve()):
                raise WorkflowError(f"{here / name} links to a folder that it lies in: this has no end in S3.")
        for name in files:
            yield here / name, (here / name).relative_to(folder).as_posix()
        if not folders and not files:
            yield here, f"{here.relative_to(folder).as_posix()}/".removeprefix("./")


def inside(folder: Path, name: str) -> Path:
    """The local path of a relative name; raises where a key would leave the folder or meet another one."""
    if any(part in {"", ".", ".."} for part in name.removesuffix("/").split("/")):
        raise WorkflowError(f"An object named {name!r} below a directory cannot become a local file. Rename it.")
    return folder / name
