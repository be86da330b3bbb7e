"""Files and directories, to S3 and back, on a real server and on moto."""

import asyncio
import base64
import subprocess
import zlib

import pytest
from snakemake.io import IOCache
from snakemake_interface_common.exceptions import WorkflowError

from tests.aws.storage_helpers import count_requests, directory_at, file_at, provider_for, random_bytes, tree

pytest_plugins = ["tests.aws.storage_servers"]

MB = 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 5 * MB - 1, 5 * MB, 12 * MB + 7])
def test_a_file_of_any_size_comes_back_as_it_went(bucket, tmp_path, size):
    content = random_bytes(size, size)
    provider = provider_for(bucket, tmp_path, part_size_mb=5)
    file = file_at(provider, bucket, "a/b.bin", content)
    file.store_object()
    assert bucket.read("a/b.bin") == content
    file.local_path().unlink()
    assert (file.exists(), file.size(), file.local_footprint()) == (True, size, size)
    file.retrieve_object()
    assert file.local_path().read_bytes() == content
    assert list(file.local_path().parent.iterdir()) == [file.local_path()]


def test_a_large_file_travels_in_parts_side_by_side_with_one_checksum_of_the_whole(minio_bucket, tmp_path):
    content = random_bytes(17 * MB, 3)
    provider = provider_for(minio_bucket, tmp_path, part_size_mb=5)
    counts = count_requests(provider.s3.client)
    file = file_at(provider, minio_bucket, "large.bin", content)
    file.store_object()
    assert counts["UploadPart"] == 4
    head = provider.s3.head(file.location)
    assert head.checksums == {"CRC32": base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()}
    file.local_path().unlink()
    file.retrieve_object()
    assert counts["GetObject"] == 4
    assert file.local_path().read_bytes() == content


def test_s3_refuses_an_upload_that_is_not_the_file(minio_bucket, tmp_path, monkeypatch):
    provider = provider_for(minio_bucket, tmp_path)
    file = file_at(provider, minio_bucket, "a.txt", b"content")
    monkeypatch.setattr("snakemake_storage_plugin_fishladder.transfer.crc32", lambda _: "AAAAAA==")
    with pytest.raises(WorkflowError, match="not what was sent"):
        file.store_object()
    assert minio_bucket.names() == []


FIRST = {"a.txt": b"a", "sub/b.txt": b"b", "sub/deeper/c.txt": b"c", "empty/": b"", "sub/empty/": b""}
SECOND = {"a.txt": b"changed", "new/d.txt": b"d"}


def test_a_directory_comes_back_as_it_went_and_loses_what_its_new_version_has_not(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    bucket.write("out-of-it.txt", b"keep")
    bucket.write("out.txt", b"keep")
    for version in (FIRST, SECOND, {"only/": b""}, {}):
        directory = directory_at(provider, bucket, "out", version)
        directory.store_object()
        subprocess.run(["rm", "-rf", directory.local_path()], check=True)
        assert directory.exists()
        assert directory.size() == 0
        assert directory.local_footprint() == sum(map(len, version.values()))
        directory.retrieve_object()
        assert tree(directory.local_path()) == version
        assert {key for key in bucket.names() if not key.startswith("out/")} == {"out-of-it.txt", "out.txt"}
    directory.remove()
    assert not directory.exists()
    assert sorted(bucket.names()) == ["out-of-it.txt", "out.txt"]


def test_a_new_version_replaces_what_is_here(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    directory = directory_at(provider, bucket, "out", SECOND)
    directory.store_object()
    directory_at(provider, bucket, "out", FIRST)
    directory.retrieve_object()
    assert tree(directory.local_path()) == SECOND


def test_a_directory_of_more_than_a_page_is_stored_listed_and_removed(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path)
    for n in range(1100):
        moto_bucket.write(f"out/{n:04}.txt", b"x")
    directory = provider.object(f"s3://{moto_bucket.name}/out")
    assert directory.local_footprint() == 1100
    directory.remove()
    assert moto_bucket.names() == []


def test_removing_a_file_leaves_its_neighbours(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    for key in ("a", "a.txt", "a/b", "ab"):
        bucket.write(key, b"x")
    provider.object(f"s3://{bucket.name}/a").remove()
    assert sorted(bucket.names()) == ["a.txt", "a/b", "ab"]


def test_links_in_a_directory_are_followed_and_endless_ones_refused(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    directory = directory_at(provider, bucket, "out", {"a.txt": b"a"})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_bytes(b"b")
    (directory.local_path() / "link").symlink_to(tmp_path / "elsewhere")
    directory.store_object()
    assert sorted(bucket.names()) == ["out/a.txt", "out/link/b.txt"]
    (directory.local_path() / "endless").symlink_to(directory.local_path())
    with pytest.raises(WorkflowError, match="no end"):
        directory.store_object()


@pytest.mark.parametrize("name", ["../outside.txt", "a//b.txt", "./c.txt"])
def test_an_object_that_would_leave_its_directory_is_refused(moto_bucket, tmp_path, name):
    moto_bucket.write(f"out/{name}", b"x")
    with pytest.raises(WorkflowError, match="cannot become a local file"):
        provider_for(moto_bucket, tmp_path).object(f"s3://{moto_bucket.name}/out").retrieve_object()
    assert not list(tmp_path.rglob("*.txt"))


@pytest.mark.parametrize("files", [None, {"a": b"a", "b": b"b"}], ids=["file", "directory"])
def test_touch_gives_a_new_time_and_changes_nothing_else(bucket, tmp_path, files):
    provider = provider_for(bucket, tmp_path)
    if files:
        touched = directory_at(provider, bucket, "out", files)
        touched.store_object()
    else:
        bucket.write("out", b"content", ContentType="text/x-own", Metadata={"made-by": "test"})
        touched = provider.object(f"s3://{bucket.name}/out")
    before, keys = touched.mtime(), bucket.names()
    while touched.mtime() == before:
        touched.touch()
    assert touched.mtime() > before
    assert bucket.names() == keys
    if files is None:
        head = bucket.client.head_object(Bucket=bucket.name, Key="out")
        assert (head["ContentType"], head["Metadata"]) == ("text/x-own", {"made-by": "test"})
        assert bucket.read("out") == b"content"


def test_nothing_is_there_before_it_is_stored(bucket, tmp_path):
    absent = provider_for(bucket, tmp_path).object(f"s3://{bucket.name}/absent")
    assert not absent.exists()
    for ask in (absent.mtime, absent.size, absent.retrieve_object, absent.touch):
        with pytest.raises(WorkflowError, match="absent"):
            ask()


def test_a_version_that_was_replaced_since_it_was_listed_is_fetched_as_it_is_now(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    bucket.write("a.txt", b"first")
    file = file_at(provider, bucket, "a.txt")
    file.local_footprint()
    bucket.write("a.txt", b"second version")
    file.retrieve_object()
    assert file.local_path().read_bytes() == b"second version"


def test_encryption_and_storage_class_are_sent_with_everything_that_is_written(moto_bucket, tmp_path):
    given = {"encryption": "aws:kms", "kms_key_id": "alias/own", "storage_class": "STANDARD_IA", "part_size_mb": 5}
    provider = provider_for(moto_bucket, tmp_path, **given)
    file_at(provider, moto_bucket, "small.txt", b"x").store_object()
    file_at(provider, moto_bucket, "large.bin", random_bytes(6 * MB, 1)).store_object()
    directory_at(provider, moto_bucket, "out", {"a": b"a", "empty/": b""}).store_object()
    provider.object(f"s3://{moto_bucket.name}/small.txt").touch()
    for key in moto_bucket.names():
        head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key=key)
        sent = head["ServerSideEncryption"], head["SSEKMSKeyId"].endswith("alias/own"), head["StorageClass"]
        assert (key, *sent) == (key, "aws:kms", True, "STANDARD_IA")


def test_many_files_travel_at_the_same_time(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path)
    for n in range(8):
        moto_bucket.write(f"{n}.txt", b"x")
    files = [provider.object(f"s3://{moto_bucket.name}/{n}.txt") for n in range(8)]
    inside, most = 0, 0

    def slowly(**_):
        import time

        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.2)
        inside -= 1

    provider.s3.client.meta.events.register("before-send.s3.GetObject", slowly)

    async def retrieve():
        await asyncio.gather(*(file.managed_retrieve() for file in files))

    asyncio.run(retrieve())
    assert all(file.local_path().read_bytes() == b"x" for file in files)
    assert most >= 4


def test_plans_from_a_listing_and_asks_anew_once_jobs_run(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path)
    counts = count_requests(provider.s3.client)
    keys = [f"results/S{n:03}/{name}.txt" for n in range(300) for name in ("a", "b")]
    for key in keys[::2]:
        moto_bucket.write(key, b"xy")
    cache = IOCache(20)
    for n, key in enumerate(keys):
        asyncio.run(provider.object(f"s3://{moto_bucket.name}/{key}").inventory(cache))
        assert provider.object(f"s3://{moto_bucket.name}/{key}").exists() == (n % 2 == 0)
    assert set(counts) == {"ListObjectsV2"}
    assert counts["ListObjectsV2"] <= 6

    file = provider.object(f"s3://{moto_bucket.name}/{keys[1]}")
    assert cache.exists_in_storage[file.cache_key()] is False
    moto_bucket.write(keys[1], b"new")
    assert not file.exists()
    cache.deactivate()
    assert file.exists()
    assert counts["HeadObject"] == 1


def test_a_job_asks_for_few_inputs_singly_and_lists_for_many(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path)
    provider.lookup.iocache = cache = IOCache(0)
    counts = count_requests(provider.s3.client)
    for n in range(50):
        moto_bucket.write(f"in/{n:02}.txt", b"x")
    cache.deactivate()
    files = [provider.object(f"s3://{moto_bucket.name}/in/{n:02}.txt") for n in range(50)]
    assert all(file.exists() for file in files)
    assert counts == {"HeadObject": 8, "ListObjectsV2": 1}
    late = provider.object(f"s3://{moto_bucket.name}/in/late.txt")
    assert not late.exists()
    moto_bucket.write("in/late.txt", b"x")
    assert late.exists(), "absence was believed for longer than it is true"


def test_globs_objects_and_folders_like_a_file_system(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    for key in ("reads/a_1.fq", "reads/b_1.fq", "reads/sub/c_1.fq", "ready.txt", "other/d_1.fq"):
        bucket.write(key, b"x")
    pattern = provider.object(f"s3://{bucket.name}/reads/{{sample}}_1.fq")
    names = {match.removeprefix(f"s3://{bucket.name}/") for match in pattern.list_candidate_matches()}
    assert names == {"reads/a_1.fq", "reads/b_1.fq", "reads/sub/c_1.fq", "reads/sub"}
    with pytest.raises(WorkflowError, match="wildcard"):
        provider.object("s3://{bucket}/a").list_candidate_matches()


def test_never_makes_empties_or_deletes_a_bucket(bucket, tmp_path):
    provider = provider_for(bucket, tmp_path)
    counts = count_requests(provider.s3.client)
    file = file_at(provider, bucket, "only.txt", b"x")
    file.store_object()
    file.remove()
    assert bucket.names() == []
    bucket.client.head_bucket(Bucket=bucket.name)
    file.provider = provider
    elsewhere = provider.object(f"s3://{bucket.name}-absent/only.txt")
    elsewhere.local_path().parent.mkdir(parents=True)
    elsewhere.local_path().write_bytes(b"x")
    with pytest.raises(WorkflowError, match="never created here"):
        elsewhere.store_object()
    assert not [kind for kind in counts if "Bucket" in kind]
