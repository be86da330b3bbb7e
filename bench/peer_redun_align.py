"""redun's way from the lanes of a sample to recalibrated alignments and metrics: its bioinformatics example, 06.

Its steps, in its order, one after the other: join the lanes, cutadapt, bwa to a SAM file, samtools to BAM, sort and
tag, mark duplicates, learn and apply the recalibration, index, metrics, depth. Left out: its scheduler, its uploads and
downloads. bwa stands for bwa-mem2. https://github.com/insitro/redun

With --as-ours it goes the same way from our trimmed reads, a read group for each lane, so that answers can be compared.
"""

import argparse
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Chain:
    """The steps of a sample in the directory `work`; steps print to its log."""

    genome: Path
    sites: Path
    work: Path

    def run(self, *words: str | Path, stdout: Path | None = None) -> None:
        command = list(map(str, words))
        with (self.work / "log.txt").open("a") as log:
            if stdout is None:
                subprocess.run(command, cwd=self.work, check=True, stdout=log, stderr=log)
            else:
                with stdout.open("wb") as target:
                    subprocess.run(command, cwd=self.work, check=True, stdout=target, stderr=log)

    def gatk(self, heap: str, tool: str, *words: str | Path) -> None:
        self.run("gatk", "--java-options", f"-Xmx{heap}", tool, *words)

    def join(self, lanes: Sequence[Path], joined: str) -> Path:
        with (self.work / joined).open("wb") as target:
            for lane in lanes:
                with lane.open("rb") as source:
                    shutil.copyfileobj(source, target)
        return self.work / joined

    def trim(self, reads: Sequence[Path]) -> list[Path]:
        trimmed = [self.work / f"cutadapt.{mate}.fastq.gz" for mate in (1, 2)]
        limit = ["--pair-filter=any", "--max-n", "0.1"]
        self.run("cutadapt", "-o", trimmed[0], "-p", trimmed[1], *limit, *reads)
        return trimmed

    def align(self, name: str, read_group: str, reads: Sequence[Path], options: Sequence[str]) -> Path:
        sam, bam, tagged = (self.work / f"{name}.{end}" for end in ("sam", "bam", "tagged.bam"))
        self.run("bwa", "mem", *options, "-R", read_group, "-o", sam, self.genome, *reads)
        self.run("samtools", "view", "-o", bam, sam)
        # Two of GATK's tools in a pipe: what the first one prints of itself must not get into it.
        pipe = (
            'gatk --java-options -Xmx14G SortSam --INPUT "$1" --OUTPUT /dev/stdout --SORT_ORDER coordinate'
            " --CREATE_INDEX false --CREATE_MD5_FILE false --QUIET true | gatk --java-options -Xmx14G SetNmMdAndUqTags"
            ' --INPUT /dev/stdin --OUTPUT "$2" --CREATE_INDEX true --CREATE_MD5_FILE true --REFERENCE_SEQUENCE "$3"'
        )
        self.run("bash", "-o", "pipefail", "-c", pipe, "align", bam, tagged, self.genome)
        return tagged

    def mark(self, bams: Sequence[Path], order: str) -> Path:
        self.gatk(
            "18G",
            "MarkDuplicates",
            *(word for bam in bams for word in ("--INPUT", bam)),
            *("--OUTPUT", "markdup.bam", "--METRICS_FILE", "markdup.metrics.txt"),
            *("--VALIDATION_STRINGENCY", "SILENT", "--OPTICAL_DUPLICATE_PIXEL_DISTANCE", "2500"),
            *("--ASSUME_SORT_ORDER", order, "--CREATE_MD5_FILE", "true"),
        )
        return self.work / "markdup.bam"

    def recalibrate(self, bam: Path) -> Path:
        final = self.work / "recalib.bam"
        learn = ["-R", self.genome, "--known-sites", self.sites, "-I", bam, "--use-original-qualities"]
        self.gatk("18G", "BaseRecalibrator", *learn, "-O", "recal.table")
        levels = [word for level in ("10", "20", "30") for word in ("--static-quantized-quals", level)]
        apply = ["-I", bam, "-bqsr", "recal.table", "-O", final, *levels, "--add-output-sam-program-record"]
        self.gatk("18G", "ApplyBQSR", *apply, "--create-output-bam-md5", "--use-original-qualities")
        self.run("samtools", "index", final, f"{final}.bai")
        return final

    def collect(self, bam: Path) -> None:
        self.run(
            "picard", "CollectAlignmentSummaryMetrics", "-R", self.genome, "-I", bam, "-O", "alignment_metrics.txt"
        )
        histogram = ["-H", "insert_size_histogram.pdf"]
        self.run("picard", "CollectInsertSizeMetrics", "-I", bam, "-O", "insert_metrics.txt", *histogram)
        self.run("samtools", "depth", "-a", bam, stdout=self.work / "depth.txt")

    def as_redun(self, lanes: Sequence[tuple[Path, Path]]) -> None:
        joined = [self.join(files, f"{mate}.fastq.gz") for mate, files in enumerate(zip(*lanes, strict=True), start=1)]
        group = r"@RG\tID:donor\tSM:donor\tPL:illumina"
        bam = self.align("sample", group, self.trim(joined), [])
        self.collect(self.recalibrate(self.mark([bam], "queryname")))

    def as_ours(self, lanes: Sequence[dict]) -> None:
        """`lanes`: of each its name, its read group as @RG line and its trimmed reads."""
        options = ["-K", "100000000", "-Y", "-t", "2"]
        bams = [self.align(lane["name"], lane["read_group"], lane["reads"], options) for lane in lanes]
        self.collect(self.recalibrate(self.mark(bams, "coordinate")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genome", type=Path, help="FASTA file with bwa's index, .fai and .dict")
    parser.add_argument("sites", type=Path, help="known variants, bgzip VCF with index")
    parser.add_argument("work", type=Path)
    parser.add_argument("reads", type=Path, nargs="*", help="of each lane two files, mates one after the other")
    parser.add_argument("--as-ours", type=json.loads, help="JSON: of each lane its name, read group and trimmed reads")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True)
    chain = Chain(arguments.genome, arguments.sites, arguments.work)
    if arguments.as_ours:
        chain.as_ours(arguments.as_ours)
    else:
        chain.as_redun(list(zip(arguments.reads[::2], arguments.reads[1::2], strict=True)))


if __name__ == "__main__":
    main()
