"""refine.bio's way from FASTA and GTF to a Salmon index, as its transcriptome_index processor goes it, for one k.

Its steps, in its order: unpack both files, leave out the rows with "pseudogene" and list genes and transcripts, RSEM,
Salmon, a gzip archive by Python's tarfile. Left out: its database, its downloads and uploads. `--type quasi`, which
Salmon refuses since 1.0, is left out too. https://github.com/AlexsLemonade/refinebio
"""

import gzip
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

IDS = re.compile(r'gene_id "([^"]*)".*transcript_id "([^"]*)"')


def unpack(packed: Path, plain: Path) -> None:
    with gzip.open(packed) as source, plain.open("wb") as target:
        shutil.copyfileobj(source, target)


def leave_out_pseudogenes(gtf: Path, kept: Path, genes_to_transcripts: Path) -> None:
    with gtf.open() as rows, kept.open("w") as filtered, genes_to_transcripts.open("w") as pairs:
        for row in rows:
            if "pseudogene" in row:
                continue
            filtered.write(row)
            if row.split("\t")[2:3] == ["transcript"] and (ids := IDS.search(row)):
                pairs.write(f"{ids[1]}\t{ids[2]}\n")


def build_index(fasta: Path, gtf: Path, k: int, work: Path) -> None:
    work.mkdir(parents=True)
    (work / "rsem_index").mkdir()
    unpack(fasta, work / "genome.fa")
    unpack(gtf, work / "annotation.gtf")
    leave_out_pseudogenes(work / "annotation.gtf", work / "no_pseudogenes.gtf", work / "genes_to_transcripts.txt")
    subprocess.run(
        [
            *("rsem-prepare-reference", "--gtf", "no_pseudogenes.gtf"),
            *("--transcript-to-gene-map", "genes_to_transcripts.txt", "genome.fa", "rsem_index/genome"),
        ],
        cwd=work,
        check=True,
    )
    subprocess.run(
        [
            "salmon",
            "--no-version-check",
            "index",
            "-t",
            "rsem_index/genome.transcripts.fa",
            "-i",
            "index",
            "-k",
            str(k),
        ],
        cwd=work,
        check=True,
    )
    with tarfile.open(work / "index.tar.gz", "w:gz") as archive:
        archive.add(work / "index", arcname="index")


if __name__ == "__main__":
    genome, annotation, output = map(Path, sys.argv[1:4])
    for kmer_size in map(int, sys.argv[4:]):
        build_index(genome, annotation, kmer_size, output / f"k{kmer_size}")
