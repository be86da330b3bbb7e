"""A lean chain as OptiType's with yara: map onto all alleles, a matrix of hits, one integer program. Needs seqan-apps.

peer_optitype.py index RELEASE PREFIX; peer_optitype.py type PREFIX FQ1 FQ2 OUTPUT. Reads are mapped onto the stretch of
the exons that make the peptide's groove, with some bases around it, of every allele; a pair hits the alleles that both
mates hit with the fewest errors. The program chooses one or two alleles a locus that explain the most pairs, less a
share of 0.009 for each. Left out: pandas, HDF files and plots. Szolek et al. 2014,
https://doi.org/10.1093/bioinformatics/btu548
"""

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pulp
from read_hla_release import Gene, read_genes

GROOVE = {**dict.fromkeys(("A", "B", "C"), (2, 3)), **dict.fromkeys(("DRB1", "DQA1", "DQB1", "DPA1", "DPB1"), (2, 2))}
AROUND = 100
BETA = 0.009


def stretch(gene: Gene) -> str:
    first, last = GROOVE[gene.locus]
    start, end = gene.exons[first - 1][0], gene.exons[last - 1][1]
    return gene.bases[max(0, start - AROUND) : end + AROUND]


def index(release: Path, prefix: Path) -> None:
    genes = read_genes(release)
    with prefix.with_suffix(".fa").open("w") as fasta:
        for locus in GROOVE:
            for gene in genes[locus]:
                if len(gene.exons) > 2:
                    fasta.write(f">{gene.name}\n{stretch(gene)}\n")
    subprocess.run(["yara_indexer", prefix.with_suffix(".fa"), "-o", prefix], check=True, stdout=subprocess.DEVNULL)


def hits_of(prefix: Path, reads: Path) -> dict[str, frozenset[str]]:
    """Alleles by read, of the alignments with the fewest errors."""
    command = ["yara_mapper", "-e", "3", "-t", "1", "-f", "sam", prefix, reads]
    found = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mapper:
        for line in mapper.stdout:
            cells = line.rstrip("\n").split("\t")
            if line.startswith("@") or cells[2] == "*":
                continue
            others = next((cell[5:] for cell in cells[11:] if cell.startswith("XA:Z:")), "")
            names = [cells[2], *(other.split(",")[0] for other in others.split(";") if other)]
            found[cells[0].rsplit("/", 1)[0]] = frozenset(names)
    if mapper.returncode:
        raise RuntimeError(f"{command} ended with {mapper.returncode}")
    return found


def pair_hits(first: dict[str, frozenset[str]], second: dict[str, frozenset[str]]) -> Counter[frozenset[str]]:
    """Pairs by the alleles that they hit; a pair whose mates agree on none is left out."""
    counts: Counter[frozenset[str]] = Counter()
    for name in first.keys() | second.keys():
        hit = first[name] & second[name] if name in first and name in second else first.get(name) or second[name]
        if hit and len({allele.split("*")[0] for allele in hit}) == 1:
            counts[hit] += 1
    return counts


def undominated(counts: Counter[frozenset[str]]) -> dict[str, frozenset[int]]:
    """Classes of pairs by allele, without the alleles that explain no more than part of what another explains."""
    explained: dict[str, set[int]] = defaultdict(set)
    for number, hit in enumerate(counts):
        for allele in hit:
            explained[allele].add(number)
    distinct = {frozenset(classes): allele for allele, classes in sorted(explained.items(), reverse=True)}
    kept = [classes for classes in distinct if not any(classes < other for other in distinct)]
    return {distinct[classes]: classes for classes in kept}


def choose(counts: Counter[frozenset[str]]) -> dict[str, list[str]]:
    explained = undominated(counts)
    problem = pulp.LpProblem("types", pulp.LpMaximize)
    taken = {allele: pulp.LpVariable(f"x{place}", cat="Binary") for place, allele in enumerate(explained)}
    covered = {number: pulp.LpVariable(f"y{number}", 0, 1) for number in range(len(counts))}
    pairs = list(counts.values())
    penalty = BETA * sum(pairs)
    problem += pulp.lpSum(pairs[number] * one for number, one in covered.items()) - penalty * pulp.lpSum(taken.values())
    by_class: dict[int, list[pulp.LpVariable]] = defaultdict(list)
    for allele, classes in explained.items():
        for number in classes:
            by_class[number].append(taken[allele])
    for number, one in covered.items():
        problem += one <= pulp.lpSum(by_class[number])
    loci: dict[str, list[str]] = defaultdict(list)
    for allele in explained:
        loci[allele.split("*")[0]].append(allele)
    for alleles in loci.values():
        problem += pulp.lpSum(taken[allele] for allele in alleles) >= 1
        problem += pulp.lpSum(taken[allele] for allele in alleles) <= 2
    problem.solve(pulp.PULP_CBC_CMD(msg=False))
    return {locus: [allele for allele in alleles if taken[allele].value() > 0.5] for locus, alleles in loci.items()}


def type_sample(prefix: Path, fq1: Path, fq2: Path, output: Path) -> None:
    chosen = choose(pair_hits(hits_of(prefix, fq1), hits_of(prefix, fq2)))
    rows = (f"{locus}\t{alleles[0]}\t{alleles[-1]}\n" for locus, alleles in chosen.items())
    output.write_text("locus\tallele1\tallele2\n" + "".join(rows))


if __name__ == "__main__":
    {"index": index, "type": type_sample}[sys.argv[1]](*map(Path, sys.argv[2:]))
