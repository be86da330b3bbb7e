"""What HLA typing needs of the configuration, checked before anything runs."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from _hla_reviews import read_reviews
from _paths import file_problem, is_local


def check_hla(
    settings: Mapping, config: Path, samples: Collection[str], schema: dict, look_for_files: bool = False
) -> tuple[dict[str, list[dict]], list[str]]:
    """Return the reviews by sample, and all that is wrong with the section `hla` for the samples that want types.

    `schema` is that of the table of reviews; `look_for_files`: a local file that does not exist is a mistake.
    """
    if not samples:
        return {}, []
    problems = [f"{config}, key hla.{problem}" for problem in missing(settings, samples)]
    if look_for_files:
        problems += [f"{config}, key hla.{problem}" for problem in not_there(settings)]
    reviews: dict[str, list[dict]] = {}
    if settings["review"]:
        reviews, mistakes = read_reviews(Path(settings["review"]), schema, samples)
        problems += mistakes
    return reviews, problems


def missing(settings: Mapping, samples: Collection[str]) -> Iterator[str]:
    wants = f"sample {next(iter(samples))} wants hla"
    files = [Path(name).name for name in settings["release"]]
    if not files:
        yield f"release: {wants}; name a release's files: the Alignments_Rel archive, hla_nom_g.txt, hla_nom_p.txt"
    elif all(name.endswith((".txt", ".csv")) for name in files):
        yield "release: no file here holds sequences; add the Alignments_Rel archive, hla.dat or hla_nuc.fasta"
    for groups in ("hla_nom_g.txt", "hla_nom_p.txt"):
        if files and groups not in files:
            yield f"release: no {groups} here, by which alleles are grouped; add it, of the release's folder wmda"
    if not settings["version"]:
        yield f'version: {wants}; write the release that the files are of, as in "3.33.0"'


def not_there(settings: Mapping) -> Iterator[str]:
    given = [(f"release, item {number}", path) for number, path in enumerate(settings["release"], start=1)]
    given += [(key, settings[key]) for key in ("common", "reference") if settings[key]]
    for key, path in given:
        if is_local(path) and (problem := file_problem(path)):
            yield f"{key}: {problem}"
