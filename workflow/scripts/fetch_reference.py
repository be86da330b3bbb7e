"""Bring the genome or the annotation of the lock, and hold it against its checksum."""

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

from _formats import GZIP, is_page, start_of
from _log import InputError, log_to

ATTEMPTS = 6
TRANSIENT = {408, 429, 500, 502, 503, 504}
BLOCK = 1 << 20


class FetchError(InputError):
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


def as_summed(expected: str) -> str:
    """Write a checksum of the lock as `checksum_of` does, without zeros in front."""
    kind, _, numbers = expected.partition(":")
    return expected if kind != "sum" else "sum:" + " ".join(str(int(number)) for number in numbers.split())


def bring_own(name: str, expected: str, own: Path, part: Path) -> None:
    """Copy the user's own file to `part`; raise FetchError where it is not the one of the lock."""
    shutil.copyfile(own, part)
    if (found := checksum_of(part, expected.partition(":")[0])) != expected:
        part.unlink()
        raise FetchError(
            f"{name} changed since it was locked: its checksum is {found}, in the lock {expected}; bring the earlier "
            "file back, or run `snakemake lock` to take this one, with which the organism is built anew"
        )


def bring(url: str, expected: str, part: Path) -> None:
    """Download to `part` what the lock says; a file that is another one comes a second time, whole, for certainty."""
    found: list[str] = []
    while len(found) < 2:
        download(url, part)
        found.append(checksum_of(part, expected.partition(":")[0]))
        if found[-1] == expected:
            return
        size, start = part.stat().st_size, start_of(part)
        part.unlink()
        print(f"{url}: {size:,} bytes with the checksum {found[-1]} came; the lock has {expected}", flush=True)
    if is_page(start):
        raise FetchError(f"{url}: a web page (HTML) comes in place of the file; look at the address and at your proxy")
    if found[0] != found[1]:
        raise FetchError(
            f"{url}: two downloads differ from each other ({found[0]}, {found[1]}) and from the lock ({expected}): "
            "they are damaged on their way; look at the network and the disk, then run again; the lock is right"
        )
    raise FetchError(
        f"{url}: the server has another file than was locked, {size:,} bytes with the checksum {found[0]}, in the lock "
        f"{expected}; if Ensembl replaced it, `snakemake lock` takes the new one and says what changed; if a mirror or "
        "a proxy serves it, compare it with Ensembl's"
    )


def fetch(url: str, expected: str, own: Path | None, part: Path) -> None:
    """Bring one file to `part`, as gzip; `own` is the user's file in place of the URL's, where the lock names one."""
    if own:
        bring_own(url, as_summed(expected), own, part)
    else:
        bring(url, as_summed(expected), part)
    with part.open("rb") as content:
        zipped = content.read(2) == GZIP
    if not zipped:
        with part.open("rb") as plain, gzip.GzipFile(f"{part}.gz", "wb", compresslevel=1, mtime=0) as packed:
            shutil.copyfileobj(plain, packed, BLOCK)
        Path(f"{part}.gz").replace(part)


def main(kind: str, genome: dict[str, str], own: Path | None, output: Path) -> None:
    """Bring a file; it gets its name when it is whole and checked."""
    part = output.with_name(output.name + ".part")
    print(f"{kind}: {genome[f'{kind}_url']}", flush=True)
    fetch(genome[f"{kind}_url"], genome[f"{kind}_checksum"], own, part)
    part.replace(output)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        snakemake.params.kind,
        snakemake.params.locked,
        Path(snakemake.input[0]) if snakemake.input else None,
        Path(snakemake.output[0]),
    )
