"""Know what a bucket holds by reading its sorted listing where it is asked about, page by page.

One page of a listing tells 1,000 keys at the price of asking for one, and tells absence too. But a bucket may hold a
million keys that nobody asks about. So the listing is read like a book that is opened where a question points to:

- What was read is kept as spans: stretches of the sorted key space in which every key, and every gap, is known.
- A question inside a span costs nothing.
- A question outside reads on from the nearest span before it, if the pages read last there have answered questions
  (4, 8, then 16 pages at a time). Otherwise it opens one page at each folder above the key that was not opened yet,
  from the top down, and at last at the key itself.

Keys that are asked in any order are so known after about keys/1,000 pages; foreign keys cost a few pages, because pages
that answer nothing are never continued.
"""

import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .locations import UNFINISHED

MOST_PAGES = 16  # read at one go, where reading on has paid so far
PATIENCE = 2  # how often to read on in a folder though its last pages answered nothing
SIBLINGS = 4  # folders asked about side by side until the folder above them is listed instead


class Entry(NamedTuple):
    """What a listing tells of an object; for a directory the sum of the sizes and the latest time."""

    size: int
    mtime: float
    etag: str = ""
    directory: bool = False


def summed(entries: list[Entry]) -> Entry | None:
    """A directory of these objects; None of none, because S3 knows no directory by itself."""
    if not entries:
        return None
    return Entry(sum(entry.size for entry in entries), max(entry.mtime for entry in entries), directory=True)


class Page(NamedTuple):
    """One answer of ListObjectsV2, in the order of its keys."""

    entries: list[tuple[str, Entry]]
    truncated: bool


class NotListed(Exception):
    """The listing cannot answer: the server refuses to list there, or does not sort what it lists."""


@dataclass(slots=True)
class Span:
    """A stretch of the key space, `first` included, `end` excluded, in which everything is known."""

    first: str
    end: str
    fresh: str  # where the page begins that was read last
    hits: int = 0  # questions answered from `fresh` on
    idle: int = 0  # how often it was continued without a hit in between


class Inventory:
    """The keys of one bucket, as far as they were asked about.

    `list_page(prefix, start_after)` returns the keys that start with `prefix` and sort after `start_after`, in order
    and cut after some number of keys; it raises PermissionError where listing is not allowed.
    """

    def __init__(self, list_page: Callable[[str, str], Page]) -> None:
        self.list_page = list_page
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []
        self.spans: list[Span] = []
        self.scopes: list[str] = []
        self.denied: set[str] = set()
        self.siblings: defaultdict[str, set[str]] = defaultdict(set)
        self.stride = 4
        self.lock = threading.RLock()

    def add_scope(self, folder: str) -> None:
        """Allow listing below this folder (`a/b/`), because what is asked for lies there."""
        if folder not in self.scopes and folder not in self.denied:
            insort(self.scopes, folder)

    def entry(self, key: str) -> Entry | None:
        """What the object is; None where there is none. Raises NotListed."""
        with self.lock:
            self.read_at(key)
            return self.entries.get(key)

    def has_directory(self, key: str) -> bool:
        """Say whether any object lies below this key, and no mark that the directory is not whole. Raises NotListed."""
        with self.lock:
            folder, limit = key + "/", after(key + "/")
            position = folder
            while position < limit:
                self.read_at(position)
                end = self.span_at(position).end
                if any(True for _ in self.known_below(folder, end)):
                    return self.entry(folder + UNFINISHED) is None
                position = end
            return False

    def directory(self, key: str) -> Entry | None:
        """The sum of what lies below this key; None where nothing does, or not the whole of it. Raises NotListed."""
        names = self.below(key + "/")
        return summed([self.entries[name] for name in names]) if f"{key}/{UNFINISHED}" not in names else None

    def below(self, prefix: str) -> list[str]:
        """Every key that starts with the prefix. Raises NotListed."""
        with self.lock:
            position, limit = prefix, after(prefix)
            while position < limit:
                if span := self.span_at(position):
                    position = span.end
                else:
                    self.read(prefix, position, limit, pages=None)
            return list(self.known_below(prefix, limit))

    def forget(self, key: str) -> None:
        """Know no more of this object, nor of what lies below it: something was changed there."""
        with self.lock:
            self.cut(key, key + "\0")
            self.cut(key + "/", after(key + "/"))

    def cut(self, first: str, end: str) -> None:
        for key in self.keys[(left := bisect_left(self.keys, first)) : (right := bisect_left(self.keys, end))]:
            del self.entries[key]
        del self.keys[left:right]
        rest = []
        for span in self.spans:
            if span.end <= first or end <= span.first:
                rest.append(span)
            else:
                sides = [(span.first, min(span.end, first)), (max(span.first, end), span.end)]
                rest += [Span(side, stop, fresh=side) for side, stop in sides if side < stop]
        self.spans = rest

    def known_below(self, prefix: str, end: str) -> Iterator[str]:
        for index in range(bisect_left(self.keys, prefix), len(self.keys)):
            key = self.keys[index]
            if key >= end or not key.startswith(prefix):
                return
            yield key

    def span_before(self, key: str) -> Span | None:
        """The last span that begins at or before the key, whether it holds the key or not."""
        index = bisect_right(self.spans, key, key=lambda span: span.first) - 1
        return self.spans[index] if index >= 0 else None

    def span_at(self, key: str) -> Span | None:
        """The span that holds the key."""
        span = self.span_before(key)
        return span if span and key < span.end else None

    def read_at(self, key: str) -> None:
        """Read pages until this key's place in the sorted listing is known."""
        span = self.span_at(key)
        if span is None:
            while not self.try_to_read_at(key, scope := self.scope_of(key)):
                self.denied.add(scope)
                self.scopes = [folder for folder in self.scopes if folder != scope]
        elif key >= span.fresh:
            span.hits += 1

    def try_to_read_at(self, key: str, scope: str) -> bool:
        try:
            if self.read_on(key, scope):
                return True
            for place in [*folders(scope, key), key]:
                # A place that was opened before is not opened again: its pages did not reach the key.
                pages = None if place == key else 1
                if self.span_at(place) is None and self.read(scope, place, key, pages):
                    return True
        except PermissionError:
            return False
        raise AssertionError(f"{key} was not reached")  # reading at the key itself always reaches it

    def read_on(self, key: str, scope: str) -> bool:
        """Continue the nearest span before the key, where its last pages were of use, or are in the key's own folder.

        In its own folder a question in any order pays sooner or later; but not for ever, if all else there is foreign.
        """
        span = self.span_before(key)
        if span is None or not span.end.startswith(scope):
            return False
        idle = 0 if span.hits else span.idle
        if not span.hits and (idle > PATIENCE or not span.end.startswith(key.rsplit("/", 2)[0] + "/")):
            return False
        reached = self.read(scope, span.end, key, self.stride)
        self.stride = min(2 * self.stride, MOST_PAGES)
        self.span_before(key).idle = idle + 1
        return reached

    def read(self, prefix: str, position: str, target: str, pages: int | None) -> bool:
        """Read pages from a position on until the target is known or the pages are used up; say whether it is."""
        limit = after(prefix)
        while target >= position and position < limit and pages != 0:
            if span := self.span_at(position):
                position = span.end
                continue
            page = self.list_page(prefix, "" if position == prefix else before(position))
            found = [(key, entry) for key, entry in page.entries if key >= position]
            names = [key for key, _ in page.entries]
            if names != sorted(names):
                raise NotListed("the server does not sort its listing")
            end = names[-1] + "\0" if page.truncated and names else limit
            self.add(position, max(position, end), found)
            position = max(position, end)
            pages = None if pages is None else pages - 1
        return target < position

    def add(self, first: str, end: str, found: list[tuple[str, Entry]]) -> None:
        """Keep what a page told, and join the spans that it touches."""
        if first == end:
            return
        self.entries.update(found)
        left, right = bisect_left(self.keys, first), bisect_left(self.keys, end)
        self.keys[left:right] = [key for key, _ in found]
        joined = Span(first, end, fresh=first)
        start = bisect_left(self.spans, first, key=lambda span: span.end)
        stop = bisect_right(self.spans, end, key=lambda span: span.first)
        for span in self.spans[start:stop]:
            joined.first, joined.end = min(joined.first, span.first), max(joined.end, span.end)
        self.spans[start:stop] = [joined]

    def scope_of(self, key: str) -> str:
        """The folder below which to list for this key: one that was allowed, else the key's own folder."""
        for scope in self.scopes:  # sorted: the widest comes first
            if key.startswith(scope):
                return scope
        folder = key[: key.rfind("/", 0, -1) + 1]
        if not folder or folder in self.denied:
            raise NotListed(f"{key} lies where listing was not allowed")
        self.learn(folder)
        return folder

    def learn(self, folder: str) -> None:
        """Remember a folder that was asked about; with enough beside it, list the folder above them from now on."""
        above = folder[: folder.rfind("/", 0, -1) + 1]
        if above and above not in self.denied:
            self.siblings[above].add(folder)
            if len(self.siblings[above]) >= SIBLINGS:
                self.add_scope(above)
                self.learn(above)


def folders(scope: str, key: str) -> Iterator[str]:
    """The scope and every folder between it and the key, from the top down."""
    yield scope
    position = key.find("/", len(scope))
    while 0 <= position < len(key) - 1:
        yield key[: position + 1]
        position = key.find("/", position + 1)


def after(prefix: str) -> str:
    """The first string that sorts after everything that starts with the prefix."""
    if not prefix:
        return "\U0010ffff\U0010ffff"
    last = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if last == 0xD800 else last)


def before(key: str) -> str:
    """A string to start a listing after, so that the key itself is the first to be listed, if there is one."""
    if key.endswith("\0"):
        return key[:-1]
    last = ord(key[-1]) - 1
    return key[:-1] + chr(0xD7FF if last == 0xDFFF else last) + "\U0010ffff"
