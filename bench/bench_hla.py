"""HLA types of simulated samples against the truth, their cost against a peer's chain, and the speed of fishing.

Genotypes are drawn from the release in ../shared/data, or a made-up one where that is not there. Each sample is fished
and typed as the workflow's jobs do it, and typed by the peer (peer_optitype.py) in turn. Fishing is measured on reads
of a genome of which few are of HLA genes, against minimap2 alone on the release's genes and against reading alone.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from _configuration import settle
from draw_calibration import BINS, calibration, draw_calibration
from measure import Cost, measure, middle, tell
from read_hla_release import Gene, read_genes
from simulate_hla import (
    CLASS_I,
    CLASS_II,
    Person,
    common_names,
    draw_people,
    simulate,
    two_fields,
    unrelated_bases,
)

from tests.toy.make_hla_reads import Sequencing, Template, write_pairs
from tests.toy.make_hla_release import make_hla_release

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "hla"
SCRIPTS = ROOT / "workflow" / "scripts"
LIMIT_CPU_S, LIMIT_RSS_MB = 5.0, 300.0  # of typing a sample
LIMIT_READS_A_CPU_S = 400_000  # fishing in a genome is at least that fast
AROUND = 100  # bases around an exon, of reads that must not be lost
SCHEMA = yaml.safe_load((SCRIPTS.parent / "schemas" / "config.schema.yaml").read_text())
SETTINGS = settle({}, SCHEMA)["hla"] | {"program_version": "bench"}
CALL = "import sys; from pathlib import Path; sys.path.insert(0, {scripts!r}); from {module} import main; main({words})"


@dataclass(frozen=True)
class Call:
    """What was called of one locus of one sample, and what is true, at two fields; `absent` counts as an allele."""

    locus: str
    called: tuple[str, str]
    true: tuple[str, str]
    confidence: float
    outside: bool

    @property
    def right(self) -> int:
        """How many of the two alleles are right."""
        return sum((Counter(self.called) & Counter(self.true)).values())


def lay_out_release(work: Path) -> tuple[list[Path], str, Path, Path]:
    """Return the release's files, its version, the folder to simulate from, and the list of common alleles."""
    real = DATA / "imgt" / "3.33.0"
    if real.exists():
        files = [real / "Alignments_Rel_3330.zip", real / "wmda/hla_nom_g.txt", real / "wmda/hla_nom_p.txt"]
        return files, "3.33.0", real, DATA / "ciwd" / "ciwd.3.0.0.csv"
    print("no release in ../shared/data: a made-up one is used", file=sys.stderr)
    toy = work / "imgt"
    make_hla_release(toy, 1)
    files = [toy / "Alignments_Rel_010.zip", toy / "wmda/hla_nom_g.txt", toy / "wmda/hla_nom_p.txt"]
    return files, "0.1.0", toy, toy / "common.csv"


def python_call(module: str, *words: object) -> list[str]:
    """A command that calls the main function of a script as its rule does; paths are made of text again."""
    told = ", ".join(f"Path({str(word)!r})" if isinstance(word, Path) else spell(word) for word in words)
    return [sys.executable, "-c", CALL.format(scripts=str(SCRIPTS), module=module, words=told)]


def spell(word: object) -> str:
    if isinstance(word, list) and word and isinstance(word[0], Path):
        return "[" + ", ".join(f"Path({str(path)!r})" for path in word) + "]"
    return repr(word)


def type_ours(fq: Sequence[Path], name: str, index: Path, common: Path, work: Path) -> tuple[Cost, Cost]:
    """Fish and type one sample; return what each took."""
    fished, typing = work / f"{name}.fished", work / f"{name}.typing"
    fishing = python_call("hla_fish_reads", [fq[0]], [fq[1]], None, None, index, fished)
    typed = python_call("hla_type_sample", name, fished, index, common, SETTINGS, typing, work / f"{name}.types.tsv")
    return measure(fishing, work), measure(typed, work)


def truth_of(person: Person) -> dict[str, tuple[str, str]]:
    found = {}
    for locus in SETTINGS["loci"]:
        names = [two_fields(gene.name) for gene in person.genotype.get(locus, ())]
        found[locus] = tuple([*names, "absent", "absent"][:2])
    return found


def calls_of(person: Person, types: Path) -> list[Call]:
    """Hold a types.tsv against the truth; a locus without a row, or a sample without types, is called nothing."""
    with types.open() as table:
        rows = {row["locus"]: row for row in csv.DictReader(table, delimiter="\t") if row.get("locus")}
    outside = person.outside.split("*")[0]
    return [
        Call(
            locus,
            alleles_of(rows.get(locus)),
            true,
            float((rows.get(locus) or {}).get("confidence") or 0),
            locus == outside,
        )
        for locus, true in truth_of(person).items()
    ]


def alleles_of(row: Mapping[str, str] | None) -> tuple[str, str]:
    """The two-field alleles of a row; one copy of DRB3, 4 or 5 is an allele and an absent one."""
    if row is None:
        return "", ""
    first, second = (two_fields(row.get(f"two_field{number}") or row[f"allele{number}"]) for number in (1, 2))
    return first, second


def score(calls: Iterable[Call]) -> dict[str, float]:
    """Share of alleles that are right, by class; `called` leaves out what was not resolved or not called."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        name = "class1" if call.locus in CLASS_I else "class2" if call.locus in CLASS_II else "drb345"
        groups[name].append(call)
        if call.outside:
            groups["outside_common"].append(call)
    found = {}
    for name, its in sorted(groups.items()):
        told = sum(word not in ("", "not resolved") for call in its for word in call.called)
        found[f"{name}_right_percent"] = round(100 * sum(call.right for call in its) / (2 * len(its)), 2)
        found[f"{name}_right_of_called_percent"] = round(100 * sum(call.right for call in its) / max(told, 1), 2)
    return found


def accuracy(
    people: Sequence[Person], with_peer: int, files: tuple[Path, Path, Path], peer: Path | None, work: Path, seed: int
) -> dict[str, dict[str, float]]:
    """Type all people, the first `with_peer` also by the peer; print what is wrong and return the results."""
    index, common, _ = files
    unrelated = unrelated_bases(seed)
    ours: list[Call] = []
    theirs: list[Call] = []
    costs: dict[str, list[Cost]] = defaultdict(list)
    for number, person in enumerate(people):
        fq = simulate(person, unrelated, seed, work)
        fishing, typing = type_ours(fq, person.name, index, common, work)
        costs["fish"].append(fishing)
        costs["type"].append(typing)
        calls = calls_of(person, work / f"{person.name}.types.tsv")
        ours += calls
        for call in calls:
            if call.right < 2:
                kind = f"{'exome' if person.exome else 'genome'} {person.sequencing.length} {person.depth:g}x"
                print(f"{person.name} ({kind}): {call}", file=sys.stderr)
        if peer and number < with_peer:
            output = work / f"{person.name}.peer.tsv"
            script = ROOT / "bench" / "peer_optitype.py"
            costs["peer"].append(measure([sys.executable, script, "type", peer, *fq, output], work))
            loci = {line.split("\t")[0] for line in output.read_text().splitlines()[1:]}
            theirs += [call for call in calls_of(person, output) if call.locus in loci]
        for path in fq:
            path.unlink()
    report_calibration(ours, work)
    return results(ours, theirs, costs)


def results(ours: list[Call], theirs: list[Call], costs: Mapping[str, list[Cost]]) -> dict[str, dict[str, float]]:
    found = {"ours": middle(costs["type"]) | score(ours), "peer": {}, "floor": {}}
    found["ours"] |= {f"fish_{key}": value for key, value in middle(costs["fish"]).items()}
    found["ours"]["most_rss_mb"] = max(cost.rss_mb for cost in (*costs["type"], *costs["fish"]))
    over = sum(cost.cpu_s > LIMIT_CPU_S or cost.rss_mb > LIMIT_RSS_MB for cost in costs["type"])
    found["ours"] |= {
        "most_cpu_s": max(cost.cpu_s for cost in costs["type"]),
        "limit_cpu_s": LIMIT_CPU_S,
        "limit_rss_mb": LIMIT_RSS_MB,
        "over_limit_percent": round(100 * over / len(costs["type"]), 2),
    }
    sure = [call for call in ours if call.confidence >= 0.95]
    found["ours"]["sure_calls"] = len(sure)
    found["ours"]["sure_and_right_percent"] = round(100 * sum(call.right == 2 for call in sure) / max(len(sure), 1), 2)
    if theirs:
        found["peer"] = middle(costs["peer"]) | score(theirs)
    return found


def report_calibration(calls: Sequence[Call], work: Path) -> None:
    """Print how often calls are right by confidence, and draw it into build/hla_calibration.svg."""
    found = calibration([(call.confidence, call.right == 2) for call in calls])
    print("| confidence | calls | mean confidence | right |\n| --- | --- | --- | --- |")
    for (low, high), (count, mean, right) in zip(BINS, found, strict=True):
        print(
            f"| {low:g} to {high:g} | {count} | {mean:.3f} | {right:.3f} |"
            if count
            else f"| {low:g} to {high:g} | 0 | | |"
        )
    picture = ROOT / "build" / "hla_calibration.svg"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(draw_calibration(found))
    print(f"calibration: {picture}", file=sys.stderr)


def fishing(index: Path, genes: Mapping[str, Sequence[Gene]], person: Person, pairs: int, work: Path) -> dict:
    """Fish in a genome's reads: reads a CPU second, and how many of the reads in and around typed exons are lost."""
    sequencing = Sequencing(150, 380.0, 60.0)
    unrelated = unrelated_bases(1)
    background = [Template("bg", unrelated, 2 * sequencing.length * pairs / len(unrelated))]
    typed = [
        Template("hla", gene.bases[max(0, start - AROUND) : end + AROUND], 15.0, flanked=False)
        for pair in person.genotype.values()
        for gene in pair
        for start, end in gene.exons
    ]
    sought = 2 * write_pairs(typed, sequencing, "hla", 1, work / "hla_1.fq.gz", work / "hla_2.fq.gz")
    whole = 2 * write_pairs(background, sequencing, "bg", 1, work / "bg_1.fq.gz", work / "bg_2.fq.gz") + sought
    for mate in (1, 2):
        with (work / f"all_{mate}.fq.gz").open("wb") as both:
            both.writelines((work / f"{name}_{mate}.fq.gz").read_bytes() for name in ("bg", "hla"))
    fq = [work / f"all_{mate}.fq.gz" for mate in (1, 2)]
    ours = measure(python_call("hla_fish_reads", [fq[0]], [fq[1]], None, None, index, work / "sea"), work)
    found = json.loads((work / "sea/fished.json").read_text())
    names = subprocess.run(["gzip", "-cd", work / "sea/reads.fastq.gz"], capture_output=True, text=True, check=True)
    kept = sum(line.startswith("@hla:") for line in names.stdout.splitlines()[::4])
    reading = "import dnaio, sys\nfor path in sys.argv[1:]:\n    for read in dnaio.open(path): pass"
    floor = measure([sys.executable, "-c", reading, *fq], work)
    told = {
        "ours": {
            "fish_reads_a_cpu_s": round(whole / ours.cpu_s),
            "limit_fish_reads_a_cpu_s": LIMIT_READS_A_CPU_S,
            "fish_genome_rss_mb": ours.rss_mb,
            "fish_kept_percent": round(100 * found["fished"] / whole, 3),
            "fish_hla_lost_percent": round(100 * (1 - kept / sought), 3),
        },
        "floor": {"fish_reads_a_cpu_s": round(whole / floor.cpu_s)},
    }
    fasta = work / "genes.fa"
    fasta.write_text("".join(f">{its[0].name}\n{its[0].bases}\n" for its in genes.values()))
    minimap = ["minimap2", "-x", "sr", "-t", "1", "-o", os.devnull, fasta, *fq]
    told["peer"] = {"fish_reads_a_cpu_s": round(whole / measure(minimap, work).cpu_s)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--with-peer", type=int, default=24, help="how many of them the peer types, too")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="of a genome, to fish in; 0: no fishing")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files, version, release, common = lay_out_release(work)
        genes = read_genes(release)
        people = list(draw_people(genes, common_names(common), max(arguments.samples, 1), arguments.seed))
        index = work / "release.npz"
        indexing = measure(python_call("hla_index_release", files, version, index, work / "alleles.txt"), work)
        peer = work / "peer"
        peer_script = ROOT / "bench" / "peer_optitype.py"
        subprocess.run([sys.executable, peer_script, "index", release, peer], check=True)
        found = {"ours": {}, "peer": {}, "floor": {}}
        if arguments.samples:
            found = accuracy(people, arguments.with_peer, (index, common, release), peer, work, arguments.seed)
        found["ours"] |= {"index_cpu_s": indexing.cpu_s, "index_rss_mb": indexing.rss_mb}
        if arguments.pairs:
            for side, more in fishing(index, genes, people[0], arguments.pairs, work).items():
                found[side] |= more
    tell("hla", found)


if __name__ == "__main__":
    main()
