"""The processing record of one sample: what was done, with what, how it ended, and what it took."""

import json
import re
from pathlib import Path

from _log import log_to
from _record import common_record, why_failed

UNSTRANDED = 0.3  # at least this share of the fragments lies the other way, as Salmon has it
ENOUGH = 20  # fragments
INDEX_K = re.compile(r"\.k(\d+)\.tar\.gz$")


def library_type(claimed: str, salmon: Path) -> dict:
    """Hold the library type that was found against the one that the manifest claims (A: claims none).

    It is found from all mapped fragments, in Salmon's letters: Salmon itself does not decide before it has seen tens of
    thousands of them, and takes a sample with fewer for unstranded. Of too few, nothing can be said.
    """
    told = json.loads((salmon / "lib_format_counts.json").read_text())
    # I, M, O: how mates lie to each other; single ends have no such letter.
    ways = "IMO" if told["expected_format"][0] in "IMO" else ("",)
    fragments = {way: (told[f"{way}SF"], told[f"{way}SR"]) for way in ways}
    way, (forward, reverse) = max(fragments.items(), key=lambda of_way: sum(of_way[1]))
    if forward + reverse < ENOUGH:
        return {"claimed": claimed, "found": None, "agrees": None}
    share = forward / (forward + reverse)
    found = way + ("SF" if share > 1 - UNSTRANDED else "SR" if share < UNSTRANDED else "U")
    return {"claimed": claimed, "found": found, "agrees": None if claimed == "A" else claimed == found}


def quantification(salmon: Path) -> dict:
    """What Salmon says of its run (https://salmon.readthedocs.io/en/latest/file_formats.html)."""
    meta = json.loads((salmon / "aux_info" / "meta_info.json").read_text())
    return {"mapping_rate": meta["percent_mapped"], "mapped": meta["num_mapped"], "processed": meta["num_processed"]}


def record(sample: dict, reads: Path, fastp: Path | None, salmon: Path, benchmarks: list[Path]) -> dict:
    """Put together the record of a sample."""
    checked = json.loads((reads / "reads.json").read_text())
    reason = why_failed(salmon)
    used = salmon / "index.txt"
    index = used.read_text().strip() if used.exists() else None
    return {
        **common_record(sample["name"], sample["organism"], "quant", reason, checked["start"], benchmarks),
        "reads": checked.get("reads"),
        "mean_read_length": checked.get("mean_read_length"),
        "k": index and int(INDEX_K.search(index)[1]),
        "index": index,
        **(quantification(salmon) if reason is None else {}),
        "library_type": library_type(sample["library_type"], salmon) if reason is None else None,
        "versions": versions(fastp, salmon),
    }


def versions(fastp: Path | None, salmon: Path) -> dict[str, str]:
    """The versions that the tools themselves wrote into their results."""
    found = {}
    if fastp and (fastp / "fastp.json").exists():
        found["fastp"] = json.loads((fastp / "fastp.json").read_text())["summary"]["fastp_version"]
    if (salmon / "cmd_info.json").exists():
        found["salmon"] = json.loads((salmon / "cmd_info.json").read_text())["salmon_version"]
    return found


if __name__ == "__main__":
    log_to(snakemake.log[0])
    made = record(
        snakemake.params.sample,
        Path(snakemake.input.reads),
        Path(snakemake.input.fastp) if snakemake.input.get("fastp") else None,
        Path(snakemake.input.salmon),
        [Path(path) for path in snakemake.input.benchmarks],
    )
    Path(snakemake.output[0]).write_text(json.dumps(made, indent=2) + "\n")
