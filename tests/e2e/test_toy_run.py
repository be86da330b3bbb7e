"""The whole job on toy organisms, as a user runs it: a loopback Ensembl, the real command, the real tools."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars
import pytest
import yaml

from tests.toy.break_reads import BREAKS, break_reads
from tests.toy.make_all import Wishes, make_all
from tests.toy.make_hla_samples import hla_settings
from tests.toy.serve import Address, addresses, serving

pytestmark = pytest.mark.slow

SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
WISHES = Wishes(genome_size=60_000, fungus_size=120_000, fragments=20_000, broken="", hla_samples=2)
REASONS = {
    "truncated": "ends in the middle of its gzip stream",
    "unequal_mates": "There are more reads in file 1 than in file 2",
    "long_quality": "Length of sequence and qualities differ",
    "empty": "hold no reads",
    "cram": "is a CRAM file",
}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def jobs(run: subprocess.CompletedProcess) -> dict[str, int]:
    """How many jobs of each rule a run planned, by Snakemake's own table."""
    table = re.search(r"^Job stats:\n(.*?)\n\n", run.stdout + run.stderr, re.MULTILINE | re.DOTALL)
    rows = table[1].splitlines()[2:] if table else []
    return {rule: int(count) for rule, count in (row.split() for row in rows) if rule != "total"}


@dataclass
class Toy:
    """What the runs left: a whole run with five broken samples, one without them, and one when all was done."""

    folder: Path
    site: Address
    lock: subprocess.CompletedProcess
    first: subprocess.CompletedProcess
    second: subprocess.CompletedProcess
    third: subprocess.CompletedProcess

    def samples(self) -> dict[str, str]:
        """Organism of each sound sample that is quantified."""
        table = pd.read_csv(self.folder / "config/samples.tsv", sep="\t").query("analyses == 'quant'")
        return dict(zip(table["sample"], table["organism"], strict=True))

    def record(self, sample: str) -> dict:
        return json.loads((self.folder / f"results/quant/{sample}/record.json").read_text())

    def types(self, when: str = "results") -> pd.DataFrame:
        return pd.read_csv(self.folder / when / "hla/types.tsv", sep="\t", dtype=str, keep_default_na=False)

    def matrix(self, organism: str, when: str = "results") -> pd.DataFrame:
        return pd.read_csv(self.folder / when / f"counts/{organism}.gene_counts.tsv", sep="\t", index_col="gene_id")


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Iterator[Toy]:
    folder = tmp_path_factory.mktemp("toy run")
    make_all(folder, WISHES, "reads")
    manifest = folder / "config/samples.tsv"
    sound = manifest.read_text()
    with serving(folder / "ensembl") as site:
        (folder / "config/config.yaml").write_text(yaml.safe_dump({"ensembl": addresses(site)} | hla_settings()))
        lock = snakemake(folder, "lock")
        manifest.write_text(
            sound + "".join(break_sample(folder, kind) for kind in BREAKS) + not_human(folder) + too_short(folder)
        )
        first = snakemake(folder)
        assert (folder / "results/report/index.html").exists(), lock.stderr + first.stdout + first.stderr
        shutil.copytree(folder / "results/counts", folder / "first/counts")
        shutil.copytree(folder / "results/report", folder / "first/report")
        shutil.copytree(folder / "results/hla", folder / "first/hla")
    manifest.write_text(sound)
    yield Toy(folder, site, lock, first, snakemake(folder), snakemake(folder))


def break_sample(folder: Path, kind: str) -> str:
    """Break a copy of a sound sample's reads; return its row of the table."""
    sound = [folder / f"reads/bacterium_paired_L001_R{mate}.fastq.gz" for mate in (1, 2)]
    names = [f"reads/{kind}_R{mate}.fastq.gz" for mate in (1, 2)]
    for name, content in zip(names, break_reads(kind, tuple(path.read_bytes() for path in sound)), strict=True):
        (folder / name).write_bytes(content)
    organism = re.search(r"^bacterium_paired\t.*?\tquant\t(\S+)", (folder / "config/samples.tsv").read_text(), re.M)[1]
    return f"broken_{kind}\t1\tquant\t{organism}\t{names[0]}\t{names[1]}\n"


def too_short(folder: Path) -> str:
    """Return the row of a sample of whose reads trimming leaves none."""
    (folder / "reads/too_short.fq").write_text("".join(f"@r{n}\nACGTACGTAC\n+\nIIIIIIIIII\n" for n in range(100)))
    organism = re.search(r"^bacterium_paired\t.*?\tquant\t(\S+)", (folder / "config/samples.tsv").read_text(), re.M)[1]
    return f"too_short\t1\tquant\t{organism}\treads/too_short.fq\t\n"


def not_human(folder: Path) -> str:
    """Return the row of a sample whose HLA types are wanted, of reads that are a bacterium's."""
    reads = re.search(r"^bacterium_paired\t(?:.*?\t){3}(.*)", (folder / "config/samples.tsv").read_text(), re.M)[1]
    for number, path in enumerate(reads.split("\t"), start=1):
        shutil.copy(folder / path, folder / f"reads/other_R{number}.fastq.gz")
    return "not_human\t1\thla\t\treads/other_R1.fastq.gz\treads/other_R2.fastq.gz\n"


def test_the_lock_names_what_the_loopback_ensembl_has(toy):
    assert toy.lock.returncode == 0, toy.lock.stderr
    locked = pd.read_csv(toy.folder / "config/organisms.lock.tsv", sep="\t", dtype=str)
    wanted = pd.read_csv(toy.folder / "config/organisms.tsv", sep="\t", dtype=str)
    assert set(locked["organism"]) == set(wanted["organism"])
    assert all(url.startswith(toy.site) for url in [*locked["genome_url"], *locked["annotation_url"]])


def test_the_first_run_fails_at_its_end_and_its_last_lines_tell_which_samples_and_why(toy):
    assert toy.first.returncode == 1
    end = "\n".join((toy.first.stdout + toy.first.stderr).splitlines()[-40:])
    for kind in BREAKS:
        assert re.search(rf"broken_{kind}: check_reads: .*{REASONS[kind]}", end), end


def test_each_broken_sample_has_its_reason_in_its_record_and_on_the_front_page(toy):
    page = (toy.folder / "first/report/index.html").read_text()
    for kind in BREAKS:
        record = toy.record(f"broken_{kind}")
        assert (record["success"], record["failed_step"]) == (False, "check_reads")
        assert REASONS[kind] in record["reason"]
        assert f"broken_{kind}" in page
        assert REASONS[kind] in page


def test_a_sample_of_which_trimming_leaves_no_read_fails_alone_and_says_why(toy):
    record = toy.record("too_short")
    assert (record["success"], record["failed_step"]) == (False, "trim_reads")
    assert record["reason"].startswith("of 100 reads none is left: 100 are too short, 0 poor, 0 have too many unknown")


def test_all_sound_samples_come_through_beside_the_broken_ones(toy):
    for sample, organism in toy.samples().items():
        record = toy.record(sample)
        assert record["success"], record
        assert record["k"] == (23 if "short" in sample else 31)
        assert record["mapping_rate"] > 90
        assert record["versions"].keys() == {"fastp", "salmon"}
        assert sample in toy.matrix(organism, "first").columns
    for organism in set(toy.samples().values()):
        columns = toy.matrix(organism, "first").columns
        assert set(columns) == {sample for sample, its in toy.samples().items() if its == organism}


@pytest.mark.parametrize("sample", ["fungus_paired", "fungus_single", "bacterium_paired", "bacterium_single"])
def test_the_library_type_is_found(toy, sample):
    expected = {"fungus_paired": "ISR", "fungus_single": "U", "bacterium_paired": "ISF", "bacterium_single": "SR"}
    assert toy.record(sample)["library_type"]["found"] == expected[sample]


def test_hla_types_are_the_true_ones_and_sure(toy):
    true = pd.read_csv(toy.folder / "truth/hla.tsv", sep="\t").set_index(["sample", "locus"])
    found = toy.types().set_index(["sample", "locus"])
    assert len(true) == 18
    for place, row in true.iterrows():
        assert sorted(found.loc[place, ["allele1", "allele2"]]) == sorted(row), place
        assert float(found.loc[place, "confidence"]) >= 0.95
    others = found.drop(true.index)
    assert set(others["allele1"]) == {"absent"} and set(others.index.get_level_values("locus")) == {
        "DRB3",
        "DRB4",
        "DRB5",
    }
    assert set(found["release"]) == {"0.1.0"}


def test_a_sample_without_hla_reads_fails_alone_with_its_reason_in_the_cohort_s_table_too(toy):
    end = "\n".join((toy.first.stdout + toy.first.stderr).splitlines()[-60:])
    assert re.search(r"not_human: type_hla: .*no reads of HLA genes", end), end
    (row,) = toy.types("first").query("sample == 'not_human'").to_dict("records")
    assert row["flags"].startswith("no result: type_hla: ") and row["allele1"] == ""
    assert "not_human" not in set(toy.types()["sample"])
    assert "no reads of HLA genes" in (toy.folder / "first/hla/not_human/report.html").read_text()


def test_a_review_is_kept_and_checked_by_the_next_run(toy):
    config = yaml.safe_load((toy.folder / "config/config.yaml").read_text())
    rows = [
        "sample\tlocus\tcall\tdecision\tallele1\tallele2\treviewer",
        "hla_mixed\tA\tA*01:01:01:01+A*03:02\tedited\tA*01:01\tA*03:03\tJD",
        "hla_mixed\tB\tB*01:01+B*03:02\tapproved\t\t\tJD",
    ]
    (toy.folder / "review.tsv").write_text("\n".join(rows) + "\n")
    reviewed = {**config, "hla": {**config["hla"], "review": "review.tsv"}}
    (toy.folder / "config/config.yaml").write_text(yaml.safe_dump(reviewed))
    try:
        assert jobs(snakemake(toy.folder, "--dry-run"))["write_hla_report"] == 1
        done = snakemake(toy.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        found = toy.types().set_index(["sample", "locus"])
        assert list(found.loc[("hla_mixed", "A"), ["review", "reviewed2"]]) == ["edited", "A*03:03"]
        assert found.loc[("hla_mixed", "B"), "review"] == "out of date"
        assert (toy.folder / "review.tsv").read_text() == "\n".join(rows) + "\n"
    finally:
        (toy.folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def test_gene_counts_rank_as_the_true_counts_do(toy):
    found = {}
    for sample, organism in toy.samples().items():
        true = pd.read_csv(toy.folder / f"truth/{sample}.tsv", sep="\t").groupby("gene")["fragments"].sum()
        counts = toy.matrix(organism)[sample]
        assert set(true.index) == set(counts.index)
        found[sample] = round(float(counts.rank().corr(true.reindex(counts.index).rank())), 4)
    print("Spearman with the true counts:", found)
    assert min(found.values()) >= 0.98, found


def test_a_matrix_of_several_samples_has_the_same_totals_as_the_samples_alone(toy):
    for sample, organism in toy.samples().items():
        alone = pd.read_csv(toy.folder / f"results/quant/{sample}/genes.tsv", sep="\t", index_col=0)
        assert toy.matrix(organism)[sample].sum() == pytest.approx(alone["counts"].sum(), rel=1e-9)


def test_parquet_matrices_hold_what_the_tables_hold(toy):
    for organism in set(toy.samples().values()):
        stored = polars.read_parquet(toy.folder / f"results/counts/{organism}.gene_counts.parquet").to_pandas()
        pd.testing.assert_frame_equal(stored.set_index("gene_id"), toy.matrix(organism))


def test_the_transcripts_are_those_that_were_planted(toy):
    looked_at = 0
    for truth_file in (toy.folder / "truth").glob("*.json"):
        truth = json.loads(truth_file.read_text())
        folder = toy.folder / f"results/reference/{truth['organism']}/{truth['assembly']}.{truth['release']}"
        if not folder.exists():
            continue
        looked_at += 1
        rows = (folder / "tx2gene.tsv").read_text().splitlines()[1:]
        assert {tuple(row.split("\t")) for row in rows} == {(one["id"], one["gene"]) for one in truth["transcripts"]}
        report = json.loads((folder / "annotation.report.json").read_text())
        assert report["removed"] == {reason: one["rows"] for reason, one in truth["removed"].items()}
    assert looked_at == len(list((toy.folder / "results/reference").glob("*/*/tx2gene.tsv"))) > 1


def test_without_the_broken_rows_only_what_gathers_samples_runs_again(toy):
    assert toy.second.returncode == 0, toy.second.stdout + toy.second.stderr
    expected = {
        "merge_counts": 1,  # of the one organism that lost samples
        "write_parquet": 3,
        "merge_hla_types": 1,
        "summarise_for_multiqc": 1,
        "multiqc": 1,
        "write_report": 1,
        "judge_run": 1,
        "all": 1,
    }
    assert jobs(toy.second) == expected
    verdict = (toy.folder / "results/report/verdict.txt").read_text()
    assert verdict.startswith(f"all {len(toy.samples()) + WISHES.hla_samples} samples came through")
    assert "broken_" not in (toy.folder / "results/report/index.html").read_text()


def test_a_run_after_which_nothing_changed_does_nothing(toy):
    assert toy.third.returncode == 0
    assert "Nothing to be done" in toy.third.stdout + toy.third.stderr
    assert jobs(toy.third) == {}


def test_without_trimming_and_with_decoys_everything_still_works(toy, tmp_path):
    folder = tmp_path
    (folder / "config").mkdir()
    (folder / "reads").symlink_to(toy.folder / "reads")
    of_bacteria = re.compile(r"organism\t|sample\t|bacterium_(single|short)\t|(?!bacterium|fungus)\S+\tEnsemblBacteria")
    for table in ("organisms.tsv", "samples.tsv"):
        rows = (toy.folder / "config" / table).read_text().splitlines(keepends=True)
        (folder / "config" / table).write_text("".join(row for row in rows if of_bacteria.match(row)))
    with serving(toy.folder / "ensembl") as site:
        config = {"ensembl": addresses(site), "trim": {"enabled": False}, "index": {"decoys": True, "kmers": [25]}}
        (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        assert snakemake(folder, "lock").returncode == 0
        planned = jobs(snakemake(folder, "--dry-run"))
        assert planned["quantify"] == 2
        assert "trim_reads" not in planned
        done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (index,) = (json.loads(path.read_text()) for path in (folder / "results/index").glob("*.json"))
    assert (index["decoys"], index["k"], index["transcripts_in"]) == (True, 25, index["transcripts_out"])
    for sample in ("bacterium_single", "bacterium_short"):  # two lanes of single ends, and plain pairs
        record = json.loads((folder / f"results/quant/{sample}/record.json").read_text())
        assert record["success"] and record["mapping_rate"] > 85 and record["k"] == 25
        assert record["versions"].keys() == {"salmon"}
        assert record["processed"] == WISHES.fragments
