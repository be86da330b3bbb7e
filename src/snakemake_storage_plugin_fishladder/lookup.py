"""Tell what is in S3: from listings while Snakemake plans, by asking anew while jobs run."""

import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, Mtime

from .ahead import ReadAhead
from .inventory import Entry, Inventory, NotListed, Page, summed
from .locations import UNFINISHED, Location, unfinished
from .s3 import S3

FEW = 8  # questions that a job asks one by one before it lists


class Lookup:
    """Answers whether, how large and from when; remembers only as long as Snakemake's own cache does.

    Snakemake deactivates its IOCache when the first job may change something. From then on every question is asked
    anew. A process that runs one job (Snakemake gives it an inventory time of 0) differs in two ways: it has few
    questions, so it asks the first ones singly; and its inputs stay as they are while it runs, so it goes on to believe
    what a listing showed, though never what a listing did not show.
    """

    def __init__(self, s3: S3, local_prefix: Path) -> None:
        self.s3 = s3
        self.local_prefix = local_prefix
        self.workflow: Any = None
        self.inventories: dict[str, Inventory] = {}
        self.readers: dict[str, ReadAhead] = {}
        self.asked = 0
        self.lock = threading.Lock()
        self._iocache: IOCacheStorageInterface | None = None

    def inventory(self, bucket: str) -> Inventory:
        with self.lock:
            if bucket not in self.inventories:
                read = self.readers[bucket] = ReadAhead(partial(self.s3.list_page, bucket))
                self.inventories[bucket] = Inventory(partial(self.list_page, bucket, read))
            return self.inventories[bucket]

    def list_page(self, bucket: str, read: ReadAhead, prefix: str, start_after: str) -> Page:
        """Read a page, and tell Snakemake's cache of it, so that it need not even ask."""
        page = read(prefix, start_after)
        if self.plans and (cache := self.iocache):
            folder = f"{self.local_prefix.as_posix()}/{bucket}/"
            for key, entry in page.entries:
                file = folder + key
                cache.exists_in_storage[file] = True
                cache.mtime[file] = Mtime(storage=entry.mtime)
                cache.size[file] = entry.size
        return page

    @property
    def iocache(self) -> IOCacheStorageInterface | None:
        """Snakemake's cache, which a workflow has once its rules are read."""
        return self._iocache or getattr(self.workflow, "iocache", None)

    @iocache.setter
    def iocache(self, cache: IOCacheStorageInterface) -> None:
        self._iocache = cache

    @property
    def plans(self) -> bool:
        """Whether nothing changes yet."""
        return self.workflow is not None if self.iocache is None else self.iocache.active

    @property
    def lists(self) -> bool:
        """Whether to answer from listings."""
        if self.iocache is None:
            return False
        in_job = self.iocache.max_wait_time <= 0
        return self.asked >= FEW if in_job else self.iocache.active

    def exists(self, location: Location) -> bool:
        if self.lists:
            with suppress(NotListed):
                inventory = self.inventory(location.bucket)
                there = inventory.entry(location.key) is not None or inventory.has_directory(location.key)
                if there or self.plans:
                    return there
        self.asked += 1
        return self.s3.head(location) is not None or self.s3.has_below(location)

    def find(self, location: Location) -> Entry | None:
        """What an object is, or the sum of a directory; None where there is neither."""
        if self.lists:
            with suppress(NotListed):
                inventory = self.inventory(location.bucket)
                found = inventory.entry(location.key) or inventory.directory(location.key)
                if found or self.plans:
                    return found
        self.asked += 1
        if head := self.s3.head(location):
            return head.entry
        below = dict(self.s3.below(location))
        return summed([*below.values()]) if unfinished(location).key not in below else None

    def candidates(self, bucket: str, prefix: str) -> list[str]:
        """Every key that starts with the prefix, and every folder above such a key."""
        keys = None
        if self.plans:
            with suppress(NotListed, PermissionError):
                keys = self.inventory(bucket).below(prefix)
        if keys is None:
            keys = [key for key, _ in self.s3.listed(bucket, prefix)]
        folders = {key[:end] for key in keys for end in range(len(prefix), len(key)) if key[end] == "/"}
        return [*(key for key in keys if not key.endswith(("/", UNFINISHED))), *sorted(folders)]

    def forget(self, location: Location) -> None:
        """Something was changed here."""
        if inventory := self.inventories.get(location.bucket):
            self.readers[location.bucket].forget()
            inventory.forget(location.key)
