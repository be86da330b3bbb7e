"""Map fished reads with minimap2 to a panel of alleles, and say what each shows in the columns of the genes it fits.

A read that fits several genes is placed in each; which of them it came from is for the typing to weigh.
"""

import tempfile
from array import array

import mappy
import numpy as np
from _hla_hits import COLUMNS, Hits
from _hla_index import EXON, Index
from _hla_reads import CODE_OF, Reads

# A read that differs from the panel in more than this of its bases is no read of the gene.
DIVERGENCE = 0.12
BEHIND = 30  # a gene that a read fits so much worse than another, five a difference, is not looked at
SHORTEST = 25  # aligned bases


class Panel:
    """The alleles to map to, and where their bases lie in the columns of their genes.

    `columns`, `codes` and `blocks` have all contigs one after the other, from `starts` (contigs + 1) on; so have `gaps`
    the columns in exons that a contig skips, from `gap_starts` (bases + 1) on.
    """

    def __init__(self, index: Index) -> None:
        self.genes, self.sequences = zip(*(line.split("\t") for line in index.strings("contigs")), strict=True)
        self.starts = np.cumsum([0, *(len(sequence) for sequence in self.sequences)])
        self.columns = index.array("maps")
        self.codes = CODE_OF[np.frombuffer("".join(self.sequences).encode(), dtype=np.uint8)]
        found = [index.gene(gene).block_of[self.columns[self.place(n)]] for n, gene in enumerate(self.genes)]
        self.blocks = np.concatenate(found)
        self.exons = {gene: index.gene(gene).kinds == EXON for gene in set(self.genes)}
        self.known_gaps = {gene: {tuple(run) for run in index.array(f"{gene}/gaps").tolist()} for gene in self.exons}
        self.gap_starts, self.gaps = self.skipped()
        # A mapper drops what covers a read in part beside what covers it whole: genes that are known in exons only, and
        # not what lies between, are mapped to by themselves.
        lone = [number for number, gene in enumerate(self.genes) if self.exons[gene].all()]
        whole = [number for number in range(len(self.genes)) if number not in set(lone)]
        self.relatives = {gene for gene in set(self.genes) for number in lone if gene[:2] == self.genes[number][:2]}
        self.aligners = [self.aligner(numbers) for numbers in (whole, lone) if numbers]
        self.gene_of = {str(number): gene for number, gene in enumerate(self.genes)}
        self.only_exons = {gene for gene, kinds in self.exons.items() if kinds.all()}

    def place(self, contig: int) -> slice:
        """Where a contig lies in `columns`, `codes` and `blocks`."""
        return slice(self.starts[contig], self.starts[contig + 1])

    def skipped(self) -> tuple[np.ndarray, np.ndarray]:
        """After each base, the columns of its exon that the contig has a gap in."""
        room = np.diff(self.columns, append=0) - 1
        room[np.append(np.diff(self.blocks) != 0, True)] = 0
        room[self.starts[1:] - 1] = 0
        in_exon = np.concatenate([self.exons[gene][self.blocks[self.place(n)]] for n, gene in enumerate(self.genes)])
        room[~in_exon] = 0
        skips = np.flatnonzero(room)
        columns = [np.arange(self.columns[skip] + 1, self.columns[skip + 1]) for skip in skips]
        return np.cumsum([0, *room]), np.concatenate([np.zeros(0, int), *columns]).astype(np.int32)

    def aligner(self, numbers: list[int]) -> mappy.Aligner:
        """A mapper to some of the contigs, named by their numbers."""
        with tempfile.NamedTemporaryFile("w", suffix=".fa") as fasta:
            fasta.writelines(f">{number}\n{self.sequences[number]}\n" for number in numbers)
            fasta.flush()
            # Short k-mers, as alleles that the panel lacks differ every few bases where they are most various; so many
            # hits that all alleles of A, B and C are among them: a read of C may fit many of A and B before its own.
            return mappy.Aligner(fasta.name, preset="sr", k=15, w=8, min_cnt=2, min_chain_score=20, best_n=40)

    def best_hits(self, sequence: bytes, buffer: mappy.ThreadBuffer) -> list[mappy.Alignment]:
        """The best hit of a read in each gene."""
        best: dict[str, tuple] = {}
        for aligner in self.aligners:
            if aligner is not self.aligners[0] and self.relatives.isdisjoint(best):
                continue
            for hit in aligner.map(sequence, buf=buffer):
                gene = self.gene_of[hit.ctg]
                differing, length = hit.NM, hit.blen
                worth = (hit.q_en - hit.q_st) - 5 * differing
                better = gene not in best or worth > best[gene][0]
                if better and length >= SHORTEST and differing / length <= DIVERGENCE:
                    best[gene] = worth, hit
        enough = max((worth for worth, _ in best.values()), default=0) - BEHIND
        return [hit for gene, (worth, hit) in best.items() if worth >= enough or gene in self.only_exons]


def place_reads(panel: Panel, reads: Reads) -> Hits:
    """Place reads in the genes that they fit."""
    hits, odd = array("i"), {}
    buffer = mappy.ThreadBuffer()
    for number in range(len(reads)):
        for hit in panel.best_hits(reads.sequence(number), buffer):
            contig, backward = int(hit.ctg), hit.strand < 0
            span = hit.q_en - hit.q_st
            start = int(reads.length[number]) - hit.q_en if backward else hit.q_st
            if not span == hit.r_en - hit.r_st == hit.blen:
                odd[len(hits) // COLUMNS] = hit.cigar
            hits.extend((number, contig, backward, start, start + span, hit.r_st, hit.r_en))
    return Hits(panel, reads, np.array(hits).reshape(-1, COLUMNS), odd)
