"""A server and a network that fail: after them nothing is lost, doubled or wrong, or an error says what to do."""

import random
import socket
import threading
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import botocore.awsrequest
import botocore.exceptions
import pytest
from snakemake.io import IOCache
from snakemake_interface_common.exceptions import WorkflowError

from tests.aws.storage_helpers import directory_at, provider_for, random_bytes, tree

pytest_plugins = ["tests.aws.storage_servers"]

FILES = 30
MB = 1024 * 1024


class Faults:
    """Fails this part of the calls before they reach the server, each in one of several ways, and counts them."""

    def __init__(self, share: float, seed: int = 20, kinds=(429, 500, 503, "timeout", "reset")) -> None:
        self.share, self.kinds, self.counts = share, kinds, Counter()
        self.random, self.lock = random.Random(seed), threading.Lock()

    def __call__(self, request, **_):
        with self.lock:
            self.counts["calls"] += 1
            if self.random.random() >= self.share:
                return None
            kind = self.random.choice(self.kinds)
            self.counts[kind] += 1
        if kind == "timeout":
            raise botocore.exceptions.ReadTimeoutError(endpoint_url=request.url)
        if kind == "reset":
            raise botocore.exceptions.EndpointConnectionError(endpoint_url=request.url)
        return botocore.awsrequest.AWSResponse(request.url, kind, {}, Empty())


class Empty:
    """The body of an answer, which has none unless it is given."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def stream(self, **_):
        yield self.content

    def read(self, *_):
        content, self.content = self.content, b""
        return content


@pytest.fixture
def hurried(monkeypatch):
    """Wait a thousandth of the time between two tries."""
    import time

    really = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: really(seconds / 1000))


@pytest.mark.parametrize("retry_mode", ["standard", "adaptive"])
def test_nothing_is_lost_doubled_or_wrong_when_a_fifth_of_all_calls_fails(bucket, tmp_path, hurried, retry_mode):
    provider = provider_for(bucket, tmp_path, part_size_mb=5, retry_mode=retry_mode)
    faults = Faults(0.2)
    provider.s3.client.meta.events.register("before-send.s3", faults)
    contents = {f"many/{n:02}.bin": random_bytes(n * 997, n) for n in range(FILES)}
    contents["many/large.bin"] = random_bytes(12 * MB, 99)
    for key, content in contents.items():
        file = provider.object(f"s3://{bucket.name}/{key}")
        file.local_path().parent.mkdir(parents=True, exist_ok=True)
        file.local_path().write_bytes(content)
        file.store_object()
        file.local_path().unlink()
    arrived = {key: bucket.read(key) for key in bucket.names()}
    wrong_there = [key for key in contents if arrived.get(key) != contents[key]]

    wrong_here = []
    for key, content in contents.items():
        file = provider.object(f"s3://{bucket.name}/{key}")
        file.retrieve_object()
        if file.local_path().read_bytes() != content:
            wrong_here.append(key)
    left = [path.name for path in tmp_path.rglob("*.part")]

    assert faults.counts.total() - faults.counts["calls"] > 20, faults.counts
    assert set(faults.counts) == {"calls", 429, 500, 503, "timeout", "reset"}
    lost, doubled = contents.keys() - arrived.keys(), arrived.keys() - contents.keys()
    assert (len(lost), len(doubled), wrong_there, wrong_here, left) == (0, 0, [], [], [])


@pytest.mark.parametrize("kind", [429, 500, 503])
def test_a_server_that_never_recovers_ends_in_an_error_after_the_tries_that_are_set(
    moto_bucket, tmp_path, hurried, kind
):
    provider = provider_for(moto_bucket, tmp_path, retries=3, retry_mode="standard")
    faults = Faults(1.0, kinds=(kind,))
    provider.s3.client.meta.events.register("before-send.s3", faults)
    with pytest.raises(WorkflowError):
        provider.object(f"s3://{moto_bucket.name}/a").exists()
    assert faults.counts[kind] == 3


def refuse(provider, call: str, wanted: str):
    """Let calls about a key fail: what is there then is what a machine that was killed at that moment leaves."""

    def answer(request, **_):
        told = wanted in request.url or wanted.encode() in (request.body or b"" if call == "DeleteObjects" else b"")
        return botocore.awsrequest.AWSResponse(request.url, 403, {}, Empty()) if told else None

    provider.s3.client.meta.events.register(f"before-send.s3.{call}", answer)


def sides(bucket, folder, key: str):
    """A directory as a run sees it that plans, and as one sees it that runs a job."""
    planning, running = provider_for(bucket, folder / "planning"), provider_for(bucket, folder / "running")
    planning.lookup.iocache = IOCache(20)
    return [provider.object(f"s3://{bucket.name}/{key}") for provider in (planning, running)]


@pytest.mark.parametrize("before", [{}, {"a": b"old", "b": b"old", "sub/d": b"old"}], ids=["new", "over an old one"])
def test_a_directory_whose_upload_was_cut_off_is_not_there_until_it_is_stored_again(bucket, tmp_path, before):
    files = {"a": b"1", "b": b"2", "sub/c": b"3", "empty/": b""}
    if before:
        directory_at(provider_for(bucket, tmp_path / "before"), bucket, "out", before).store_object()
    cut = provider_for(bucket, tmp_path / "cut")
    refuse(cut, "PutObject", "/out/sub/c")
    with pytest.raises(WorkflowError):
        directory_at(cut, bucket, "out", files).store_object()
    assert "out/a" in bucket.names()
    for seen in sides(bucket, tmp_path, "out"):
        assert not seen.exists()
        for ask in (seen.mtime, seen.size, seen.retrieve_object):
            with pytest.raises(WorkflowError, match="nor a whole directory"):
                ask()
    directory = sides(bucket, tmp_path, "out")[1]
    with pytest.raises(WorkflowError, match="is not whole"):
        directory.provider.mover.download_directory(directory.location, directory.local_path())

    directory_at(provider_for(bucket, tmp_path / "again"), bucket, "out", files).store_object()
    assert sorted(bucket.names()) == ["out/a", "out/b", "out/empty/", "out/sub/c"]
    for seen in sides(bucket, tmp_path, "out"):
        assert seen.exists()
        seen.retrieve_object()
        assert tree(seen.local_path()) == files


def test_what_is_left_of_a_directory_whose_removal_was_cut_off_is_not_there(bucket, tmp_path):
    directory = directory_at(provider_for(bucket, tmp_path), bucket, "out", {"a": b"1", "b": b"2"})
    directory.store_object()
    refuse(directory.provider, "DeleteObjects", "out/a")
    with pytest.raises(WorkflowError):
        directory.remove()
    assert {"out/a", "out/b"} <= set(bucket.names())
    assert [seen.exists() for seen in sides(bucket, tmp_path, "out")] == [False, False]
    again = provider_for(bucket, tmp_path / "again").object(f"s3://{bucket.name}/out")
    again.remove()
    assert bucket.names() == []


def test_a_directory_that_others_put_there_needs_no_mark(bucket, tmp_path):
    bucket.write("out/a", b"1")
    for seen in sides(bucket, tmp_path, "out"):
        assert seen.exists()
        seen.retrieve_object()
        assert tree(seen.local_path()) == {"a": b"1"}


class Unsorted:
    """Answers listings in an order that is not that of the keys, two keys a page, as a directory bucket would."""

    keys = ("out/c", "out/d", "out/a", "out/b", "out/e")

    def __call__(self, request, **_):
        asked = parse_qs(urlsplit(request.url).query)
        after = asked.get("start-after", [""])[0]
        found = [key for key in self.keys if key > after][int(asked.get("continuation-token", ["0"])[0]) :]
        cut, token = len(found) > 2, self.keys.index(found[1]) + 1 if len(found) > 1 else 0
        told = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for key in found[:2]
        )
        more = f"<IsTruncated>{str(cut).lower()}</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        body = f"<ListBucketResult>{more}{told}</ListBucketResult>".encode()
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, Empty(body))


def test_a_listing_that_is_not_sorted_is_read_to_its_end(moto_bucket, tmp_path):
    provider = provider_for(moto_bucket, tmp_path)
    provider.s3.client.meta.events.register("before-send.s3.ListObjectsV2", Unsorted())
    directory = provider.object(f"s3://{moto_bucket.name}/out")
    assert [key for key, _ in provider.s3.below(directory.location)] == list(Unsorted.keys)
    assert directory.local_footprint() == len(Unsorted.keys)


def test_a_download_that_fails_ends_those_beside_it_and_leaves_nothing(moto_bucket, tmp_path, hurried):
    provider = provider_for(moto_bucket, tmp_path, transfers=2)
    keys = [f"{n:02}" for n in range(40)]
    for key in keys:
        moto_bucket.write(key, b"x")
    asked = []

    def answer(request, **_):
        asked.append(request.url)
        if request.url.endswith("/00"):
            return botocore.awsrequest.AWSResponse(request.url, 403, {}, Empty())
        slowly.wait(0.1)
        return None

    slowly = threading.Event()
    provider.s3.client.meta.events.register("before-send.s3.GetObject", answer)
    files = [provider.object(f"s3://{moto_bucket.name}/{key}") for key in keys]
    wanted = [(file.location, file.found(), tmp_path / key) for file, key in zip(files, keys, strict=True)]
    with pytest.raises(WorkflowError, match="/00: Access is denied"):
        provider.mover.download(wanted)
    left, so_far = list(tmp_path.glob(".*part*")), len(asked)
    provider.mover.manager.shutdown()  # waits for whatever is still under way
    assert (left, list(tmp_path.glob(".*part*"))) == ([], [])
    assert len(asked) == so_far < len(keys)


class Cutter:
    """A proxy before a server that cuts, or spoils, the bodies of the first answers to GET."""

    def __init__(self, url: str, how: str, times: int) -> None:
        self.target, self.how, self.left, self.cut, self.lock = url, how, times, 0, threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def handler(cutter):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """Say nothing."""

            def forward(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                request = urllib.request.Request(cutter.target + self.path, body, headers, method=self.command)
                try:
                    answer = urllib.request.urlopen(request)
                except urllib.error.HTTPError as error:
                    answer = error
                content = answer.read()
                with cutter.lock:
                    cut = (
                        self.command == "GET"
                        and len(content) > 1000
                        and "list-type" not in self.path
                        and cutter.left > 0
                    )
                    cutter.left -= cut
                    cutter.cut += cut
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                        self.send_header(name, value)
                length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else len(content)
                if cut and cutter.how == "shortened":
                    content = content[: len(content) // 2]
                    length = len(content)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if cut and cutter.how == "broken off":
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif cut and cutter.how == "spoilt":
                    self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))
                elif self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

        return Handler


@pytest.fixture
def cutter():
    started = []

    def start(*given):
        started.append(Cutter(*given))
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.server.server_close()


@pytest.mark.parametrize("size", [100_000, 12 * MB], ids=["small", "in parts"])
@pytest.mark.parametrize("how", ["broken off", "shortened", "spoilt"])
def test_a_body_that_is_cut_or_spoilt_once_is_fetched_again(minio_bucket, tmp_path, cutter, how, size, hurried):
    content = random_bytes(size, 5)
    source = provider_for(minio_bucket, tmp_path / "source", part_size_mb=5).object(f"s3://{minio_bucket.name}/a.bin")
    source.local_path().parent.mkdir(parents=True)
    source.local_path().write_bytes(content)
    source.store_object()
    proxy = cutter(minio_bucket.url, how, 1)
    provider = provider_for(minio_bucket, tmp_path, part_size_mb=5, endpoint_url=proxy.url)
    file = provider.object(f"s3://{minio_bucket.name}/a.bin")
    file.local_path().parent.mkdir(parents=True, exist_ok=True)
    file.retrieve_object()
    assert proxy.cut == 1
    assert file.local_path().read_bytes() == content
    assert [path.name for path in tmp_path.rglob("*.part")] == []


@pytest.mark.parametrize("how", ["broken off", "shortened", "spoilt"])
def test_a_body_that_is_always_cut_or_spoilt_is_never_taken_for_the_file(minio_bucket, tmp_path, cutter, how, hurried):
    source = provider_for(minio_bucket, tmp_path / "source").object(f"s3://{minio_bucket.name}/a.bin")
    source.local_path().parent.mkdir(parents=True)
    source.local_path().write_bytes(random_bytes(100_000, 5))
    source.store_object()
    proxy = cutter(minio_bucket.url, how, 10**6)
    file = provider_for(minio_bucket, tmp_path, endpoint_url=proxy.url, retries=2).object(
        f"s3://{minio_bucket.name}/a.bin"
    )
    file.local_path().parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(WorkflowError, match=r"cut off|another CRC32|are \d+|checksum"):
        file.retrieve_object()
    assert not file.local_path().exists()
    assert [path.name for path in tmp_path.rglob("*.part")] == []
