"""Type all loci of a sample together: the integer program chooses, the likelihood weighs what it chose among."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from _hla_calls import (
    ABSENT,
    Call,
    call_locus,
    exon_depths,
    find_misfits,
    find_third,
    mean_depth,
    own_fragments,
    telling,
    two_fields,
)
from _hla_evidence import FLOOR, Evidence, Locus, weigh
from _hla_genotypes import HOMOZYGOUS, Candidates, find_candidates, priors, stray_chance, weigh_pairs
from _hla_hits import Hits
from _hla_index import Index
from _hla_program import Solved, make_program, solve

OPTIONAL = ("DRB3", "DRB4", "DRB5")
IN_PROGRAM = 30  # classes of alleles a locus
# The depth of an optional locus that is there, as a share of DRB1's; and of one that the types of DRB1 lead to expect.
PRESENT_DEPTH, EXPECTED_DEPTH = 0.1, 0.02
ONE_COPY_DEPTH = 0.75
# The families of DRB1 whose haplotypes carry each (https://hla.alleles.org/nomenclature).
HAPLOTYPES = {"DRB3": ("03", "11", "12", "13", "14"), "DRB4": ("04", "07", "09"), "DRB5": ("15", "16")}
ONE_COPY = 0.99  # the chance of one copy where the types of DRB1 say that one of the two haplotypes has the gene
AMOUNTS = ("none", "one", "two")
CERTAIN = 0.95
CONTRADICTED = 0.5  # confidence of what DRB1 speaks against
LOW_DEPTH = 10.0
DROPOUT_DEPTH = 0.1  # of an exon that tells types, as a share of the locus' depth


class NoTypes(ValueError):
    """A sample cannot be typed; the message says why, and what to do."""


def read_ciwd(path: Path) -> dict[str, str]:
    """How common each allele, type or group is, from a table with the columns ALLELE and TOTAL; raise ValueError."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if not {"ALLELE", "TOTAL"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{path} has no columns ALLELE and TOTAL; bring the table of CIWD 3.0")
        return {row["ALLELE"]: row["TOTAL"] for row in rows}


def type_loci(index: Index, hits: Hits, fragment_of: np.ndarray, ciwd: Mapping[str, str], settings: dict) -> dict:
    """What is said of every locus, how the program was solved, and where the reads went."""
    loci = [locus for locus in settings["loci"] if locus in index.genes]
    evidence = weigh(index, hits, fragment_of, loci)
    typed = {name: locus for name, locus in evidence.loci.items() if len(locus.fragments)}
    candidates = {name: find_candidates(locus, locus.elsewhere) for name, locus in typed.items()}
    solved, chosen = choose(evidence, typed, candidates, settings)
    groups = {letter: index.groups(letter) for letter in "GP"}
    told = {name: nothing() for name in loci}
    for name in sorted(typed, key=OPTIONAL.__contains__):  # DRB1, which tells of them, before
        locus = typed[name]
        explained = explained_elsewhere(name, locus, typed, chosen, evidence.fragments)
        single = name in OPTIONAL and copies_by_drb1(name, told.get("DRB1", nothing())) == 1
        posterior = weigh_pairs(
            locus,
            candidates[name],
            explained,
            priors(locus.gene.names, ciwd),
            stray_chance(name, index.genes),
            ONE_COPY if single else HOMOZYGOUS,
        )
        call = call_locus(locus, posterior, explained)
        own = own_fragments(locus, call.rows, explained)
        call.third = find_third(locus, call.rows, explained)
        call.misfits = find_misfits(locus, call.rows, own)
        told[name] = describe(locus, call, own, groups, ciwd)
    settle_optional(told)
    flag(told, solved)
    return {
        "reads": {
            "typed_loci": {name: found["reads"] for name, found in told.items()},
            "other_genes": evidence.others,
            "fit_no_allele": evidence.strange,
        },
        "solver": {
            "name": settings["solver"],
            "status": solved.status,
            "objective": solved.solutions[0].objective,
            "gap": solved.gap,
            "seconds": round(solved.seconds, 3),
            "solutions": named(solved, typed, candidates),
        },
        "loci": told,
    }


def choose(
    evidence: Evidence, typed: dict[str, Locus], candidates: dict[str, Candidates], settings: dict
) -> tuple[Solved, dict[str, list[int]]]:
    """Solve the program; return what it found, and the chosen alleles of each locus."""
    heads = {name: [int(members[0]) for members in candidates[name].classes[:IN_PROGRAM]] for name in typed}
    elsewhere = np.full(evidence.fragments, -FLOOR, np.float32)
    for locus in typed.values():
        elsewhere[locus.fragments] = locus.elsewhere
    program = make_program(
        {name: locus.fit(heads[name]) for name, locus in typed.items()},
        {name: locus.fragments for name, locus in typed.items()},
        elsewhere,
        OPTIONAL,
    )
    solved = solve(program, settings["solver"], settings["time_limit"], settings["gap"], settings["solutions"])
    flat = [(name, allele) for name in typed for allele in heads[name]]
    chosen: dict[str, list[int]] = {name: [] for name in typed}
    for variable in solved.solutions[0].chosen:
        name, allele = flat[variable]
        chosen[name].append(allele)
    return solved, chosen


def named(solved: Solved, typed: dict[str, Locus], candidates: dict[str, Candidates]) -> list[dict]:
    """The solutions of the program by the names of their alleles; of equal alleles, the first."""
    flat = [
        (name, locus.gene.names[int(members[0])])
        for name, locus in typed.items()
        for members in candidates[name].classes[:IN_PROGRAM]
    ]
    told = []
    for solution in solved.solutions:
        genotypes: dict[str, list[str]] = {}
        for variable in solution.chosen:
            genotypes.setdefault(flat[variable][0], []).append(flat[variable][1])
        told.append({"objective": round(solution.objective, 4), "genotypes": genotypes})
    return told


def explained_elsewhere(
    name: str, locus: Locus, typed: dict[str, Locus], chosen: dict[str, list[int]], count: int
) -> np.ndarray:
    """How well the chosen alleles of other loci, and the genes that are not typed, explain a locus' fragments."""
    best = np.full(count, -FLOOR, np.float32)
    for other, alleles in chosen.items():
        if other != name and alleles:
            rows = typed[other].fragments
            best[rows] = np.maximum(best[rows], typed[other].fit(alleles).max(axis=1))
    return np.maximum(best[locus.fragments], locus.elsewhere)


def describe(
    locus: Locus, call: Call, own: np.ndarray, groups: dict[str, dict[str, str]], ciwd: Mapping[str, str]
) -> dict:
    """A locus as it stands in the evidence and in the table."""
    gene = locus.gene
    exons = exon_depths(locus, call.rows, own)
    rows_here = locus.row_of[locus.row_of >= 0]
    told = {
        "zygosity": call.zygosity,
        "confidence": call.confidence,
        "alternatives": [{"genotype": list(pair), "probability": share} for pair, share in call.alternatives],
        "reads": int(own[rows_here].sum()),
        "reads_explained": int((own & (locus.fit(call.rows).max(axis=1) > -2))[rows_here].sum()),
        "depth": mean_depth(*telling(gene.name, exons)),
        "exons": exons,
        "misfits": call.misfits,
        "third": call.third,
        "flags": call.flags,
    }
    for place, (row, name) in enumerate(zip(call.rows, call.alleles, strict=True)):
        known = name not in ("", "not resolved", ABSENT)
        full = gene.names[row]
        filled = gene.filled[row][gene.kinds == 1]
        told |= {
            f"allele{place + 1}": name,
            f"confidence{place + 1}": call.confidences[place],
            f"two_field{place + 1}": two_fields(full) if known else "",
            f"g_group{place + 1}": groups["G"].get(full, "") if known else "",
            f"p_group{place + 1}": groups["P"].get(full, "") if known else "",
            f"ambiguity{place + 1}": call.ambiguities[place] if known else [],
            f"ciwd{place + 1}": commonness(full, ciwd) if known else "",
            f"partial{place + 1}": ",".join(str(exon + 1) for exon in np.flatnonzero(filled)) if known else "",
        }
    return told


def commonness(name: str, ciwd: Mapping[str, str]) -> str:
    """How common an allele's two-field type is, by the list."""
    return ciwd.get(two_fields(name), "" if not ciwd else "not listed")


def nothing() -> dict:
    """A locus that no read fits."""
    told = {"zygosity": "no call", "confidence": 0.0, "alternatives": [], "reads": 0, "reads_explained": 0}
    told |= {"depth": 0.0, "exons": [], "misfits": [], "third": None, "flags": ["no reads"]}
    for place in ("1", "2"):
        told |= {f"{key}{place}": "" for key in ("allele", "two_field", "g_group", "p_group", "ciwd", "partial")}
        told |= {f"confidence{place}": 0.0, f"ambiguity{place}": []}
    return told


def settle_optional(told: dict[str, dict]) -> None:
    """Which of DRB3, 4 and 5 are there at all, and in one copy or two.

    The types of DRB1 tell, on whose haplotypes they are; or else their depth beside DRB1's. Where both tell and do not
    agree, the call is kept, and in doubt. Where neither tells, what was not seen may yet be there: no call.
    """
    expected = told.get("DRB1", {}).get("depth", 0.0)
    for name in OPTIONAL:
        found = told.get(name)
        if found is None or expected <= 0:
            continue
        share, copies = found["depth"] / expected, copies_by_drb1(name, told["DRB1"])
        if share < (EXPECTED_DEPTH if copies else PRESENT_DEPTH) or not found["exons"]:
            flags = [] if found["exons"] else found["flags"]
            found |= nothing() | {key: found[key] for key in ("exons", "reads", "depth")} | {"flags": flags}
            if copies == 0 or (copies is None and expected >= LOW_DEPTH):
                found |= {"zygosity": ABSENT, "allele1": ABSENT, "allele2": ABSENT, "confidence": 1.0, "flags": []}
            seen = 0
        else:
            few = copies == 1 or (not copies and expected >= LOW_DEPTH and share < ONE_COPY_DEPTH)
            if found["zygosity"] in ("homozygous", "not resolved") and few:
                found |= {"zygosity": "one copy", "allele2": ABSENT, "confidence": found["confidence1"]}
                found |= {f"{key}2": "" for key in ("two_field", "g_group", "p_group", "ciwd", "partial")}
                found["ambiguity2"] = []
            seen = {"heterozygous": 2, "homozygous": 2, "one copy": 1}.get(found["zygosity"], max(copies or 0, 1))
        if copies is not None and seen != copies:
            found["flags"].append(f"{AMOUNTS[seen]} seen, haplotypes of DRB1 carry {AMOUNTS[copies]}")
            found["confidence"] = min(found["confidence"], CONTRADICTED)
        elif copies is not None and found["zygosity"] == ABSENT:
            found["confidence"] = told["DRB1"]["confidence"]
        elif copies is not None and found["zygosity"] == "one copy":
            found["confidence2"] = told["DRB1"]["confidence"]
            found["confidence"] = min(found["confidence1"], found["confidence2"])
        if found["zygosity"] == ABSENT:
            found["confidence1"] = found["confidence2"] = found["confidence"]


def copies_by_drb1(name: str, drb1: dict) -> int | None:
    """How many of the two haplotypes carry an optional locus, by their types of DRB1, where these tell for certain."""
    genotypes = [{"genotype": [drb1["two_field1"], drb1["two_field2"]], "probability": 1.0}]
    if not all(genotypes[0]["genotype"]):
        genotypes = drb1["alternatives"]
    chance = [0.0, 0.0, 0.0]
    for each in genotypes:
        families = [allele.split("*")[1].split(":")[0] for allele in each["genotype"]]
        chance[sum(family in HAPLOTYPES[name] for family in families)] += each["probability"]
    return chance.index(max(chance)) if max(chance) >= CERTAIN else None


def dropouts(name: str, found: dict) -> list[tuple[int, str]]:
    """The exons that tell types of which an allele has next to no reads, though it has in others."""
    missing = []
    for place, allele in enumerate(dict.fromkeys((found["allele1"], found["allele2"]))):
        depths = {each["exon"]: sum(each["alleles"][place]) / max(each["length"], 1) for each in found["exons"]}
        most = max(depths.values())
        missing += [
            (each["exon"], allele if "*" in allele else "an allele that is not called")
            for each in telling(name, found["exons"])
            if most >= LOW_DEPTH / 2 and depths[each["exon"]] < DROPOUT_DEPTH * most
        ]
    return missing


def flag(told: dict[str, dict], solved: Solved) -> None:
    """Say what a reviewer should look at."""
    for name, found in told.items():
        flags = found["flags"]
        if found["zygosity"] == ABSENT or not found["exons"]:
            continue
        if solved.gap:
            flags.append(f"optimum not proved: gap {solved.gap:.2g}")
        if found["depth"] < LOW_DEPTH:
            flags.append("low coverage")
        flags += [f"dropout: exon {exon} of {allele}" for exon, allele in dropouts(name, found)]
        if found["third"]:
            flags.append(f"third allele: {found['third']['allele']} ({found['third']['reads']} fragments)")
        flags += [
            "does not fit: exon {exon} position {position} {base} {reads}/{depth}".format(**each)
            for each in found["misfits"][:5]
        ]
