"""How the runtime comes to an instance: by the launch template's user data, or from an image by an init container."""

import email
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.aws.podman import ROOT, engine, runtime_folder

__all__ = ["engine", "runtime_folder"]  # fixtures

NAME = "fishladder-runtime-0123456789abcdef"
CREDENTIALS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "very/secret", "Token": "session+token=="}


class Instance(BaseHTTPRequestHandler):
    """Metadata of an instance, and S3, on one loopback port."""

    def do_PUT(self):
        self.answer(200, b"metadata-token")

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        if self.server.silent:
            self.server.silent -= 1
            self.answer(503, b"busy")
            return
        metadata = {
            "placement/region": "eu-central-1",
            "iam/security-credentials/": "instance-role",
            "iam/security-credentials/instance-role": json.dumps(CREDENTIALS, indent=2),
        }
        if self.path.startswith("/latest/meta-data/"):
            allowed = self.headers.get("X-aws-ec2-metadata-token") == "metadata-token"
            self.answer(200 if allowed else 401, metadata[self.path.removeprefix("/latest/meta-data/")].encode())
        else:
            self.answer(*self.server.bodies.pop(0))

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def instance() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Instance)
    server.asked, server.bodies, server.silent = [], [], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def packed(tmp_path) -> bytes:
    folder = tmp_path / "made" / NAME
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text("#!/bin/sh\n" + os.urandom(40_000).hex())
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        archive.add(folder, NAME)
    return (tmp_path / "packed.tar.gz").read_bytes()


def signature(instance, path: str, headers: dict[str, str]) -> str:
    """The signature that S3 expects of these headers."""
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= {*names}
    signed = {name: headers[name] for name in names}
    request = AWSRequest("GET", f"http://127.0.0.1:{instance.server_port}{path}", headers=signed)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials(*CREDENTIALS.values()), "s3", "eu-central-1")
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def boot(instance, target: Path, runtime: str = f"s3://lab/runtime/{NAME}.tar.gz") -> subprocess.CompletedProcess:
    """Run the user data as an instance does; `target`.ended is there where it would end the instance."""
    url = f"http://127.0.0.1:{instance.server_port}"
    tools = target.parent / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "shutdown").write_text(f'#!/bin/sh\necho "$@" >>{target}.ended\n')  # in place of this machine's
    (tools / "shutdown").chmod(0o755)
    given = {"RUNTIME": runtime, "TARGET": str(target), "PAUSE": "0"}
    return subprocess.run(
        [ROOT / "containers/runtime/user_data.sh"],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "METADATA_URL": url, "S3_URL": url, **given},
        capture_output=True,
        text=True,
    )


def test_user_data_fetches_with_the_instance_s_role_and_unpacks_once(instance, packed, tmp_path):
    target = tmp_path / "opt/fishladder"
    instance.bodies = [(200, packed)]
    assert boot(instance, target).returncode == 0

    assert [path.name for path in target.iterdir()] == [NAME]
    made = tmp_path / "made" / NAME
    assert (target / NAME / "bin/python").read_bytes() == (made / "bin/python").read_bytes()
    path, headers = instance.asked[-1]
    assert path == f"/lab/runtime/{NAME}.tar.gz"
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["x-amz-security-token"] == CREDENTIALS["Token"]
    assert headers["authorization"].endswith(f"Signature={signature(instance, path, headers)}")

    asked = len(instance.asked)
    assert boot(instance, target).returncode == 0
    assert len(instance.asked) == asked  # it is there
    assert not ended(target)


def ended(target: Path) -> str:
    """How the instance was ended, '' where it was not."""
    told = Path(f"{target}.ended")
    return told.read_text() if told.exists() else ""


def test_user_data_asks_again_where_the_instance_does_not_answer_yet(instance, packed, tmp_path):
    instance.bodies, instance.silent = [(200, packed)], 1
    assert boot(instance, tmp_path / "target").returncode == 0
    assert [path.name for path in (tmp_path / "target").iterdir()] == [NAME]
    assert not ended(tmp_path / "target")


def test_user_data_tries_again_after_an_error_and_a_body_that_was_cut(instance, packed, tmp_path):
    instance.bodies = [(503, b"SlowDown"), (200, packed[: len(packed) // 2]), (200, packed)]
    done = boot(instance, tmp_path / "target")
    assert done.returncode == 0
    assert done.stderr.count("could not fetch") == 2
    assert [path.name for path in (tmp_path / "target").iterdir()] == [NAME]


def test_user_data_that_may_not_read_the_runtime_says_so_and_leaves_nothing(instance, tmp_path):
    instance.bodies = [(403, b"AccessDenied")] * 5
    done = boot(instance, tmp_path / "target")
    assert done.returncode == 1
    assert "403" in done.stderr
    assert CREDENTIALS["SecretAccessKey"] not in done.stderr
    assert list((tmp_path / "target").iterdir()) == []
    assert ended(tmp_path / "target") == "-h now\n"  # or it would take job after job and fail each


def test_user_data_that_fails_anywhere_else_ends_the_instance_too(instance, tmp_path):
    assert boot(instance, tmp_path / "target", runtime="").returncode != 0
    assert ended(tmp_path / "target") == "-h now\n"


def test_user_data_is_printed_in_the_form_that_batch_takes():
    url = "s3://lab/a place/runtime.tar.gz"
    printer = ROOT / "containers/runtime/print_user_data"
    text = subprocess.run([printer, url], capture_output=True, text=True, check=True).stdout
    (part,) = email.message_from_string(text).get_payload()

    assert part.get_content_type() == "text/x-shellscript"
    script = part.get_payload()
    assert script.startswith("#!/bin/bash\n")
    told = subprocess.run(
        ["bash", "-c", script.replace("set -euo pipefail", 'printf %s "$RUNTIME"; exit')],
        capture_output=True,
        text=True,
    )
    assert told.stdout == url


@pytest.mark.parametrize("url", ["lab/runtime.tar.gz", "https://lab/x", "s3://lab", "s3://lab/", "s3:///x"])
def test_user_data_of_a_place_that_is_not_in_s3_is_refused(url):
    printer = ROOT / "containers/runtime/print_user_data"
    done = subprocess.run([printer, url], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"print_user_data: '{url}' is not s3://BUCKET/KEY")


def test_an_init_container_copies_the_runtime_into_a_volume_whole_and_once(engine, runtime_folder, tmp_path):
    image = f"localhost/fishladder-test/{runtime_folder.name}:1"
    recipe = ROOT / "containers/runtime/Containerfile"
    words = ["--isolation", "chroot", "--file", str(recipe), "--build-arg", f"NAME={runtime_folder.name}"]
    built = engine.call("build", "--quiet", *words, "--tag", image, str(runtime_folder))
    assert built.returncode == 0, built.stderr
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    try:
        for _ in range(2):
            done = engine.run(image, [], mounts=[(volume, "/target", "rw")], options=["--read-only"])
            assert done.returncode == 0, done.stderr
            assert [path.name for path in volume.iterdir()] == [runtime_folder.name]
            compared = ["diff", "--recursive", "--no-dereference", volume / runtime_folder.name, runtime_folder]
            assert subprocess.run(compared, capture_output=True).stdout == b""
    finally:
        engine.call("rmi", "--force", image)
