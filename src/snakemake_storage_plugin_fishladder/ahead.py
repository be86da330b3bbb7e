"""Fetch the next page of a listing while Snakemake still works on this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .inventory import Page


class ReadAhead:
    """Lists like the function it is given; once two pages followed each other, it has the next one on its way.

    A page that nobody comes for is the price: one at the end of each such row.
    """

    def __init__(self, list_page: Callable[[str, str], Page]) -> None:
        self.list_page = list_page
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="fishladder-ahead")
        self.next: tuple[str, str] | None = None
        self.coming: Future[Page] | None = None

    def __call__(self, prefix: str, start_after: str) -> Page:
        in_a_row = (prefix, start_after) == self.next
        page = self.coming.result() if in_a_row and self.coming else self.list_page(prefix, start_after)
        self.next = (prefix, page.entries[-1][0]) if page.truncated and page.entries else None
        self.coming = self.pool.submit(self.list_page, *self.next) if in_a_row and self.next else None
        return page

    def forget(self) -> None:
        """What is on its way may be of before a change."""
        self.next = self.coming = None
