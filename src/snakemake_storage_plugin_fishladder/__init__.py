"""S3 as Snakemake's storage: `--default-storage-provider fishladder --default-storage-prefix s3://bucket/prefix`.

docs/storage.md tells how to use it. This module holds only the two classes that Snakemake asks for; boto3 is imported
when the first call is made, because Snakemake imports every plugin at every start.
"""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.common import Operation
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, Mtime, get_constant_prefix
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectGlob,
    StorageObjectRead,
    StorageObjectTouch,
    StorageObjectWrite,
)
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from . import locations
from .inventory import Entry
from .locations import MANY, Location
from .settings import StorageProviderSettings, check, option

if TYPE_CHECKING:
    from .lookup import Lookup
    from .s3 import S3
    from .transfer import Mover

# A plan of 10,000 samples is a million objects that live to its end. Python would look through them for garbage after
# every 700 new ones, which takes a fifth of the time.
GARBAGE = 50_000

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]


class StorageProvider(StorageProviderBase):
    """One client and one memory of listings for all files that share a set of settings."""

    settings: StorageProviderSettings

    def __post_init__(self) -> None:
        self.settings = self.settings or StorageProviderSettings()
        check(self.settings)
        self.lock = RLock()
        self.pool = ThreadPoolExecutor(self.settings.transfers, thread_name_prefix="fishladder")
        self.default_prefix_is_checked = False
        self.local_path_of = lru_cache(MANY)(lambda location: self.local_prefix / "/".join(location))

    @cached_property
    def s3(self) -> "S3":
        from .s3 import S3

        with self.lock:
            return self.__dict__.get("s3") or S3(self.settings)

    @cached_property
    def mover(self) -> "Mover":
        from .transfer import Mover

        with self.lock:
            return self.__dict__.get("mover") or Mover(self.s3)

    @cached_property
    def lookup(self) -> "Lookup":
        from .lookup import Lookup

        with self.lock:
            return self.__dict__.get("lookup") or Lookup(self.s3, self.local_prefix)

    async def aside(self, method: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of Snakemake's methods in a thread, so that files travel at the same time, not one by one."""
        if self.use_rate_limiter():  # which belongs to Snakemake's own event loop
            await method()
        else:
            await asyncio.get_running_loop().run_in_executor(self.pool, lambda: asyncio.run(method()))

    def meet(self, workflow: Any) -> None:
        """Learn from the workflow which cache it keeps and below which prefix it works."""
        self.lookup.workflow = workflow
        if 0 < gc.get_threshold()[0] < GARBAGE:
            gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
        if self.is_default and not self.default_prefix_is_checked:
            self.default_prefix_is_checked = True
            prefix = workflow.storage_settings.default_storage_prefix
            bucket, _, folder = prefix.removeprefix("s3://").partition("/")
            if not folder.strip("/") and not self.settings.allow_bucket_root:
                raise WorkflowError(
                    f"--default-storage-prefix {prefix} is a whole bucket, where this workflow's files would mix with "
                    f"everything else. Add a folder, such as s3://{bucket}/my-project, or, if this is what you want, "
                    f"{option('allow_bucket_root')}."
                )
            self.lookup.inventory(bucket).add_scope(folder.rstrip("/") + "/" if folder.strip("/") else "")

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        return [
            ExampleQuery("s3://bucket/folder/file.txt", "an object", QueryType.ANY),
            ExampleQuery("s3://bucket/reads/{sample}.fastq.gz", "objects by a wildcard", QueryType.ANY),
            ExampleQuery("s3://bucket/folder", "a directory: every object below this key", QueryType.ANY),
        ]

    def rate_limiter_key(self, query: str, operation: Operation) -> str:
        return self.settings.endpoint_url or "aws"

    def default_max_requests_per_second(self) -> float:
        return 3500  # what S3 promises for writes below one prefix

    def use_rate_limiter(self) -> bool:
        return self.settings.max_requests_per_second is not None  # otherwise botocore slows down when S3 asks for it

    @classmethod
    @lru_cache(maxsize=MANY)
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        try:
            locations.parse(query)
        except ValueError as error:
            return StorageQueryValidationResult(query, False, str(error))
        return StorageQueryValidationResult(query, True)


class StorageObject(StorageObjectRead, StorageObjectWrite, StorageObjectGlob, StorageObjectTouch):
    """One object, or all objects below a key as one directory."""

    provider: StorageProvider

    # No attributes of an object's own: of a large workflow there are hundreds of thousands.
    seen: Entry | None = None

    @property
    def location(self) -> Location:
        return locations.parse(self.query)  # which Snakemake may change: it writes constraints into that of a copy

    @property
    def _iofile(self) -> Any:
        return self.__dict__.get("_iofile")

    @_iofile.setter
    def _iofile(self, file: Any) -> None:
        """Snakemake sets this when it meets the object in a rule: the one way to the workflow it belongs to."""
        self.__dict__["_iofile"] = file
        if file.rule is not None:
            self.provider.meet(file.rule.workflow)
            if "{" in self.query and (folder := locations.folder_of(self.location.key)):
                self.provider.lookup.inventory(self.location.bucket).add_scope(folder)

    def local_path(self) -> Path:
        return self._overwrite_local_path or self.provider.local_path_of(self.location)

    def local_suffix(self) -> str:
        return "/".join(self.location)

    def cleanup(self) -> None:
        """Nothing to do: a download that ends early removes its own remainders."""

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        """Let what is asked from now on be answered from listings."""
        self.provider.lookup.iocache = cache
        if self.provider.lookup.lists and (key := self.cache_key()) not in cache.exists_in_storage:
            cache.exists_in_storage[key] = self.exists()
            if cache.exists_in_storage[key]:
                cache.mtime[key] = Mtime(storage=self.mtime())

    def get_inventory_parent(self) -> None:
        """No folder is ever known as a whole to Snakemake's cache: our own listing answers."""

    def exists(self) -> bool:
        return self.provider.lookup.exists(self.location)

    def mtime(self) -> float:
        return self.found().mtime

    def size(self) -> int:
        found = self.found()
        return 0 if found.directory else found.size

    def local_footprint(self) -> int:
        self.seen = self.found()
        return self.seen.size

    def found(self) -> Entry:
        if entry := self.provider.lookup.find(self.location):
            return entry
        raise WorkflowError(f"{self.location}: there is no such object, nor a whole directory.")

    async def managed_retrieve(self) -> None:
        await self.provider.aside(super().managed_retrieve)

    async def managed_store(self) -> None:
        await self.provider.aside(super().managed_store)

    async def managed_remove(self) -> None:
        await self.provider.aside(super().managed_remove)

    def retrieve_object(self) -> None:
        # Snakemake asks for the local footprint just before, and a version that was replaced since is noticed.
        found, self.seen = self.seen or self.found(), None
        if found.directory:
            self.provider.mover.download_directory(self.location, self.local_path())
        else:
            self.provider.mover.download([(self.location, found, self.local_path())])

    def store_object(self) -> None:
        source = self.local_path()
        if source.is_dir():
            self.provider.mover.upload_directory(source, self.location)
        else:
            self.provider.mover.upload_file(source, self.location)
        self.provider.lookup.forget(self.location)

    def remove(self) -> None:
        """Delete the object; where there is none, everything below its key."""
        if self.provider.s3.head(self.location):
            self.provider.s3.delete(self.location.bucket, [self.location.key])
        else:
            self.provider.mover.delete_directory(self.location)
        self.provider.lookup.forget(self.location)

    def touch(self) -> None:
        """Give the object the time of now; of a directory one object, as the latest one tells its time."""
        for location in self.to_touch():
            if head := self.provider.s3.head(location):
                self.provider.mover.touch(location, head)
                self.provider.lookup.forget(self.location)
                return
        raise WorkflowError(f"{self.location}: there is nothing to touch.")

    def to_touch(self) -> Iterator[Location]:
        yield self.location
        yield Location(self.location.bucket, f"{self.location.key}/.snakemake_timestamp")
        for key, _ in self.provider.s3.below(self.location):
            yield Location(self.location.bucket, key)

    def list_candidate_matches(self) -> Iterable[str]:
        """Every object and every folder that the pattern could mean."""
        bucket, key = self.location
        if "{" in bucket:
            raise WorkflowError(f"{self.query}: the bucket's name cannot be a wildcard.")
        return [f"s3://{bucket}/{name}" for name in self.provider.lookup.candidates(bucket, get_constant_prefix(key))]
