"""Make alignments of every kind that the SAM format allows: what programs that read them must not stumble over."""

import random
from collections.abc import Iterator
from pathlib import Path

CONTIGS = {"c1": 6000, "c2": 900}
READ_GROUPS = {"A": "CELL.1", "7": "", "B": "CELL.2"}  # by ID, the platform unit
USES_READ, USES_REFERENCE = "MIS=X", "MD=X"
LINE = 61  # bases of a FASTA line


def make_genome(rng: random.Random) -> dict[str, str]:
    """Contigs with lower case, runs of N and an ambiguous base."""
    genome = {name: "".join(rng.choices("ACGT", k=size)) for name, size in CONTIGS.items()}
    first = genome["c1"]
    genome["c1"] = f"{first[:500].lower()}{'N' * 40}{first[540:800]}R{first[801:]}"
    return genome


def make_cigar(rng: random.Random) -> list[tuple[str, int]]:
    middle = [("I", 2)] * (rng.random() < 0.05) + [(rng.choice("MMMMMMM=X"), rng.randint(1, 60))]
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2, 3])):
        middle += [(rng.choice("ID"), rng.choice([1, 1, 2, 3, 7])), ("M", rng.randint(1, 40))]
    clips = [[("S", rng.randint(1, 20))] * (rng.random() < 0.2) for _ in range(2)]
    hard = [[("H", 9)] * (rng.random() < 0.05) for _ in range(2)]
    return [*hard[0], *clips[0], *middle, *clips[1], *hard[1]]


def read_bases(genome: str, place: int, cigar: list[tuple[str, int]], rng: random.Random) -> str:
    bases = ""
    for operation, length in cigar:
        if operation in USES_REFERENCE and operation in USES_READ:
            bases += genome[place : place + length].upper()
        elif operation in USES_READ:
            bases += "".join(rng.choices("ACGT", k=length))
        place += length * (operation in USES_REFERENCE)
    return "".join(rng.choice("ACGTN") if rng.random() < 0.08 or base not in "ACGT" else base for base in bases)


def make_qualities(length: int, rng: random.Random) -> str:
    low = rng.choice([3, 6, 20])
    qualities = [rng.randint(low, 41) for _ in range(length)]
    for end in (1, -1):
        if rng.random() < 0.2:
            poor = rng.randint(1, length)
            qualities = [2 if place < poor else quality for place, quality in enumerate(qualities[::end])][::end]
    return "".join(chr(33 + quality) for quality in qualities)


def make_records(genome: dict[str, str], number: int, rng: random.Random) -> Iterator[str]:
    """Lines of SAM text. Mates are where and how they like: no record is another one's mate."""
    for count in range(number):
        contig, cigar = rng.choice(list(genome)), make_cigar(rng)
        spans = sum(length for operation, length in cigar if operation in USES_REFERENCE)
        place = rng.randrange(len(genome[contig]) - spans)
        bases = read_bases(genome[contig], place, cigar, rng)
        flag = rng.choice([0, 0, 1 | 64, 1 | 64, 1 | 128, 1 | 128]) | rng.choice([0, 16])
        flag |= rng.choice([0] * 12 + [256, 512, 1024, 2048])
        mate, template = place + rng.randint(-80, 80), rng.randint(-150, 150)
        if flag & 1:
            flag |= rng.choice([0, 0, 0, 8]) | (32 if not flag & 16 or rng.random() < 0.2 else 0)
        tags = [f"RG:Z:{rng.choice(list(READ_GROUPS))}"]
        tags += [f"OQ:Z:{make_qualities(len(bases), rng)}"] * (rng.random() < 0.1)
        tags += ["XX:Z:the letters RGZ and RGZ7"] * (rng.random() < 0.1) + ["XB:B:s,1,2,3"] * (rng.random() < 0.1)
        rng.shuffle(tags)
        qualities = make_qualities(len(bases), rng) if rng.random() > 0.05 else "*"
        fields = [
            *(f"read{count}", flag, contig, place + 1, rng.choice([60, 60, 60, 20, 1, 0, 255])),
            "".join(f"{length}{operation}" for operation, length in cigar),
            *(("=", max(mate, 0) + 1, template) if flag & 1 else ("*", 0, 0)),
            *(bases, qualities, *tags),
        ]
        yield "\t".join(map(str, fields)) + "\n"
    yield f"unmapped\t4\t*\t0\t0\t*\t*\t0\t0\tACGTACGTAC\tIIIII5IIII\tRG:Z:{min(READ_GROUPS)}\n"


def make_sites(genome: dict[str, str], rng: random.Random) -> Iterator[str]:
    """Lines of a VCF file: sites of one base and many, some that an END tells, some that overlap."""
    yield "##fileformat=VCFv4.2\n"
    yield '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base">\n'
    yield from (f"##contig=<ID={name},length={len(bases)}>\n" for name, bases in genome.items())
    yield "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    for name, bases in genome.items():
        place = 0
        while (place := place + rng.randint(1, 60)) < len(bases) - 200:
            reference = bases[place : place + rng.choice([1, 1, 1, 2, 5, 30])].upper()
            if set(reference) - set("ACGT"):
                continue
            if rng.random() < 0.03:
                yield f"{name}\t{place + 1}\t.\t{reference[0]}\t<DEL>\t.\t.\tEND={place + rng.randint(2, 90)}\n"
            else:
                yield f"{name}\t{place + 1}\t.\t{reference}\t{'A' if reference != 'A' else 'C'}\t.\t.\t.\n"


def write_odd_alignments(folder: Path, number: int, seed: int) -> None:
    """Write genome.fa, sites.vcf and reads.sam, which is not sorted."""
    rng = random.Random(seed)
    genome = make_genome(rng)
    with (folder / "genome.fa").open("w") as fasta:
        for name, bases in genome.items():
            fasta.write(f">{name} odd\n" + "".join(f"{bases[at : at + LINE]}\n" for at in range(0, len(bases), LINE)))
    (folder / "sites.vcf").write_text("".join(make_sites(genome, rng)))
    with (folder / "reads.sam").open("w") as sam:
        sam.writelines(f"@SQ\tSN:{name}\tLN:{len(bases)}\n" for name, bases in genome.items())
        for group, unit in READ_GROUPS.items():
            sam.write(f"@RG\tID:{group}\tSM:s\tLB:l\tPL:ILLUMINA{unit and f'{chr(9)}PU:{unit}'}\n")
        sam.writelines(make_records(genome, number, rng))
