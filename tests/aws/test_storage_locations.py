"""Queries: what is read, what is refused and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_storage_plugin_fishladder import StorageProvider
from snakemake_storage_plugin_fishladder.locations import Location, folder_of, parse

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)
FOLDERS = st.text(st.characters(exclude_characters="/{}\0", codec="utf-8"), min_size=1, max_size=20)
KEYS = st.lists(FOLDERS.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=5).map("/".join)


@given(BUCKETS, KEYS)
def test_reads_back_what_it_prints(bucket, key):
    assert parse(f"s3://{bucket}/{key}") == Location(bucket, key)
    assert str(parse(f"s3://{bucket}/{key}")) == f"s3://{bucket}/{key}"


@given(st.lists(st.tuples(BUCKETS, KEYS), min_size=2, max_size=2, unique=True))
def test_two_objects_never_become_one_local_file(pairs):
    first, second = (parse(f"s3://{bucket}/{key}") for bucket, key in pairs)
    assert "/".join(first) != "/".join(second)


@given(st.text(max_size=40))
def test_refuses_or_reads_any_text_but_never_breaks(text):
    for query in (text, f"s3://{text}", f"s3://bucket/{text}"):
        assert isinstance(bool(StorageProvider.is_valid_query(query)), bool)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("bucket/key", "must start with s3://"),
        ("gs://bucket/key", "must start with s3://"),
        ("s3://bucket", "names a bucket only"),
        ("s3://bucket/", "names a bucket only"),
        ("s3:///key", "no bucket's name"),
        ("s3://b_/key", "no bucket's name"),
        ("s3://bucket/a//b", "folder without a name"),
        ("s3://bucket//a", "folder without a name"),
        ("s3://bucket/a/./b", "named . or .."),
        ("s3://bucket/../b", "named . or .."),
        ("s3://bucket/a\0b", "zero character"),
        ("s3://bucket/" + "ä" * 600, "longer than"),
    ],
)
def test_says_what_is_wrong_with_a_query(query, reason):
    answer = StorageProvider.is_valid_query(query)
    assert not answer
    assert reason in str(answer)


@pytest.mark.parametrize(
    "query",
    [
        "s3://bucket/{sample}.txt",
        "s3://bucket/a/{sample,[^/]+}/{x,a{2,3}}.txt",
        "s3://{bucket}/key",
        "s3://bucket/a.b/..c",
    ],
)
def test_takes_wildcards_with_constraints(query):
    assert StorageProvider.is_valid_query(query)


@pytest.mark.parametrize(
    ("key", "folder"),
    [("a/b/c", "a/b/"), ("a/b{x}/c", "a/"), ("{x}/c", ""), ("c", ""), ("a/{x,[a/b]+}/c", "a/")],
)
def test_knows_the_constant_folder_of_a_pattern(key, folder):
    assert folder_of(key) == folder
