"""Containers for tests: podman without a service, its storage and its images in a cache outside the repository.

`engine` is podman as it runs in a plain virtual machine or inside a container; images are made here from Debian
packages, so no registry is asked.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fishladder")
PROGRAMS = {"podman": "podman", "buildah": "buildah", "runc": "runc", "dpkg-deb": "dpkg", "apt-get": "apt"}

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=10000:10000"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{cache}/podman"
runroot = "{cache}/podman.run"
"""


def missing() -> str | None:
    """What to install before these tests can run, None where all is there."""
    absent = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    return f"install podman and its parts: sudo apt-get install {' '.join(absent)}" if absent else None


def require_podman() -> None:
    """Skip the test where there is no podman; in continuous integration that is a failure."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@dataclass(frozen=True)
class Engine:
    """podman with a configuration of its own."""

    folder: Path

    def environment(self) -> dict[str, str]:
        (self.folder / "containers.conf").write_text(CONTAINERS_CONF)
        (self.folder / "storage.conf").write_text(STORAGE_CONF.format(cache=CACHE))
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def call(self, *words: str, **given) -> subprocess.CompletedProcess:
        return subprocess.run(["podman", *words], env=self.environment(), capture_output=True, text=True, **given)

    def has(self, image: str) -> bool:
        return self.call("image", "exists", image).returncode == 0

    def run(
        self,
        image: str,
        command: Sequence[str],
        *,
        mounts: Sequence[tuple[Path, str, str]] = (),
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> subprocess.CompletedProcess:
        """Run a command in a container that is gone afterwards."""
        words = ["run", "--rm", *options]
        for source, place, mode in mounts:
            words += ["--volume", f"{source}:{place}:{mode}"]
        for name, value in (environment or {}).items():
            words += ["--env", f"{name}={value}"]
        return self.call(*words, image, *command, timeout=240)

    def import_folder(self, folder: Path, image: str) -> str:
        """Make an image of a folder that holds a whole root file system."""
        with subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE) as packed:
            words = ["podman", "import", "--quiet", "-", image]
            subprocess.run(words, env=self.environment(), stdin=packed.stdout, check=True, capture_output=True)
        return image


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Unpack Debian packages, without those they depend on, into a folder."""
    debs = folder.with_name(folder.name + ".debs")
    debs.mkdir()
    folder.mkdir()
    subprocess.run(["apt-get", "-qq", "download", *packages], cwd=debs, check=True, capture_output=True)
    for deb in sorted(debs.iterdir()):
        subprocess.run(["dpkg-deb", "--extract", str(deb), str(folder)], check=True)


def bare_image(engine: Engine, work: Path) -> str:
    """busybox and bash, both static: no libc, no loader, no users, no certificates, no Python."""
    image = "localhost/fishladder-test/bare:1"
    if not engine.has(image):
        root = work / "bare"
        unpack(["busybox-static", "bash-static"], root)
        shutil.rmtree(root / "usr")
        (root / "bin/bash-static").rename(root / "bin/bash")
        applets = subprocess.run([root / "bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout
        for applet in applets.split():
            if not (root / "bin" / applet).exists():
                (root / "bin" / applet).symlink_to("busybox")
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        engine.import_folder(root, image)
    return image


def build_image(engine: Engine, tool: str) -> str:
    """The image of a tool as containers/build_images makes it; made once, found again ever after."""
    done = subprocess.run(
        [ROOT / "containers/build_images", tool],
        env={**engine.environment(), "ENGINE": "podman", "BASE": "localhost/fishladder/debian:bookworm"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def machine_certificates() -> list[bytes]:
    """The certificates this machine trusts and certifi does not list: a proxy's, a company's."""

    def split(text: str) -> set[str]:
        return {"".join(part.split("-----END")[0].split()) for part in text.split("BEGIN CERTIFICATE-----")[1:]}

    bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    public = split(Path(certifi.where()).read_text())
    for file in Path("/usr/share/ca-certificates").rglob("*.crt"):
        public |= split(file.read_text())
    found = split(bundle.read_text()) - public if bundle.is_file() else set()
    return [one[200:264].encode() for one in found]


def runtime() -> Path:
    """The runtime's folder, built from this checkout, or found where it was built before."""
    done = subprocess.run([ROOT / "containers/runtime/build_runtime"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().removesuffix(".tar.gz"))


@pytest.fixture(scope="session")
def engine(tmp_path_factory) -> Iterator[Engine]:
    require_podman()
    yield Engine(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="session")
def runtime_folder() -> Path:
    require_podman()
    return runtime()


@pytest.fixture(scope="session")
def bare(engine, tmp_path_factory) -> str:
    return bare_image(engine, tmp_path_factory.mktemp("images"))
