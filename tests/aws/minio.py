"""Build MinIO, an S3 server, from its Go module, and run it: a tool of the tests and benchmarks, never a dependency.

python -m tests.aws.minio     build it (about half a minute, once) and say where it is
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fishladder" / "bin"
HOW_TO_GET_GO = (
    "go is missing, which builds the S3 server MinIO: install it with `apt-get install golang` (1.24 or later)"
)
KEYS = {"AWS_ACCESS_KEY_ID": "fishladder", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_DEFAULT_REGION": "us-east-1"}
NOT_THE_MACHINES_OWN = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def missing() -> str | None:
    """Say what is missing to run MinIO; None where it is there or can be built."""
    return None if (CACHE / "minio").exists() or shutil.which("go") else HOW_TO_GET_GO


def build() -> Path:
    """The MinIO program, built where it is not there yet."""
    program = CACHE / "minio"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:  # so that a build that was cut leaves nothing behind
            module = "github.com/minio/minio@latest"
            subprocess.run(["go", "install", module], env={**os.environ, "GOBIN": fresh}, check=True)
            (Path(fresh) / "minio").replace(program)
    return program


@contextmanager
def serve(data: Path) -> Iterator[str]:
    """Run MinIO on a free port of this machine; yield its URL."""
    program = build()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    data.mkdir(parents=True, exist_ok=True)
    log = data.with_name(data.name + ".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", data],
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/minio/health/ready", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"MinIO did not start:\n{log.read_text(errors='replace')[-2000:]}")


if __name__ == "__main__":
    print(missing() or build())
