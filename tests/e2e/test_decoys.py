"""With the genome as decoys, samples of long and of short reads come into one matrix."""

import random
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SNAKEFILE = Path(__file__).parents[2] / "workflow/Snakefile"
SHORT = 27  # bases of a transcript between the two k: in the index of k 31 Salmon leaves it out, in that of k 23 not


def write_reads(path: Path, genome: str, length: int, rng: random.Random) -> None:
    """Single reads of the genes, which are 400 bases long and start at each 500th base."""
    starts = [rng.randrange(9) * 500 + rng.randrange(400 - length) for _ in range(3000)]
    path.write_text("".join(f"@r{n}\n{genome[s : s + length]}\n+\n{'I' * length}\n" for n, s in enumerate(starts)))


def test_a_transcript_that_one_k_leaves_out_is_left_out_for_all_samples(tmp_path):
    rng = random.Random(7)
    genome = "".join(rng.choices("ACGT", k=5000))
    ends = {f"g{number}": (number * 500 + 1, number * 500 + 400) for number in range(9)} | {
        "tiny": (4701, 4700 + SHORT)
    }
    (tmp_path / "genome.fa").write_text(f">I\n{genome}\n")
    (tmp_path / "genes.gtf").write_text(
        "".join(
            f'I\tx\texon\t{start}\t{end}\t.\t+\t.\tgene_id "{gene}"; transcript_id "{gene}t";\n'
            for gene, (start, end) in ends.items()
        )
    )
    write_reads(tmp_path / "long.fq", genome, 100, rng)
    write_reads(tmp_path / "short.fq", genome, 50, rng)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("index: {decoys: true}\n")
    (tmp_path / "config/organisms.tsv").write_text(
        "organism\tassembly\tgenome\tannotation\nbug\tB1\tgenome.fa\tgenes.gtf\n"
    )
    (tmp_path / "config/samples.tsv").write_text("sample\torganism\tfq1\nlong\tbug\tlong.fq\nshort\tbug\tshort.fq\n")
    for words in (["lock"], []):
        done = subprocess.run(
            ["snakemake", "--snakefile", SNAKEFILE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "results/counts/bug.gene_counts.tsv").read_text().splitlines()
    assert header == "gene_id\tlong\tshort"
    assert {row.split("\t")[0] for row in rows} == ends.keys() - {"tiny"}
    for column in (1, 2):
        assert sum(float(row.split("\t")[column]) for row in rows) == pytest.approx(3000, abs=1)
