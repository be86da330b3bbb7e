"""A tool that breaks fails its job, at whatever place of the rule's commands it stands."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.toy.make_all import Wishes, make_all
from tests.toy.serve import addresses, serving

pytestmark = pytest.mark.slow

SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
WISHES = Wishes(genome_size=40_000, fungus_size=60_000, samples=1, fragments=2_000, broken="", dna_fragments=300)
BREAKER = """#!/bin/sh
PATH=${PATH#*:} TOOL "$@"
echo broken at the end >&2
exit 3
"""
# Rules, a file that each makes, and the tools that it calls. A job that fails takes its files along, so those that
# others are made of come last.
CALLS = {
    "write_cram": ("align/fungus_dna/fungus_dna.recal.cram", ["samtools", "md5sum"]),
    "collect_metrics": ("align/fungus_dna/metrics", ["picard"]),
    "measure_depth": ("align/fungus_dna/depth", ["mosdepth"]),
    "index_alignments": ("align/fungus_dna/fungus_dna.recal.bam.bai", ["samtools"]),
    "recalibrate": ("align/fungus_dna/fungus_dna.recal.bam", ["python"]),
    "learn_qualities": ("align/fungus_dna/recalibration", ["python"]),
    "merge_known_sites": ("reference/toya_fabularis/TOYA1.57/known_sites", ["sort", "bgzip", "tabix", "awk"]),
    "mark_duplicates": ("align/fungus_dna/marked", ["picard", "awk"]),
    "align_lane": ("align/fungus_dna/lanes/A1/aligned", ["bwa", "samtools"]),
    "trim_lane": ("align/fungus_dna/lanes/A1/trimmed", ["fastp"]),
    "index_bwa": ("reference/toya_fabularis/TOYA1.57/bwa/genome.amb", ["bwa"]),
    "prepare_fasta": ("reference/toya_fabularis/TOYA1.57/fasta/genome.fa", ["samtools", "gzip"]),
    "quantify": ("quant/fungus_paired/quant.sf", ["salmon", "gzip", "awk"]),
    "trim_reads": ("quant/fungus_paired/trimmed", ["fastp", "awk"]),
    "salmon_index": ("index/toya_fabularis.TOYA1.57.salmon-1.10.1.k31.info.json", ["salmon"]),
    "build_transcripts": (
        "reference/toya_fabularis/TOYA1.57/transcripts.fa.gz",
        ["gzip", "tr", "awk", "rsem-prepare-reference"],
    ),
}


def snakemake(folder: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess:
    command = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "--notemp", *words]
    env = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run that went well, all of whose files are kept."""
    folder = tmp_path_factory.mktemp("broken tools")
    make_all(folder, WISHES, "reads")
    with serving(folder / "ensembl") as site:
        (folder / "config/config.yaml").write_text(yaml.safe_dump({"ensembl": addresses(site)}))
        for words in (["lock"], []):
            done = snakemake(folder, *words)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize(
    ("rule", "trimmed"),
    [("quantify", "quant/fungus_paired/trimmed"), ("align_lane", "align/fungus_dna/lanes/A1/trimmed")],
)
def test_trimmed_reads_that_lost_their_end_fail_the_job_as_salmon_and_bwa_take_them_for_all(folder, rule, trimmed):
    whole = {path: path.read_bytes() for path in (folder / "results" / trimmed).glob("*.fastq.gz")}
    file = f"results/{CALLS[rule][0]}"
    for path, content in whole.items():
        lines = gzip.decompress(content).splitlines(keepends=True)
        path.write_bytes(gzip.compress(b"".join(lines[: len(lines) // 8 * 4])))
    done = snakemake(folder, file, "--force", "--allowed-rules", rule)
    assert done.returncode == 1 and "not all could be read" in done.stderr, done.stderr
    assert not (folder / file).exists()
    for path, content in whole.items():
        path.write_bytes(content)
    done = snakemake(folder, file, "--allowed-rules", rule)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("rule", "tool"), [(rule, tool) for rule, (_, tools) in CALLS.items() for tool in tools])
def test_a_tool_that_breaks_at_its_very_end_fails_its_job_which_leaves_nothing(folder, tmp_path, rule, tool):
    (tmp_path / tool).write_text(BREAKER.replace("TOOL", tool))
    (tmp_path / tool).chmod(0o755)
    file = f"results/{CALLS[rule][0]}"
    done = snakemake(folder, file, "--force", "--allowed-rules", rule, path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1, done.stderr
    assert f"Error in rule {rule}:" in done.stderr
    assert not (folder / file).exists()
