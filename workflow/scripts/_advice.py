"""What to do about a sample or a job that failed, by what it said."""

import re

READS_AGAIN = "Compare {files} with the checksums of who made the reads, fetch anew what differs, then run again."
# The first row whose pattern is in the reason. Of reads: check_reads.py; of Salmon: sample_step.sh; of HLA types:
# hla_type_sample.py; of alignments: align_step.sh, align.smk; of known variants: merge_sites.sh; then whole jobs.
ADVICE = (
    (
        r"salmon was only able to assign",
        "Next to none of the reads are of {organism}'s transcripts: correct the organism in the table of samples. If "
        "it is right, look in fastp's report for reads that are too short or all alike, and search some of them for "
        "contamination.",
    ),
    (
        r"no mates of each other",
        "See that fq1 and fq2 in the table of samples are of the same lane; if they are, one of them is not whole: "
        + READS_AGAIN.format(files="both"),
    ),
    (r"\bholds? no reads", "Fetch the file anew, or take its row out of the table of samples, then run again."),
    (
        r"is an? .* file, not FASTQ",
        "Name FASTQ files in the table of samples; `samtools fastq` makes them from CRAM, and gzip packs them.",
    ),
    (r"is not gzip, though", "Rename the file without .gz if it is plain text; else fetch it anew. Then run again."),
    (r"; bring the file again$", READS_AGAIN.format(files="the file")),
    (
        r"no reads of HLA genes",
        "See that the files are of this sample, human and whole. An exome has such reads if its kit captures them.",
    ),
    (r"too short to type", "Take hla out of the sample's analyses; longer reads are needed for it."),
    (
        r"none of \d+ reads maps",
        "Correct the organism in the table of samples. If it is right, search some of the reads for contamination.",
    ),
    (
        r"name that as the organism|correct the sample in the table|"
        r"take the file of the genome's assembly|name the contigs alike|take it out of known_sites|"
        r"reads none is left|with 64 added|holds the same reads as|holds both mates",
        "Do what the reason says, then run again: what has finished is not repeated.",
    ),
    (
        r"`snakemake lock`|byte order mark|amino acids|is in it twice|is GFF3",
        "Do what it says; organisms that are not named there are not affected.",
    ),
    (
        r"bad_alloc|MemoryError|Cannot allocate memory|\bKilled\b|OutOfMemory",
        "Let the step have more memory: on one machine `--resources mem_mb=...` tells what there is for all jobs; "
        "`--retries 2` has each attempt ask for more; run again.",
    ),
    (
        r"No space left on device|ENOSPC|is the disk full|Disk quota exceeded",
        "Free disk space where results and TMPDIR are; run again.",
    ),
    (
        r"HTTP Error 40[134]|40[134] Client Error|\(40[134]\)|Forbidden|Access ?Denied|NoSuchKey",
        "Correct the address in the table, or the right to read it, then run again.",
    ),
)
OTHER_ADVICE = (
    "Read the log, mend the cause, run the same command again: what has finished is not repeated. A log that tells no "
    "error is of a job that was killed, mostly for memory: add `--retries 2`, and each attempt asks for more."
)


def advise(reason: str, organism: str = "the organism") -> str:
    """Say what to do about a failure."""
    for pattern, remedy in ADVICE:
        if re.search(pattern, reason):
            return remedy.replace("{organism}", organism)
    return OTHER_ADVICE
