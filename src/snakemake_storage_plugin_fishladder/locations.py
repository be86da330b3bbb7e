"""Read `s3://bucket/key`: the one kind of query this storage knows."""

import re
from functools import lru_cache
from typing import NamedTuple

from snakemake_interface_storage_plugins.io import WILDCARD_REGEX

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")  # as lenient as the oldest buckets of us-east-1
ODD_FOLDER = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|\Z)")  # a/ /b, a/./b, a/../b
LONGEST_KEY = 1024  # bytes: S3's limit
UNFINISHED = ".fishladder_unfinished"
MANY = 200_000  # queries to remember: Snakemake makes several objects of each file


class Location(NamedTuple):
    """One object, or one directory: every object whose key starts with `key` and a slash."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def unfinished(directory: Location) -> Location:
    """The object below a directory's key that says, while it is there, that the directory is not whole."""
    return Location(directory.bucket, f"{directory.key}/{UNFINISHED}")


@lru_cache(MANY)
def parse(query: str) -> Location:
    """Read a query; raise ValueError saying what is wrong with it. Wildcards in braces are left as they are.

    A key becomes a local path, so whatever a file system would rewrite (`//`, `.`, `..`) is refused: two keys must
    never become one file.
    """
    if not query.startswith("s3://"):
        raise ValueError("must start with s3:// (s3://bucket/key)")
    bucket, _, key = query[5:].partition("/")
    if "{" in query or "}" in query:
        check(*(WILDCARD_REGEX.sub("wildcard", part) for part in (bucket, key)))
    else:
        check(bucket, key)
    return Location(bucket, key.rstrip("/"))


def check(bucket: str, key: str) -> None:
    """Raise ValueError where no bucket or key can have this name, or no local path can stand for it."""
    if not BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is no bucket's name: 3 to 63 letters, digits, dots and hyphens")
    if not key.strip("/"):
        raise ValueError("names a bucket only; add a key: s3://bucket/key")
    path = key.removesuffix("/")
    if ODD_FOLDER.search(path):
        raise ValueError("has a folder without a name (//) or named . or .., which no local path can stand for")
    if "\0" in path:
        raise ValueError("holds a zero character, which no local path can hold")
    if len(path) * 4 > LONGEST_KEY and len(path.encode()) > LONGEST_KEY:
        raise ValueError(f"is longer than the {LONGEST_KEY:,} bytes that S3 allows")


def folder_of(key: str) -> str:
    """The part of a key, or of a pattern up to its first wildcard, that names folders: `a/b/` of `a/b/c`."""
    constant = key[: wildcard.start()] if (wildcard := WILDCARD_REGEX.search(key)) else key
    return constant[: constant.rfind("/") + 1]
