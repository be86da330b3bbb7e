"""Index an IMGT/HLA release once: alleles in columns, a panel to map reads to, and the k-mers that fish for them."""

from pathlib import Path

import numpy as np
from _hla_gene import Gene, distances, distinct_rows, exons_of, fill_gene, merge_gene
from _hla_index import BETWEEN, EXON, FORMAT, TILE, TYPED
from _hla_kmers import K, all_kmers, kmers_of, reverse_complements
from _hla_release import GAP, UNKNOWN, Release, read_groups, read_release
from _hla_sequences import read_unaligned
from _log import InputError, log_to

# A gene of the panel stands there with as many alleles as it takes for every other to be this near to one, in exons.
# Some of those that are not typed are short: a read of HLA-U with 3 bases unlike the panel's is mapped to A alone.
NEAR, MOST = 0.03, 8
NEAR_OF_OTHERS, MOST_OF_OTHERS = 0.01, 4
# Reads are fished for, and mapped to, what lies in exons, and as far around them as this.
FLANK = 300
# A stretch is a repeat where this share of its short k-mers occurs in a gene of another family as well.
REPEAT_K, REPEAT_WINDOW, REPEAT_SHARE = 14, 40, 0.3
# A k-mer between exons is of a repeat where it has so many of these, or where all but so many bases recur in it.
MOST_REPEATED, MOST_UNLIKE, LONGEST_PERIOD = 3, 4, 6
LENDERS = {"DRB5": "DRB1", "DRB4": "DRB1", "DRB3": "DRB1"}


def index_release(release: Release, groups: dict[str, dict[str, str]]) -> dict[str, np.ndarray]:
    """Everything of the index, by the names it has in the file."""
    index = {"format": np.array(FORMAT), "release": np.array(release.name)}
    contigs, maps, kmers, whole = [], [], [], {}
    repeats = find_repeats(release)
    names = [*(gene for gene in TYPED if gene in release.coding), *sorted({*release.coding, *release.genes} - {*TYPED})]
    for name in names:
        lender = LENDERS.get(name)
        gene = merge_gene(name, release.coding.get(name), release.genes.get(name), release.genes.get(lender))
        fill_gene(gene, whole.get(lender) if name not in release.genes else None)
        if name in LENDERS.values():
            whole[name] = gene
        index |= {f"{name}/{key}": value for key, value in tile_gene(gene).items()}
        mapped = columns_to_map(gene, repeats)
        limits = (NEAR, MOST) if name in TYPED else (NEAR_OF_OTHERS, MOST_OF_OTHERS)
        for row in representatives(gene, *limits):
            add_contigs(gene, row, mapped, contigs, maps)
        kmers.append(fishing_kmers(gene, mapped, repeats))
    index["genes"] = as_text(names)
    index["contigs"] = as_text([f"{gene}\t{sequence}" for gene, sequence in contigs])
    index["maps"] = np.concatenate(maps)
    forward = np.unique(np.concatenate(kmers))
    index["kmers"] = np.union1d(forward, reverse_complements(forward))
    for letter, found in groups.items():
        index[f"groups/{letter}"] = as_text([f"{allele}\t{group}" for allele, group in found.items()])
    return index


def tile_gene(gene: Gene) -> dict[str, np.ndarray]:
    """The different pieces of each 32 columns, and which of them each allele has."""
    columns = gene.rows.shape[1]
    rows = np.pad(gene.rows, ((0, 0), (0, -columns % TILE)))
    pieces, which = [], []
    for start in range(0, columns, TILE):
        found, inverse = distinct_rows(rows[:, start : start + TILE])
        pieces.append(found)
        which.append(inverse.astype(np.uint16))
    _, setting = distinct_rows(gene.rows[:, ~gene.in_exon()])
    return {
        "names": as_text(gene.names),
        "ends": np.asarray(gene.ends, dtype=np.int32),
        "kinds": np.asarray(gene.kinds, dtype=np.int8),
        "filled": gene.filled,
        "haplotypes": np.concatenate(pieces),
        "first": np.cumsum([0, *(len(piece) for piece in pieces)]).astype(np.int32),
        "which": np.stack(which),
        "gaps": gap_runs(gene),
        "setting": setting.astype(np.uint16),
    }


def gap_runs(gene: Gene) -> np.ndarray:
    """Where alleles have gaps in exons: rows of the first column, and of the one after the last."""
    found = np.zeros((0, 2), dtype=np.int32)
    for block in np.flatnonzero(gene.kinds == EXON):
        columns = gene.columns(block)
        patterns, _ = distinct_rows((gene.rows[:, columns] == GAP).astype(np.uint8))
        edges = np.diff(np.pad(patterns.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        starts, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
        found = np.concatenate([found, np.stack([starts, ends], axis=1).astype(np.int32) + columns.start])
    return np.unique(found, axis=0)


def representatives(gene: Gene, near: float, most: int) -> list[int]:
    """Alleles that between them are near to all others; those that are known best come first."""
    exons = exons_of(gene)
    # What a mapper shows of a read on an allele with a gap of its own depends on where it puts the gap.
    _, pattern_of = distinct_rows((exons == GAP).astype(np.uint8))
    usual = np.flatnonzero(pattern_of == np.bincount(pattern_of).argmax())
    unknown = gene.filled[usual].sum(axis=1)
    known = usual[unknown == unknown.min()]
    chosen = [int(known[0])]
    nearest = distances(exons, exons[chosen])[:, 0]
    while len(chosen) < most and nearest.max() > near * exons.shape[1]:
        # The farthest may be known in part only; of the well known, the one that is nearest to it stands for it.
        farthest = int(nearest.argmax())
        candidate = int(known[distances(exons[known], exons[[farthest]])[:, 0].argmin()])
        candidate = farthest if candidate in chosen else candidate
        chosen.append(candidate)
        nearest = np.minimum(nearest, distances(exons, exons[[candidate]])[:, 0])
    return chosen


def add_contigs(gene: Gene, row: int, mapped: np.ndarray, contigs: list, maps: list) -> None:
    """Put an allele into the panel: as it lies in the genome and, for reads of RNA, without what lies between exons."""
    if (gene.kinds == EXON).all():
        columns = [np.arange(gene.rows.shape[1])[gene.columns(block)] for block in range(len(gene.ends))]
    else:
        kept = np.flatnonzero(mapped)
        columns = np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1)
    if gene.name in TYPED and (gene.kinds == BETWEEN).any():
        columns.append(gene.exon_columns())
    for kept in columns:
        codes = gene.rows[row, kept]
        bases = (codes != GAP) & (codes != UNKNOWN)
        if bases.sum() >= K:
            contigs.append((gene.name, bytes(b"?ACGT-"[code] for code in codes[bases]).decode()))
            maps.append(kept[bases].astype(np.int32))


def columns_to_map(gene: Gene, repeats: np.ndarray) -> np.ndarray:
    """Which columns lie in exons, or near them and in no repeat, long or simple, of the whole genome."""
    near = np.zeros(gene.rows.shape[1], bool)
    for block in np.flatnonzero(gene.kinds == EXON):
        columns = gene.columns(block)
        near[max(columns.start - FLANK, 0) : columns.stop + FLANK] = True
    row = gene.rows[representatives(gene, NEAR, 1)[0]]
    bases = np.flatnonzero((row != GAP) & (row != UNKNOWN))
    kmers = all_kmers(row[bases], REPEAT_K)
    repeated = np.isin(kmers, repeats, kind="sort")
    for period in range(1, LONGEST_PERIOD + 1):
        repeated[period:] |= kmers[period:] == kmers[:-period]
    window = np.convolve(np.pad(repeated, (0, REPEAT_K - 1)), np.ones(REPEAT_WINDOW), mode="same")
    near[bases[window >= REPEAT_SHARE * REPEAT_WINDOW]] = False
    return near | gene.in_exon()


def find_repeats(release: Release) -> np.ndarray:
    """The short k-mers that genes of different families share, sorted: Alu and other repeats between their exons."""
    families: dict[str, list[np.ndarray]] = {}
    for name, alignment in release.genes.items():
        row = alignment.rows[(alignment.rows != UNKNOWN).sum(axis=1).argmax()]
        family = name[:2] if name.startswith("D") else name if len(name) > 1 else "class I"
        families.setdefault(family, []).append(kmers_of(row[row != GAP], REPEAT_K))
    found = []
    for parts in families.values():
        kmers = np.concatenate(parts)
        found.append(np.unique(np.concatenate([kmers, reverse_complements(kmers, REPEAT_K)])))
    kmers, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *found]), return_counts=True)
    return kmers[counts > 1]


def fishing_kmers(gene: Gene, mapped: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """The k-mers of all alleles that start in the columns to map; between exons, without those of repeats."""
    near_exons, between = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    in_exon = gene.in_exon()
    for start in range(0, len(mapped), TILE):
        # Half as much again as a k-mer lets it step over gaps.
        columns = slice(start, start + TILE + K + K // 2)
        if mapped[columns].any():
            kept = columns if mapped[columns].all() else np.arange(len(mapped))[columns][mapped[columns]]
            found = [kmers_of(row[row != GAP]) for row in distinct_rows(gene.rows[:, kept])[0]]
            (near_exons if in_exon[columns].any() else between).extend(found)
    others = np.unique(np.concatenate(between))
    return np.union1d(np.concatenate(near_exons), others[~of_repeats(others, repeats)])


def of_repeats(kmers: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Which k-mers are of repeats, long or simple: a genome is full of reads that share them."""
    parts = (part_of(kmers, start, REPEAT_K) for start in range(K - REPEAT_K + 1))
    repeated = sum(np.isin(part, repeats, kind="sort").astype(int) for part in parts) > MOST_REPEATED
    for period in range(1, LONGEST_PERIOD + 1):
        unlike = part_of(kmers, 0, K - period) ^ part_of(kmers, period, K - period)
        differing = sum((part_of(unlike, place, 1) > 0).astype(int) for place in range(K - period))
        repeated |= differing <= MOST_UNLIKE
    return repeated


def part_of(kmers: np.ndarray, start: int, length: int) -> np.ndarray:
    """Some bases of each k-mer."""
    return (kmers >> np.uint64(2 * start)) & np.uint64((1 << 2 * length) - 1)


def as_text(lines: list[str]) -> np.ndarray:
    """Lines as an array of bytes, which loads faster than an array of strings."""
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def find_groups(files: list[Path]) -> dict[str, dict[str, str]]:
    """The G and P groups of a release, where its files have them."""
    folders = [folder for path in files if path.is_dir() for folder in (path, path / "wmda")]
    groups = {}
    for letter in "gp":
        name = f"hla_nom_{letter}.txt"
        found = [
            path for path in [*files, *(folder / name for folder in folders)] if path.name == name and path.exists()
        ]
        groups[letter.upper()] = read_groups(found[0]) if found else {}
    return groups


def main(release: list[Path], name: str, output: Path, alleles: Path) -> None:
    found = read_unaligned(release, name) or read_release(release)
    if found.name != name:
        raise InputError(
            f"{release[0]} holds release {found.name}, hla: version says {name}; correct one of them in config.yaml"
        )
    index = index_release(found, find_groups(release))
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f"{output.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **index)
    names = [bytes(index[f"{gene}/names"]).decode() for gene in bytes(index["genes"]).decode().split("\n")]
    alleles.write_text("\n".join(names) + "\n")
    part.rename(output)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.release],
        snakemake.params.version,
        Path(snakemake.output.index),
        Path(snakemake.output.alleles),
    )
