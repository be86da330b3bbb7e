"""A new organism or sample is an edit of the tables; what has been built stays as it is."""

import re
import shutil
from pathlib import Path

import pytest

from tests.dry_run.snakemake_cli import planned, snakemake, write_tables

ORGANISMS = {"homo_sapiens": "EnsemblVertebrates", "saccharomyces_cerevisiae": "EnsemblFungi"}
SAMPLES = {"h1": "homo_sapiens", "y1": "Saccharomyces cerevisiae"}
# Of everything, or of all samples of an organism.
OF_ALL = {"all", "summarise_for_multiqc", "multiqc", "write_report", "judge_run"}
TEMPORARY = re.compile(r"/trimmed$|\.k\d+\.(?!tar\.gz$|json$)[^/]+$")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Make a folder where all is built, as Snakemake sees it: empty files that it has a record of."""
    folder = tmp_path_factory.mktemp("a run")
    write_tables(folder, ORGANISMS, SAMPLES)
    build(folder)
    return folder


def build(folder: Path) -> None:
    lines = snakemake(folder, "--summary").stdout.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    outputs = [folder / line.split("\t")[0] for line in lines[header + 1 :] if "\t" in line]
    for output in outputs:
        output.parent.mkdir(parents=True, exist_ok=True)
        if not output.suffix:
            output.mkdir(exist_ok=True)
        else:
            output.touch()
    for kind in ("benchmarks", "logs"):
        (folder / kind).mkdir(exist_ok=True)
    touched = snakemake(folder, "--touch", "--cores", "1")
    assert touched.returncode == 0, touched.stdout + touched.stderr
    for output in outputs:
        if TEMPORARY.search(str(output)):
            shutil.rmtree(output, ignore_errors=True)
            output.unlink(missing_ok=True)


def test_another_k_for_short_reads_leaves_samples_of_known_long_reads_alone(tmp_path):
    long = {"h1": "homo_sapiens", "h2": "homo_sapiens"}
    write_tables(tmp_path, ORGANISMS, long)
    table = tmp_path / "config" / "samples.tsv"
    rows = [
        f"{row}\t{length}"
        for row, length in zip(table.read_text().splitlines(), ("read_length", "100", ""), strict=True)
    ]
    table.write_text("\n".join(rows) + "\n")
    build(tmp_path)
    assert planned(snakemake(tmp_path, "-n")) == set()
    (tmp_path / "config" / "config.yaml").write_text("index: {kmers: [31, 25]}\n")
    jobs = planned(snakemake(tmp_path, "-n"))
    assert {"quantify sample=h2", "trim_reads sample=h2"} <= jobs
    assert not [job for job in jobs if job.endswith("sample=h1")]


def test_adds_an_organism_of_another_division_and_samples_and_builds_nothing_again(built):
    assert planned(snakemake(built, "-n")) == set()

    write_tables(
        built,
        {"zea_mays": "EnsemblPlants"} | ORGANISMS,
        {"z1": "zea_mays"} | SAMPLES | {"y2": "saccharomyces_cerevisiae"},
    )
    jobs = planned(snakemake(built, "-n"))
    other = {job for job in jobs if job.split(" ")[0] not in OF_ALL}
    of_new = {job for job in other if re.search(r"organism=zea_mays\b|sample=(z1|y2)$", job)}
    of_yeast = other - of_new
    assert {job.split(" ")[0] for job in of_new} >= {
        "fetch_genome",
        "fetch_annotation",
        "salmon_index",
        "quantify",
        "merge_counts",
    }
    assert {job.replace(",", "") for job in of_yeast} <= {
        "merge_counts organism=saccharomyces_cerevisiae",
        *(f"write_parquet organism=saccharomyces_cerevisiae table=gene_{of}" for of in ("counts", "tpm", "lengths")),
    }
    assert "merge_counts organism=saccharomyces_cerevisiae" in of_yeast
    assert jobs - other == OF_ALL
