"""What a user sees of a run in which things fail, each in its own way, and of the runs after they were mended."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.toy.make_all import Wishes, make_all

pytestmark = pytest.mark.slow

SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
WISHES = Wishes(genome_size=60_000, fungus_size=80_000, fragments=3_000, broken="truncated")
ORGANISMS = ("bug", "cut", "foreign", "unlucky")
SAMPLES = {  # organism and the reads of each lane
    "good": ("bug", ["bacterium_single_L001.fastq.gz"], ["bacterium_single_L002.fastq.gz"]),
    "mended": ("bug", ["bacterium_broken_L001_R1.fastq.gz", "bacterium_broken_L001_R2.fastq.gz"]),
    "wrong": ("bug", ["fungus_single_L001.fastq"]),
    "killed": ("bug", ["bacterium_short_L001_R1.fastq", "bacterium_short_L001_R2.fastq"]),
    "waiting": ("cut", ["bacterium_paired_L001_R1.fastq.gz", "bacterium_paired_L001_R2.fastq.gz"]),
}
# Kills its job, as the kernel does where memory ends, for one of the samples, and breaks at its end for an organism.
BREAKER = """#!/bin/sh
case "$*" in *" quant "*quant/killed/salmon*) kill -9 $PPID ;; esac
PATH=${PATH#*:} salmon "$@" || exit
case "$*" in *" index "*/unlucky/*) echo broken at the end && exit 3 ;; esac
"""


def write_tables(folder: Path, organisms: tuple[str, ...], samples: tuple[str, ...]) -> None:
    rows = [
        "organism\tassembly\tgenome\tannotation",
        *(f"{one}\tv1\town/{one}.fa.gz\town/{one}.gtf" for one in organisms),
    ]
    (folder / "config/organisms.tsv").write_text("\n".join(rows) + "\n")
    rows = ["sample\tlane\torganism\tfq1\tfq2"]
    for sample in samples:
        organism, *lanes = SAMPLES[sample]
        for number, files in enumerate(lanes, start=1):
            paths = [f"reads/{file}" for file in files]
            rows.append("\t".join([sample, str(number), organism, *paths]) + "\t" * (2 - len(files)))
    (folder / "config/samples.tsv").write_text("\n".join(rows) + "\n")


def own_files(folder: Path) -> None:
    """Lay out the toy's bacterium as the user's own, cut, and beside an annotation of another organism."""
    site, own = folder / "ensembl", folder / "own"
    own.mkdir()
    genome = next(site.rglob("Bacillus*.dna.toplevel.fa.gz")).read_bytes()
    bug, fungus = (next(site.rglob(f"{name}*.gtf.gz")) for name in ("Bacillus", "Toya"))
    for organism, content, annotation in (
        ("bug", genome, bug),
        ("cut", genome[:-200], bug),
        ("foreign", genome, fungus),
        ("unlucky", genome, bug),
    ):
        (own / f"{organism}.fa.gz").write_bytes(content)
        (own / f"{organism}.gtf").write_bytes(gzip.decompress(annotation.read_bytes()))


def snakemake(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess:
    command = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", *arguments]
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


@dataclass
class Runs:
    """The first run, in which all fails that can; the second, with a wrong organism left; the third, all mended.

    In a fourth, Salmon is killed again: what its report then has of the third.
    """

    folder: Path
    first: str
    second: str
    third: subprocess.CompletedProcess
    unfinished: str
    front_page_after_first: bool
    verdict_after_second: bool
    pages_after_fourth: dict[str, str]

    def record(self, sample: str) -> dict:
        return json.loads((self.folder / f"results/quant/{sample}/record.json").read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("failed runs")
    make_all(folder, WISHES, "reads")
    own_files(folder)
    (folder / "config/config.yaml").write_text("{trim: {enabled: true}}\n")
    (folder / "bin").mkdir()
    (folder / "bin/salmon").write_text(BREAKER)
    (folder / "bin/salmon").chmod(0o755)
    write_tables(folder, ORGANISMS, tuple(SAMPLES))
    locked = snakemake(folder, "lock")
    assert locked.returncode == 0, locked.stdout + locked.stderr
    first = snakemake(folder, path=str(folder / "bin"))
    assert first.returncode == 1, first.stderr
    report = folder / "results/report"
    unfinished, front_page = (report / "unfinished.html").read_text(), (report / "index.html").exists()

    mend_reads(folder)
    write_tables(folder, ("bug",), ("good", "mended", "wrong", "killed"))
    assert snakemake(folder, "lock").returncode == 0
    second = snakemake(folder)
    assert second.returncode == 1, second.stderr
    verdict = (report / "verdict.txt").exists()

    write_tables(folder, ("bug",), ("good", "mended", "killed"))
    third = snakemake(folder)
    shutil.copytree(folder, folder.parent / "fourth", symlinks=True)
    fourth = snakemake(folder.parent / "fourth", "--forcerun", "quantify", path=str(folder / "bin"))
    assert fourth.returncode == 1, fourth.stderr
    after = folder.parent / "fourth/results/report"
    later = {path.name: path.read_text() for path in after.iterdir() if path.suffix in (".html", ".txt")}
    words = first.stdout + first.stderr, second.stdout + second.stderr
    yield Runs(folder, *words, third, unfinished, front_page, verdict, later)


def mend_reads(folder: Path) -> None:
    """Bring the cut file whole, with its time of long ago, as `cp --preserve` and `rsync --times` do."""
    for mate in (1, 2):
        broken, sound = (folder / f"reads/bacterium_{one}_L001_R{mate}.fastq.gz" for one in ("broken", "paired"))
        broken.write_bytes(sound.read_bytes())
        os.utime(broken, (1_500_000_000, 1_500_000_000))


EXPECTED = {
    "clean_annotation cut": "own/cut.fa.gz ends in the middle of its gzip stream: it was cut; bring",
    "clean_annotation foreign": "own/foreign.gtf: none of its contigs (",
    "quantify killed": "",
    "salmon_index unlucky": "broken at the end",
    "sample mended": "check_reads: reads/bacterium_broken_L001_R1.fastq.gz ends in the middle of its gzip stream",
    "sample wrong": "quantify: salmon was only able to assign",
}


def test_the_last_lines_of_a_failed_run_name_what_failed_and_why(runs):
    end = runs.first[runs.first.rindex("what failed") :]
    for subject, reason in EXPECTED.items():
        assert f"\n  {subject}: {reason}" in end, end
    assert "results/report/unfinished.html" in end
    assert "Traceback" not in runs.first
    assert runs.first.count("Error in rule clean_annotation:") == 2  # none is tried again


def test_the_page_of_a_failed_run_has_the_same_with_advice_and_waits_for_nothing(runs):
    assert not runs.front_page_after_first
    for reason in EXPECTED.values():
        assert reason.removeprefix("check_reads: ").removeprefix("quantify: ") in runs.unfinished
    assert "The run finished with failures" in runs.unfinished
    assert "Do what it says; organisms that are not named there are not affected." in runs.unfinished
    assert "Next to none of the reads are of bug&#39;s transcripts" in runs.unfinished
    assert runs.unfinished.count("not finished") >= 2  # killed, waiting


def test_other_organisms_and_samples_come_through_beside_all_failures(runs):
    assert runs.record("good")["success"]
    assert '<span class="mark good">passed</span>' in runs.unfinished


def test_reads_that_were_mended_are_read_again_though_their_time_is_old(runs):
    assert runs.record("mended")["success"]


def test_reads_of_another_organism_fail_their_sample_alone_and_only_once_are_they_told(runs):
    record = runs.record("wrong")
    assert (record["success"], record["failed_step"]) == (False, "quantify")
    assert record["reason"].startswith("salmon was only able to assign")
    assert (runs.folder / "results/quant/wrong/genes.tsv").read_text().startswith("# no result: quantify: salmon was")
    assert runs.second.count("wrong: quantify: salmon was only able to assign") == 1
    assert "1 of 4 samples failed; the others are done; report: results/report/index.html" in runs.second
    assert not runs.verdict_after_second
    assert "unfinished.html" not in runs.second
    assert not (runs.folder / "results/report/unfinished.html").exists()  # all is on the front page now


def test_when_all_is_mended_the_run_passes_with_a_verdict_and_a_front_page(runs):
    assert runs.third.returncode == 0, runs.third.stderr
    assert (runs.folder / "results/report/verdict.txt").read_text().startswith("all 3 samples came through")
    assert "wrong" not in (runs.folder / "results/report/index.html").read_text().split("<script>")[0]


def test_a_run_that_fails_leaves_no_front_page_verdict_or_link_of_the_one_before(runs):
    assert {"index.html", "verdict.txt"} & runs.pages_after_fourth.keys() == set()
    page = runs.pages_after_fourth["unfinished.html"]
    assert "gene_counts" not in page
    assert '<span class="mark good">passed</span>' in page  # those that were done again


def test_a_page_that_cannot_be_written_hides_nothing_of_what_failed(tmp_path):
    make_all(tmp_path, Wishes(genome_size=30_000, fungus_size=60_000, samples=0), "reads")
    own_files(tmp_path)
    (tmp_path / "config/config.yaml").write_text("{trim: {enabled: true}}\n")
    write_tables(tmp_path, ("cut",), ())
    assert snakemake(tmp_path, "lock").returncode == 0
    (tmp_path / "results").mkdir()
    (tmp_path / "results/report").touch()  # as good as a disk that is full
    failed = snakemake(tmp_path, "results/reference/cut/v1.own/annotation.gtf.gz")
    end = failed.stderr[failed.stderr.rindex("what failed") :]
    assert f"\n  clean_annotation cut: {EXPECTED['clean_annotation cut']}" in end
    assert "results/report/unfinished.html cannot be written: File exists" in end
    assert "Traceback" not in failed.stderr
