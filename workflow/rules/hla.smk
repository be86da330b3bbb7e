"""From reads, or a BAM, to HLA types with their doubts, and a report that a laboratory can review.

files of an IPD-IMGT/HLA release -> reference/hla/{version}.npz
fq1, fq2 or bam -> hla/{sample}/fished/ -> typing/, types.tsv -> report.html, record.json -> hla/types.tsv

A sample that fails at a step has `failed.txt` in that step's directory, and in those of the steps after it.
"""

HLA = config["hla"]
HLA_INDEX = f"<results>/reference/hla/{HLA['version']}.npz"
HLA_ALLELES = f"<results>/reference/hla/{HLA['version']}.alleles.txt"
HLA_RECORDS = expand("<results>/hla/{sample}/record.json", sample=HLA_SAMPLES)
# The model is in modules that Snakemake does not look at when it decides what has to run again: the version tells them.
HLA_VERSION = f"{VERSIONS['hla']}+{digest_of(HLA_MODEL)}" if HLA_SAMPLES else VERSIONS["hla"]
HLA_TYPES = ["<results>/hla/types.tsv"] if HLA_SAMPLES else []


rule index_hla:
    """Read and check the release's files once, for all samples."""
    input:
        release=lambda wildcards: [user_file(path) for path in HLA["release"]],
    output:
        index=HLA_INDEX,
        alleles=HLA_ALLELES,
    log:
        "<logs>/index_hla.txt",
    benchmark:
        "<benchmarks>/index_hla.tsv"
    cache: SHARED
    conda:
        "../envs/hla.yaml"
    container:
        image("hla")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
    params:
        version=HLA["version"],
        program_version=HLA_VERSION,
    script:
        "../scripts/hla_index_release.py"


rule fish_hla_reads:
    """Pick the reads that may be of HLA genes out of all reads of a sample."""
    input:
        unpack(hla_reads_of),
        reference=user_file(HLA["reference"]) if HLA["reference"] else [],
        index=HLA_INDEX,
    output:
        directory("<results>/hla/{sample}/fished"),
    log:
        "<logs>/fish_hla_reads/{sample}.txt",
    benchmark:
        "<benchmarks>/fish_hla_reads/{sample}.tsv"
    conda:
        "../envs/hla.yaml"
    container:
        image("hla")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1000,
    params:
        # A file that was mended may keep an old time, so its size is looked at as well.
        sizes=sizes_of,
        names=names_of,
        program_version=HLA_VERSION,
    script:
        "../scripts/hla_fish_reads.py"


rule type_hla:
    """Find the alleles that explain the most reads, and what else would explain as many."""
    input:
        fished="<results>/hla/{sample}/fished",
        index=HLA_INDEX,
        ciwd=user_file(HLA["common"]) if HLA["common"] else [],
    output:
        typing=directory("<results>/hla/{sample}/typing"),
        types="<results>/hla/{sample}/types.tsv",
    log:
        "<logs>/type_hla/{sample}.txt",
    benchmark:
        "<benchmarks>/type_hla/{sample}.tsv"
    conda:
        "../envs/hla.yaml"
    container:
        image("hla")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1000,
    params:
        sample=lambda wildcards: wildcards.sample,
        settings={key: HLA[key] for key in ("loci", "solver", "time_limit", "gap", "solutions", "max_reads")}
        | {"program_version": HLA_VERSION},
    script:
        "../scripts/hla_type_sample.py"


rule write_hla_report:
    """A page of a sample's types for the reviewer, with what was decided already, and its record."""
    input:
        fished="<results>/hla/{sample}/fished",
        typing="<results>/hla/{sample}/typing",
        types="<results>/hla/{sample}/types.tsv",
        alleles=HLA_ALLELES,
        benchmarks=["<benchmarks>/fish_hla_reads/{sample}.tsv", "<benchmarks>/type_hla/{sample}.tsv"],
    output:
        report="<results>/hla/{sample}/report.html",
        record="<results>/hla/{sample}/record.json",
    log:
        "<logs>/write_hla_report/{sample}.txt",
    conda:
        "../envs/jinja.yaml"
    container:
        image("multiqc")
    resources:
        mem_mb=500,
    params:
        sample=lambda wildcards: wildcards.sample,
        reviews=lambda wildcards: HLA_REVIEWS.get(wildcards.sample, []),
    script:
        "../scripts/write_hla_report.py"


rule merge_hla_types:
    """The types of all samples that came through, with what reviewers made of them."""
    input:
        records=lambda wildcards: HLA_RECORDS,
        types=lambda wildcards: expand("<results>/hla/{sample}/types.tsv", sample=HLA_SAMPLES),
    output:
        "<results>/hla/types.tsv",
    log:
        "<logs>/merge_hla_types.txt",
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=500,
    script:
        "../scripts/merge_hla_types.py"
