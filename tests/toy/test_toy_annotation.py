import gzip
import hashlib
import json
import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.toy.choose_organisms import choose_bacterium, choose_fungus
from tests.toy.make_annotation import REASONS, coding_parts, cut, make_annotation
from tests.toy.make_genomes import change_bases, make_genome, reverse_complement, sequence_of
from tests.toy.plan_genes import Gene, Transcript, plan_genes
from tests.toy.tell_truth import surviving

SEEDS = range(1, 6)
ORGANISMS = [choose_fungus(), choose_fungus(60_000), choose_bacterium(1), choose_bacterium(250, 15_000)]
FUNGUS, BACTERIUM = "toya_fabularis.57", "bacillus_fabula_gca_000000001.57"
ATTRIBUTE = re.compile(r'(\w+) "([^"]*)";')


def read_truth(toy: Path, name: str) -> dict:
    return json.loads((toy / f"truth/{name}.json").read_text())


def find(toy: Path, pattern: str) -> Path:
    (path,) = (toy / "ensembl/pub").glob(pattern)
    return path


def read_fasta(path: Path) -> dict[str, str]:
    records = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    return {record.split()[0]: "".join(record.splitlines()[1:]) for record in records}


def read_gtf(path: Path) -> list[tuple[list[str], dict[str, str]]]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    columns = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(row[:8], dict(ATTRIBUTE.findall(row[8]))) for row in columns]


@pytest.fixture(scope="session", params=[FUNGUS, BACTERIUM])
def organism(request, toy):
    """The genome, the GTF and the truth of an organism, as they are written."""
    name, release = request.param.split(".")
    genome = read_fasta(find(toy, f"*/release-{release}/fasta/**/{name}/dna/*.dna.toplevel.fa.gz"))
    gtf = read_gtf(find(toy, f"*/release-{release}/gtf/**/{name}/*[0-9].gtf.gz"))
    return genome, gtf, read_truth(toy, request.param)


def test_every_kind_of_awkward_row_is_in_the_file_as_often_as_the_truth_says(organism):
    genome, rows, truth = organism
    found = Counter()
    for (contig, _, feature, start, end, *_), attributes in rows:
        if attributes.get("gene_biotype") == "pseudogene":
            found["pseudogene"] += 1
        elif contig not in genome:
            found["contig not in genome"] += 1
        elif int(start) > int(end):
            found["start after end"] += 1
        elif int(end) > len(genome[contig]):
            found["ends beyond its contig"] += 1
        elif "gene_id" not in attributes:
            found["transcript without a gene"] += 1
        elif feature == "exon" and "transcript_id" not in attributes:
            found["exon without a transcript"] += 1
        elif truth["twice"].get(attributes.get("transcript_id")) == attributes["gene_id"]:
            found["transcript id used twice"] += 1
    removed = {reason: told["rows"] for reason, told in truth["removed"].items()}
    assert set(removed) == set(REASONS)
    assert found == {reason: rows for reason, rows in removed.items() if reason != "transcript with an unusable exon"}
    assert removed["transcript with an unusable exon"] > 0
    assert truth["rows_in"] - truth["rows_kept"] == sum(removed.values())
    assert truth["rows_in"] == len(rows)


def test_semicolons_stand_inside_quoted_values_of_rows_that_stay(organism):
    _, rows, truth = organism
    awkward = [attributes for _, attributes in rows if any(";" in value for value in attributes.values())]
    assert truth["repaired"] == {"semicolon in a quoted value": len(awkward)}
    assert {attributes["gene_name"] for attributes in awkward} == {"alpha;beta"}
    survivors = {transcript["id"] for transcript in truth["transcripts"]}
    assert {row["transcript_id"] for row in awkward if "transcript_id" in row} <= survivors


def test_an_id_that_is_used_twice_is_first_that_of_the_transcript_which_stays(organism):
    _, rows, truth = organism
    ((twin, second),) = truth["twice"].items()
    genes = [row["gene_id"] for _, row in rows if row.get("transcript_id") == twin]
    first = next(transcript["gene"] for transcript in truth["transcripts"] if transcript["id"] == twin)
    assert genes == sorted(genes, key=[first, second].index) and set(genes) == {first, second}


def test_the_surviving_transcripts_can_be_read_from_the_files_and_have_the_true_bases(organism):
    genome, rows, truth = organism
    for told in truth["transcripts"]:
        exons = [
            row
            for row, attributes in rows
            if row[2] == "exon"
            and attributes.get("transcript_id") == told["id"]
            and attributes["gene_id"] == told["gene"]
        ]
        # Exons stand in the file 5' to 3', whatever the strand.
        parts = [genome[row[0]][int(row[3]) - 1 : int(row[4])] for row in exons]
        bases = "".join(parts if told["strand"] == "+" else map(reverse_complement, parts))
        assert (len(bases), len(exons)) == (told["length"], told["exons"])
        assert hashlib.sha256(bases.encode()).hexdigest() == told["sha256"]


def test_the_fungus_is_spliced_on_both_strands_with_isoforms_and_the_bacterium_is_not(toy):
    fungus, bacterium = (read_truth(toy, name)["transcripts"] for name in (FUNGUS, BACTERIUM))
    assert max(Counter(transcript["gene"] for transcript in fungus).values()) == 3
    assert {transcript["exons"] for transcript in fungus} >= {1, 2, 3}
    assert (
        {transcript["strand"] for transcript in fungus} == {transcript["strand"] for transcript in bacterium} == {*"+-"}
    )
    assert {transcript["exons"] for transcript in bacterium} == {1}


def test_the_default_organisms_have_about_as_many_genes_as_promised():
    assert 55 <= sum(not gene.role for gene in plan_genes(choose_fungus(), 1)) <= 65
    assert 75 <= sum(not gene.role for gene in plan_genes(choose_bacterium(1), 1)) <= 85


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("organism", ORGANISMS, ids=lambda organism: f"{organism.name}-{organism.bases}")
def test_for_any_seed_transcripts_differ_fit_their_contigs_and_are_long_enough(organism, seed):
    genes = plan_genes(organism, seed)
    genome = make_genome(organism, genes, seed)
    sequences = [sequence_of(genome, transcript) for transcript in surviving(genes)]
    assert len(set(sequences)) == len(sequences)
    assert min(map(len, sequences)) >= 300
    assert {name: len(bases) for name, bases in genome.items()} == dict(organism.contigs)
    assert {row.reason for row in make_annotation(organism, genes)} == {"", *REASONS}
    ends = sorted((gene.contig, gene.start, gene.end) for gene in genes)
    assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(ends)), "genes do not overlap"


def test_paralogs_are_nearly_alike_and_other_genes_are_not():
    organism = choose_bacterium(1)
    genes = plan_genes(organism, 1)
    genome = make_genome(organism, genes, 1)
    family = [sequence_of(genome, gene.transcripts[0]) for gene in genes if gene.family]
    other = next(sequence_of(genome, gene.transcripts[0]) for gene in genes if not gene.family)
    assert len(family) == 2
    assert 0.98 < likeness(*family) < 1
    assert likeness(family[0], other) < 0.4


def likeness(first: str, second: str) -> float:
    return sum(a == b for a, b in zip(first, second, strict=False)) / min(len(first), len(second))


def test_a_change_is_made_in_each_hundred_bases():
    bases = "ACGT" * 125
    changed = change_bases(bases, random.Random(1))
    wrong = [place // 100 for place, (a, b) in enumerate(zip(bases, changed, strict=True)) if a != b]
    assert wrong == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("strand", "+-")
def test_the_coding_sequence_is_whole_codons_between_its_start_and_stop_codon(strand):
    transcript = Transcript("t", "g", "I", strand, ((101, 200), (301, 401), (501, 650)))
    parts = list(coding_parts(transcript))
    bases = {name: sum(end - start + 1 for part, start, end, _ in parts if part == name) for name, *_ in parts}
    assert bases["CDS"] % 3 == 0 and bases["start_codon"] == bases["stop_codon"] == 3
    coding = [(start, end) for part, start, end, _ in parts if part == "CDS"]
    # Frame: bases to skip until the next codon begins (http://mblab.wustl.edu/GTF22.html).
    passed = [sum(end - start + 1 for start, end in coding[:place]) for place in range(len(coding))]
    assert [(int(frame) + done) % 3 for (*_, frame), done in zip(parts, passed, strict=False)] == [0] * len(coding)
    (start,) = [place for part, *place, _ in parts if part == "start_codon"]
    assert start == ([131, 133] if strand == "+" else [618, 620])


def test_a_stretch_of_a_transcript_is_cut_at_its_introns():
    exons = ((1, 10), (21, 30))
    assert list(cut(Transcript("t", "g", "I", "+", exons), 8, 12)) == [(9, 10), (21, 22)]
    assert list(cut(Transcript("t", "g", "I", "-", exons), 8, 12)) == [(21, 22), (9, 10)]


def test_an_older_release_has_fewer_genes_and_otherwise_the_same(toy):
    older, newer = (read_truth(toy, f"toya_fabularis.{release}")["transcripts"] for release in (56, 57))
    assert len({one["gene"] for one in newer}) - len({one["gene"] for one in older}) == 2
    assert all(transcript in newer for transcript in older)


@pytest.mark.parametrize("choose", [choose_fungus, lambda bases: choose_bacterium(1, bases)])
def test_a_genome_without_room_for_genes_is_refused_with_the_least_size(choose):
    with pytest.raises(ValueError, match="has no room for its genes; give it at least"):
        choose(9_000)


def test_another_seed_plans_other_genes():
    def places(seed: int) -> list[tuple[int, int]]:
        genes: list[Gene] = plan_genes(choose_fungus(), seed)
        return [(gene.start, gene.end) for gene in genes]

    assert places(1) == places(1) != places(2)
