"""Type the HLA loci of a sample from its fished reads, with what speaks for and against it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from _hla_index import Index
from _hla_loci import NoTypes, read_ciwd, type_loci
from _hla_map import Panel, place_reads
from _hla_reads import read_fished
from _hla_table import write_no_types, write_types
from _log import log_to

FEWEST = 20  # placed reads
SHORTEST = 30  # bases of a read


def type_sample(fished: Path, index: Index, ciwd: dict[str, str], settings: dict) -> dict:
    """All evidence on a sample; raise NoTypes where its reads cannot be typed."""
    told = json.loads((fished / "fished.json").read_text())
    if told["release"] != index.release:
        raise ValueError(
            f"{fished} was fished with release {told['release']}, the index is of {index.release}; fish again"
        )
    check_fished(told)
    share = min(1.0, settings["max_reads"] / told["fished"])
    reads = read_fished(fished / "reads.fastq.gz", share)
    hits = place_reads(Panel(index), reads)
    placed = len(hits.mapped())
    if placed < FEWEST:
        raise NoTypes(
            f"{placed} of {told['reads']:,} reads fit an HLA gene: no reads of HLA genes, or not of a human; "
            "check that this is the right sample"
        )
    found = type_loci(index, hits, reads.fragment, ciwd, settings)
    found["reads"] |= {
        "seen": told["reads"],
        "fished": told["fished"],
        "mapped": placed,
        "paired": told["paired"],
        "mean_read_length": told["mean_read_length"],
        "notes": told["notes"],
    }
    if share < 1:
        found["reads"]["used_share"] = share
        for locus in found["loci"].values():
            locus["flags"].append(f"down-sampled: {share:.3f} of the fished reads were used")
    return found


def check_fished(told: dict) -> None:
    """Raise NoTypes where the fished reads are too few or too short to be looked at."""
    if told["mean_read_length"] < SHORTEST:
        raise NoTypes(f"reads of {told['mean_read_length']:.0f} bases are too short to type; 36 or more are needed")
    if told["fished"] < FEWEST:
        raise NoTypes(
            f"{told['fished']} of {told['reads']:,} reads share a k-mer with an HLA gene: no reads of HLA genes, or "
            "not of a human; check that this is the right sample"
        )


def fail(reason: str, output: Path, types: Path) -> None:
    """End this sample, not the run: the reason stands where the results would."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "failed.txt").write_text(f"{reason}\n")
    write_no_types(reason, types)


def main(sample: str, fished: Path, index: Path, ciwd: Path | None, settings: dict, output: Path, types: Path) -> None:
    start = datetime.now(UTC).isoformat(timespec="seconds")
    if (fished / "failed.txt").exists():
        fail((fished / "failed.txt").read_text().strip(), output, types)
        return
    opened = Index(index)
    try:
        found = type_sample(fished, opened, read_ciwd(ciwd) if ciwd else {}, settings)
    except NoTypes as error:
        fail(f"type_hla: {error}", output, types)
        return
    told = {
        "sample": sample,
        "release": opened.release,
        "program_version": settings["program_version"],
        "start": start,
        "settings": {key: value for key, value in settings.items() if key != "program_version"},
    } | found
    output.mkdir(parents=True, exist_ok=True)
    (output / "evidence.json").write_text(json.dumps(told) + "\n")
    write_types(told, types)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        snakemake.params.sample,
        Path(snakemake.input.fished),
        Path(snakemake.input.index),
        Path(snakemake.input.ciwd) if snakemake.input.get("ciwd") else None,
        snakemake.params.settings,
        Path(snakemake.output.typing),
        Path(snakemake.output.types),
    )
