"""Whether two runs of the workflow, at different places and times, made the same of a file. Tests only."""

import csv
import gzip
import io
import json
import re
import subprocess
import tarfile
from statistics import correlation
from typing import Any

import numpy as np
import polars
import pytest

# What tells when, where and how long something ran, or what Salmon drew by lot: only that there is such a file.
UNEQUAL = (
    "fastp.html",
    "multiqc.html",
    "index.html",
    "report.html",
    ".log",
    "eq_classes.txt.gz",
    "unmapped_names.txt",
    ".bai",  # a BAM's checksum and index are held against the BAM
    ".md5",
)
UNEQUAL_FOLDERS = ("/aux_info/", "/libParams/")
# Which column of which table counts fragments. Salmon does not give the same numbers twice, not even with one thread:
# three runs of it by hand differed by up to 4 of 2,500 fragments at a transcript, isoforms and single ends by more.
COUNTS = {"quant.sf": ["NumReads"], "genes.tsv": ["counts"], "gene_counts.tsv": None}
NUMBERS = (*COUNTS, "gene_tpm.tsv", "gene_lengths.tsv")
# What in a JSON file tells when a step ran and what it used.
MEASURED = {"start", "end", "start_time", "end_time", "seconds", "peak_memory_mb"}
# Salmon's threads lay out an index in whatever order they come, so its archive is another each time.
ARCHIVE = {"sha256", "size"}
LAID_OUT = {"ctable.bin", "ctg_offsets.bin", "mphf.bin", "pos.bin", "rank.bin", "seq.bin"}
STORAGE = re.compile(r"\.snakemake/storage/fishladder/[^/ ]+/runs/toy/")
TEMPORARY = re.compile(r"/(?:tmp|scratch)/([a-z_]+)\.\w+")


def same(name: str, found: bytes, wanted: bytes) -> bool:
    """Whether two files of this name say the same, times, paths, memory and Salmon's chance aside."""
    if name.endswith(".json"):
        return alike_values(*(steady(json.loads(one), "/index/" in name) for one in (found, wanted)))
    if name.endswith(UNEQUAL) or any(folder in name for folder in UNEQUAL_FOLDERS):
        return bool(found) == bool(wanted)
    if name.endswith(".bam"):
        return records(found) == records(wanted)
    if "/align/" in name and name.endswith("metrics.txt"):  # Picard's, with paths and the time
        found, wanted = (re.sub(rb"^#.*\n", b"", text, flags=re.MULTILINE) for text in (found, wanted))
    if name.endswith(NUMBERS) and not found.startswith(b"# no result"):
        return alike(
            name, *(list(csv.DictReader(text.decode().splitlines(), delimiter="\t")) for text in (found, wanted))
        )
    if name.endswith(".parquet"):
        tables = [polars.read_parquet(one) for one in (found, wanted)]
        return tables[0].schema == tables[1].schema and tables[0].get_column("gene_id").equals(
            tables[1].get_column("gene_id")
        )
    if name.endswith(".npz"):  # packed by another zlib in a container
        arrays = [np.load(io.BytesIO(one)) for one in (found, wanted)]
        return set(arrays[0]) == set(arrays[1]) and all(
            np.array_equal(arrays[0][key], arrays[1][key]) for key in arrays[0]
        )
    if name.endswith(".tar.gz"):
        return members(found) == members(wanted)
    if name.endswith(".gz"):
        return gzip.decompress(found) == gzip.decompress(wanted)
    return found == wanted


def records(bam: bytes) -> bytes:
    """The records of a BAM file; its header has the paths of what they were made from."""
    return subprocess.run(["samtools", "view", "-"], input=bam, capture_output=True, check=True).stdout


def members(packed: bytes) -> dict[str, Any]:
    """The files of an archive; of those that threads lay out each time anew only that they are there."""
    found: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for one in filter(tarfile.TarInfo.isfile, archive):
            content = archive.extractfile(one).read()
            if one.name.endswith(".json"):
                content = steady(json.loads(content), in_index=True)
            found[one.name] = bool(content) if one.name in LAID_OUT else content
    return found


def steady(value: Any, in_index: bool) -> Any:
    """A JSON value without what differs from run to run and from place to place."""
    if isinstance(value, dict):
        leave = MEASURED | ARCHIVE if in_index else MEASURED
        return {key: steady(one, in_index) for key, one in value.items() if key not in leave}
    if isinstance(value, list):
        return [steady(one, in_index) for one in value]
    if isinstance(value, str):
        return TEMPORARY.sub(r"/tmp/\1", STORAGE.sub("", value))
    return value


def alike_values(found: Any, wanted: Any) -> bool:
    """The same JSON; fractions, which Salmon estimates, may differ by 5 %."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(alike_values(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(alike_values, found, wanted))
    if isinstance(found, float) and isinstance(wanted, float):
        return found == pytest.approx(wanted, rel=0.05)
    return type(found) is type(wanted) and found == wanted


def alike(name: str, found: list[dict[str, str]], wanted: list[dict[str, str]]) -> bool:
    """The same rows and columns; counts whose sums differ by 1 % at the most and each by 5 % of all fragments."""
    if [(row.keys(), next(iter(row.values()))) for row in found] != [
        (row.keys(), next(iter(row.values()))) for row in wanted
    ]:
        return False
    if not wanted:
        return True
    columns = next((columns for end, columns in COUNTS.items() if name.endswith(end)), [])
    for column in list(wanted[0])[1:] if columns is None else columns:
        ours, theirs = ([float(row[column]) for row in rows] for rows in (found, wanted))
        # 5,000 fragments on genes with paralogs: Salmon moves a few per cent of them from run to run.
        near = ours == pytest.approx(theirs, abs=0.05 * sum(theirs))
        if not near or sum(ours) != pytest.approx(sum(theirs), rel=1e-2) or correlation(ours, theirs) < 0.98:
            return False
    return True
