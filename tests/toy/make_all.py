"""Make everything: the toy Ensembl, reads, the truth about both, and the tables of a run."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.toy.choose_organisms import Organism, choose_fleet, choose_others
from tests.toy.lay_out_ensembl import lay_out_answers, lay_out_genome, lay_out_tables
from tests.toy.make_annotation import make_annotation
from tests.toy.make_dna import ask_for_dna, make_dna
from tests.toy.make_genomes import make_genome, sequence_of
from tests.toy.make_hla_samples import make_hla_samples
from tests.toy.make_reads import Library
from tests.toy.make_samples import Sample, choose_samples, make_sample, organisms_text, samples_text, truth_text
from tests.toy.pack import pack
from tests.toy.plan_genes import Gene, Transcript, plan_genes
from tests.toy.tell_truth import surviving, tell_truth

LIBRARIES = (Library(100), Library(100, paired=True))
PLACEHOLDER = pack(b"@placeholder\nACGTACGTACGTACGTACGTACGTACGTACGT\n+\nIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII\n")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be made. Sizes in bases; `fragments` a sample; `broken`: a way of break_reads, or "" for none.

    `dna_fragments`: so many a library of the sample of DNA; 0 for none. `hla_samples`: 0 to 2 of known HLA types.
    """

    seed: int = 1
    more_bacteria: int = 0
    genome_size: int = 120_000
    fungus_size: int = 200_000
    samples: int = 6
    fragments: int = 20_000
    broken: str = "truncated"
    dna_fragments: int = 0
    hla_samples: int = 0

    def __post_init__(self) -> None:
        for name in ("more_bacteria", "samples", "fragments", "dna_fragments", "hla_samples"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name.replace('_', ' ')}: {getattr(self, name)} is no number of things; give 0 or more"
                )

    def fleet(self) -> list[Organism]:
        return choose_fleet(1 + self.more_bacteria, self.genome_size, self.fungus_size)

    def chosen_samples(self) -> list[Sample]:
        return choose_samples(self.fleet(), self.samples, self.broken if self.samples else "")


def make_all(out: Path, wishes: Wishes, reads_as: str) -> None:
    """Make everything below `out`; `reads_as` is how the table of samples is to name the folder of reads."""
    samples = wishes.chosen_samples()
    transcripts = make_ensembl(out, [*wishes.fleet(), *choose_others()], wishes.seed, {one.organism for one in samples})
    reads = make_folder(out / "reads")
    truth = make_folder(out / "truth")
    for sample in samples:
        gene_of = {name: gene for name, (gene, _) in transcripts[sample.organism].items()}
        sequences = {name: bases for name, (_, bases) in transcripts[sample.organism].items()}
        counts = make_sample(sample, sequences, wishes.fragments, wishes.seed, reads)
        if not sample.broken:
            (truth / f"{sample.name}.tsv").write_text(truth_text(counts, gene_of))
    write_tables(out, wishes.fleet(), samples, reads_as)
    if wishes.dna_fragments:
        fungus = wishes.fleet()[0]
        genes = plan_genes(fungus, wishes.seed)
        genome = make_genome(fungus, genes, wishes.seed)
        copies = [(gene.contig, gene.start - 1, gene.end) for gene in genes if gene.family]
        make_dna(genome, copies, wishes.dna_fragments, wishes.seed, reads, truth)
        ask_for_dna(out / "config", fungus.name, reads_as)
    if wishes.hla_samples:
        make_hla_samples(out, wishes.hla_samples, wishes.seed, reads_as)


def make_ensembl(
    out: Path, organisms: list[Organism], seed: int, sampled: set[str]
) -> dict[str, dict[str, tuple[str, str]]]:
    """Make the site and the truth of its organisms; return gene and sequence of the transcripts of those `sampled`."""
    site, truth = make_folder(out / "ensembl"), make_folder(out / "truth")
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for organism in organisms:
        if not organism.on_ftp:
            continue
        all_genes = plan_genes(organism, seed)
        genome = make_genome(organism, all_genes, seed)
        for release in organism.releases:
            genes = genes_of_release(all_genes, organism, release)
            rows = make_annotation(organism, genes)
            lay_out_genome(site, organism, release, genome, rows)
            told = tell_truth(organism, release, genes, rows, genome)
            (truth / f"{organism.name}.{release}.json").write_text(json.dumps(told, indent=1) + "\n")
        if organism.name in sampled:
            found[organism.name] = {one.id: describe(one, genome) for one in surviving(all_genes)}
    lay_out_tables(site, organisms)
    lay_out_answers(site, organisms)
    return found


def describe(transcript: Transcript, genome: dict[str, str]) -> tuple[str, str]:
    return transcript.gene, sequence_of(genome, transcript)


def genes_of_release(genes: list[Gene], organism: Organism, release: int) -> list[Gene]:
    """The genes that a release knows: the current one all, an older one not yet the last two."""
    if release == organism.releases[-1]:
        return genes
    late = [gene for gene in genes if not gene.role][-2:]
    return [gene for gene in genes if gene not in late]


def make_manifest(out: Path, wishes: Wishes, reads_as: str) -> None:
    """Make only the tables, and files of one read each in place of the reads: to plan large runs, not to run them.

    Every sample has one row, so that `samples` are as many rows.
    """
    fleet = wishes.fleet()
    samples = [Sample(f"s{n:06d}", fleet[n % len(fleet)].name, LIBRARIES[n % 2]) for n in range(wishes.samples)]
    reads = make_folder(out / "reads")
    for sample in samples:
        for name in sample.files()[0]:
            (reads / name).write_bytes(PLACEHOLDER)
    write_tables(out, fleet, samples, reads_as)


def write_tables(out: Path, fleet: list[Organism], samples: list[Sample], reads_as: str) -> None:
    config = make_folder(out / "config")
    (config / "organisms.tsv").write_text(organisms_text(fleet))
    (config / "samples.tsv").write_text(samples_text(samples, reads_as))


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
