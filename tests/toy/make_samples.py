"""Make samples: reads of known counts as files, the truth about them, and the table that lists them."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.toy.break_reads import break_reads
from tests.toy.choose_organisms import Organism
from tests.toy.make_reads import Library, express, make_reads
from tests.toy.pack import pack


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample to be made. `broken`: in which way (see break_reads), empty where its reads are sound."""

    name: str
    organism: str
    library: Library
    lanes: int = 1
    zipped: bool = True
    broken: str = ""

    def files(self) -> list[list[str]]:
        """The names of the files of each lane: one, or those of both mates."""
        suffix = ".fastq.gz" if self.zipped else ".fastq"
        mates = ("_R1", "_R2") if self.library.paired else ("",)
        return [[f"{self.name}_L{lane:03d}{mate}{suffix}" for mate in mates] for lane in range(1, self.lanes + 1)]


# (suffix of the name, for a fungus, library, lanes, gzip): long and short reads, single and paired, each strandedness.
DESIGNS = (
    ("fungus_paired", True, Library(100, True, "reverse"), 2, True),
    ("fungus_single", True, Library(100, False, "unstranded"), 1, False),
    ("fungus_short", True, Library(50, False, "forward"), 1, True),
    ("bacterium_paired", False, Library(100, True, "forward"), 1, True),
    ("bacterium_single", False, Library(100, False, "reverse"), 2, True),
    ("bacterium_short", False, Library(50, True, "unstranded"), 1, False),
)
BROKEN_NAME = "bacterium_broken"


def choose_samples(fleet: list[Organism], count: int, broken: str = "") -> list[Sample]:
    """Choose `count` samples of the designs in turn, bacteria in turn, and a broken one where a way is named."""
    fungus, *bacteria = fleet
    samples = []
    for place in range(count):
        round_, design = divmod(place, len(DESIGNS))
        name, of_fungus, library, lanes, zipped = DESIGNS[design]
        organism = fungus if of_fungus else bacteria[round_ % len(bacteria)]
        samples.append(Sample(f"{name}_{round_ + 1}" if round_ else name, organism.name, library, lanes, zipped))
    if broken:
        samples.append(Sample(BROKEN_NAME, bacteria[0].name, Library(100, True), broken=broken))
    return samples


def make_sample(
    sample: Sample, transcripts: Mapping[str, str], fragments: int, seed: int, folder: Path
) -> dict[str, int]:
    """Write the read files of a sample to a folder; return the fragments of each transcript.

    `transcripts` are sequences by id. A lane gets an equal share of the fragments.
    """
    rng = random.Random(f"{seed}/sample/{sample.name}")
    counts = express(transcripts, fragments, rng)
    reads = list(make_reads(transcripts, counts, sample.library, sample.name, rng))
    for lane, names in enumerate(sample.files()):
        of_lane = reads[lane * fragments // sample.lanes : (lane + 1) * fragments // sample.lanes]
        mates = zip(*of_lane, strict=True) if of_lane else [()] * len(names)
        texts = ["".join(records).encode() for records in mates]
        files = tuple(pack(text) if sample.zipped else text for text in texts)
        for name, content in zip(names, break_reads(sample.broken, files) if sample.broken else files, strict=True):
            (folder / name).write_bytes(content)
    return counts


def truth_text(counts: Mapping[str, int], gene_of: Mapping[str, str]) -> str:
    """Write the true fragments of each transcript, zeros as well."""
    rows = (f"{name}\t{gene_of[name]}\t{count}\n" for name, count in counts.items())
    return "transcript\tgene\tfragments\n" + "".join(rows)


def samples_text(samples: Iterable[Sample], folder: str) -> str:
    """Write the table of samples, one row a lane; `folder` is where the reads are, as the table is to say it."""
    rows = [
        f"{sample.name}\t{lane}\tquant\t{sample.organism}\t{folder}/{files[0]}\t"
        + (f"{folder}/{files[1]}" if len(files) > 1 else "")
        for sample in samples
        for lane, files in enumerate(sample.files(), start=1)
    ]
    return "\n".join(["sample\tlane\tanalyses\torganism\tfq1\tfq2", *rows]) + "\n"


def organisms_text(fleet: Iterable[Organism]) -> str:
    """Write the table of organisms that are wanted."""
    rows = (f"{organism.name}\t{organism.division}\tlatest\n" for organism in fleet)
    return "organism\tdivision\trelease\n" + "".join(rows)
