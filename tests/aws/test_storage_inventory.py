"""The listing as a book opened where questions point to: right answers for any bucket, and few pages."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakemake_storage_plugin_fishladder.ahead import ReadAhead
from snakemake_storage_plugin_fishladder.inventory import Entry, Inventory, NotListed, Page, after, before

NAMES = st.text(alphabet="ab.-~0é\U0001f41f", min_size=1, max_size=3)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


class Bucket:
    """What S3 is to the inventory: a sorted set of keys, shown in pages, with a count of the pages."""

    def __init__(self, keys, page_size=1000, allowed=""):
        self.keys, self.page_size, self.allowed = sorted(keys, key=str.encode), page_size, allowed
        self.pages = 0

    def list_page(self, prefix, start_after):
        self.pages += 1
        if not prefix.startswith(self.allowed):
            raise PermissionError(prefix)
        found = [key for key in self.keys if key.startswith(prefix) and key.encode() > start_after.encode()]
        return Page([(key, entry_of(key)) for key in found[: self.page_size]], len(found) > self.page_size)


class BigBucket(Bucket):
    """The same for many keys: the page is found by bisection."""

    def list_page(self, prefix, start_after):
        from bisect import bisect_left, bisect_right

        self.pages += 1
        start = max(bisect_left(self.keys, prefix), bisect_right(self.keys, start_after))
        stop = bisect_left(self.keys, after(prefix))
        last = min(stop, start + self.page_size)
        return Page([(key, entry_of(key)) for key in self.keys[start:last]], last < stop)


def entry_of(key):
    return Entry(len(key), float(sum(key.encode())))


def expected_directory(keys, key):
    below = [entry_of(name) for name in keys if name.startswith(key + "/")]
    return Entry(sum(e.size for e in below), max(e.mtime for e in below), directory=True) if below else None


@settings(deadline=None, max_examples=300)
@given(
    keys=st.sets(KEYS, max_size=40),
    questions=st.lists(st.tuples(st.sampled_from(["entry", "has", "directory", "below", "forget"]), KEYS), max_size=25),
    scopes=st.lists(KEYS.map(lambda key: key + "/"), max_size=3),
    page_size=st.integers(1, 5),
)
def test_answers_like_a_dictionary_of_the_keys(keys, questions, scopes, page_size):
    inventory = Inventory(Bucket(keys, page_size).list_page)
    inventory.add_scope("")
    for scope in scopes:
        inventory.add_scope(scope)
    for kind, key in questions:
        if kind == "entry":
            assert inventory.entry(key) == (entry_of(key) if key in keys else None)
        elif kind == "has":
            assert inventory.has_directory(key) == any(name.startswith(key + "/") for name in keys)
        elif kind == "directory":
            assert inventory.directory(key) == expected_directory(keys, key)
        elif kind == "below":
            assert inventory.below(key) == sorted(name for name in keys if name.startswith(key))
        else:
            inventory.forget(key)
    assert all(span.first < span.end for span in inventory.spans)
    assert all(left.end < right.first for left, right in zip(inventory.spans, inventory.spans[1:], strict=False))


@settings(deadline=None, max_examples=200)
@given(
    keys=st.sets(KEYS, max_size=30), questions=st.lists(KEYS, max_size=20), allowed=KEYS, page_size=st.integers(1, 4)
)
def test_says_not_listed_rather_than_something_wrong_where_listing_is_denied(keys, questions, allowed, page_size):
    inventory = Inventory(Bucket(keys, page_size, allowed=allowed + "/").list_page)
    for key in questions:
        try:
            answer = inventory.entry(key)
        except NotListed:
            continue
        assert answer == (entry_of(key) if key in keys else None)


@settings(deadline=None)
@given(keys=st.sets(KEYS, min_size=1, max_size=30), page_size=st.integers(1, 4))
def test_forgets_what_was_changed_and_sees_it_anew(keys, page_size):
    bucket = Bucket(keys, page_size)
    inventory = Inventory(bucket.list_page)
    inventory.add_scope("")
    gone = bucket.keys[len(keys) // 2]
    assert inventory.below("") == bucket.keys
    bucket.keys.remove(gone)
    inventory.forget(gone)
    assert inventory.entry(gone) is None
    assert inventory.below("") == bucket.keys


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_the_string_before_a_key_is_before_it_and_the_string_after_a_prefix_after_all_of_it(key):
    assert before(key) < key
    assert key < key + "\U0001f41f" < after(key)
    assert key.encode() < after(key).encode()


def results_of(samples):
    files = ("results/trimmed/{}/1.fq.gz", "results/trimmed/{}/2.fq.gz", "results/quant/{}/quant.sf")
    files += ("results/quant/{}/genes.tsv", "results/qc/{}/a.json", "logs/{}.log")
    return [f"prefix/{file.format(sample)}" for sample in samples for file in files]


FOREIGN = {
    "none": [],
    "before": [f"prefix/archive/{n:07}" for n in range(200_000)],
    "between": [f"prefix/results/quantified/{n:07}/x" for n in range(200_000)],
    "flat beside the logs": [f"prefix/logs/0{n:07}.old" for n in range(200_000)],
}


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("done", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_reads_about_one_page_for_a_thousand_keys(foreign, done, order):
    samples = [f"S{n:05}" for n in range(5_000)]
    wanted = results_of(samples)
    existing = wanted[: int(done * len(wanted))]
    bucket = BigBucket(existing + FOREIGN[foreign])
    inventory = Inventory(bucket.list_page)
    inventory.add_scope("prefix/")
    if order == "shuffled":
        random.Random(7).shuffle(wanted)
    there = set(existing)
    assert all((inventory.entry(key) is not None) == (key in there) for key in wanted)
    bound = 10 + len(existing) / 1000
    assert bucket.pages <= (bound if order == "sorted" or not foreign.startswith("flat") else bound + 60)


def test_lists_the_folder_above_once_several_samples_beside_each_other_were_asked_for():
    keys = [f"reads/S{n:04}/{read}.fq.gz" for n in range(2_000) for read in (1, 2)]
    bucket = BigBucket(keys)
    inventory = Inventory(bucket.list_page)
    assert all(inventory.entry(key) is not None for key in keys)
    assert bucket.pages <= 4 + 1 + len(keys) / 1000


def test_gives_up_on_a_server_that_does_not_sort():
    def unsorted(prefix, start_after):
        return Page([("a/2", entry_of("a/2")), ("a/1", entry_of("a/1"))], False)

    with pytest.raises(NotListed, match="does not sort"):
        Inventory(unsorted).entry("a/1")


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_reading_ahead_asks_for_hardly_more_pages_and_gives_the_same_answers(order):
    samples = [f"S{n}" for n in range(5_000)]
    if order == "shuffled":
        random.Random(7).shuffle(samples)
    wanted = results_of(samples)
    there = set(wanted[::2])
    bucket = BigBucket(sorted(there))
    ahead = ReadAhead(bucket.list_page)
    inventory = Inventory(ahead)
    inventory.add_scope("prefix/")
    assert all((inventory.entry(key) is not None) == (key in there) for key in wanted)
    ahead.pool.shutdown()
    assert bucket.pages <= 10 + len(there) / 1000
