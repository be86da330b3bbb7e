"""Tell the truth of an organism: what has to be left out of its GTF and why, and which transcripts remain.

It is told from what was planted, not by cleaning, so that a cleaner can be held against it.
"""

import hashlib
from collections.abc import Mapping

from tests.toy.choose_organisms import Organism
from tests.toy.make_annotation import REASONS, SEMICOLON, TWICE, Row
from tests.toy.make_genomes import sequence_of
from tests.toy.plan_genes import Gene, Transcript


def tell_truth(organism: Organism, release: int, genes: list[Gene], rows: list[Row], genome: Mapping[str, str]) -> dict:
    """Gather what is known of an organism in a release.

    `removed` counts rows by reason, and names the transcripts of them; of an id that is used twice, the first place in
    the file remains. `transcripts` are the remaining ones, `length` in bases, `sha256` of their bases 5' to 3'.
    """
    return {
        "organism": organism.name,
        "assembly": organism.assembly,
        "release": str(release),
        "contigs": {name: len(bases) for name, bases in genome.items()},
        "rows_in": len(rows),
        "rows_kept": sum(not row.reason for row in rows),
        "removed": {
            reason: {
                "rows": sum(row.reason == reason for row in rows),
                "transcripts": sorted({row["transcript_id"] for row in rows if row.reason == reason} - {""}),
            }
            for reason in REASONS
            if any(row.reason == reason for row in rows)
        },
        "repaired": {SEMICOLON: sum(row.mended for row in rows)},
        "twice": {row["transcript_id"]: row["gene_id"] for row in rows if row.reason == TWICE},
        "families": [[gene.id for gene in genes if gene.family == name] for name in families(genes)],
        "transcripts": [describe(transcript, genome) for transcript in surviving(genes)],
    }


def families(genes: list[Gene]) -> list[str]:
    return sorted({gene.family for gene in genes if gene.family})


def surviving(genes: list[Gene]) -> list[Transcript]:
    """The transcripts that remain when the annotation has been cleaned."""
    return [transcript for gene in genes if not gene.role for transcript in gene.transcripts]


def describe(transcript: Transcript, genome: Mapping[str, str]) -> dict:
    bases = sequence_of(genome, transcript)
    return {
        "id": transcript.id,
        "gene": transcript.gene,
        "contig": transcript.contig,
        "strand": transcript.strand,
        "exons": len(transcript.exons),
        "length": len(bases),
        "sha256": hashlib.sha256(bases.encode()).hexdigest(),
    }
