"""Bring the genome and the annotation of the lock, and hold both against its checksums."""

import gzip
import hashlib
import http.client
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from _log import log_to

ATTEMPTS = 6
TRANSIENT = {408, 429, 500, 502, 503, 504}
BLOCK = 1 << 20


class FetchError(RuntimeError):
    """A file cannot be had, or is not the one of the lock."""


def download(url: str, part: Path, wait: Callable[[float], None] = time.sleep) -> None:
    """Download `url` to `part`; go on where a broken download ended; try again with back-off where that may help."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return continue_download(url, part)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing after the last byte: the checksum decides whether it is whole
                return None
            if error.code not in TRANSIENT:
                raise FetchError(f"{url}: {error}; if Ensembl moved it, run `snakemake lock` again") from error
            reason = error
        except (OSError, EOFError, http.client.HTTPException) as error:
            reason = error
        print(f"attempt {attempt} of {ATTEMPTS} to fetch {url}: {reason}", flush=True)
        wait(min(60, 2**attempt))
    raise FetchError(f"{url}: cannot be fetched in {ATTEMPTS} attempts, the last ended with {reason}")


def continue_download(url: str, part: Path) -> None:
    """Append what is missing of `url` to `part` (https://www.rfc-editor.org/rfc/rfc9110#name-range-requests)."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        resumed = answer.status == 206
        expected = int(answer.headers.get("Content-Length", -1))
        received = 0
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                received += len(block)
    if 0 <= expected != received:
        raise EOFError(f"{received} of {expected} bytes came")


def checksum_of(path: Path, kind: str) -> str:
    """The checksum of a file in the lock's form: `sum` is that of coreutils, as in Ensembl's CHECKSUMS files."""
    if kind == "sum":
        with path.open("rb") as content:
            output = subprocess.run(["sum"], stdin=content, capture_output=True, check=True, text=True).stdout
        checksum, blocks = output.split()[:2]
        return f"sum:{int(checksum)} {int(blocks)}"
    with path.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def check(path: Path, expected: str, url: str) -> None:
    """Raise FetchError, and remove the file, where it is not the one of the lock."""
    kind, _, numbers = expected.partition(":")
    if kind == "sum":
        expected = "sum:" + " ".join(str(int(number)) for number in numbers.split())
    if (found := checksum_of(path, kind)) != expected:
        path.unlink()
        raise FetchError(f"{url} has the checksum {found}, the lock {expected}: it changed; run `snakemake lock` again")


def fetch(url: str, expected: str, own: Path | None, part: Path) -> None:
    """Bring one file to `part`, as gzip; `own` is the user's file in place of the URL's, where the lock names one."""
    if own:
        shutil.copyfile(own, part)
    else:
        download(url, part)
    check(part, expected, url)
    with part.open("rb") as content:
        zipped = content.read(2) == b"\x1f\x8b"
    if not zipped:
        with part.open("rb") as plain, gzip.GzipFile(f"{part}.gz", "wb", compresslevel=1, mtime=0) as packed:
            shutil.copyfileobj(plain, packed, BLOCK)
        Path(f"{part}.gz").replace(part)


def main(genome: dict[str, str], own: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Bring all files before any of them gets its name, so that none has to be brought again for another's fault."""
    parts = {kind: output.with_name(output.name + ".part") for kind, output in outputs.items()}
    for kind, part in parts.items():
        print(f"{kind}: {genome[f'{kind}_url']}", flush=True)
        fetch(genome[f"{kind}_url"], genome[f"{kind}_checksum"], own.get(kind), part)
    for kind, part in parts.items():
        part.replace(outputs[kind])


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        snakemake.params.locked,
        {kind: Path(path) for kind, path in snakemake.input.items()},
        {kind: Path(path) for kind, path in snakemake.output.items()},
    )
