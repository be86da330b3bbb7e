"""Fetch the next page of a listing while Snakemake still works on this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .inventory import Page

ROW = 3  # pages that followed the page before them


class ReadAhead:
    """Lists like the function it is given; once a few pages followed each other, it has the next one on its way.

    A page that nobody comes for is the price: at most one at the end of each such row.
    """

    def __init__(self, list_page: Callable[[str, str], Page]) -> None:
        self.list_page = list_page
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="fishladder-ahead")
        self.row = 0
        self.next: tuple[str, str] | None = None
        self.coming: dict[tuple[str, str], Future[Page]] = {}

    def __call__(self, prefix: str, start_after: str) -> Page:
        wanted = (prefix, start_after)
        coming = self.coming.pop(wanted, None)
        page = coming.result() if coming else self.list_page(*wanted)
        self.row = self.row + 1 if wanted == self.next else 0
        self.next = (prefix, page.entries[-1][0]) if page.truncated and page.entries else None
        if self.row >= ROW and self.next:
            self.coming[self.next] = self.pool.submit(self.list_page, *self.next)
        return page

    def forget(self) -> None:
        """What is on its way may be of before a change."""
        self.next = None
        self.coming.clear()
