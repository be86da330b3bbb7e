"""From all records of a run to one report, and a verdict.

record.json, annotation.report.json, {index}.json -> report/index.html, report/multiqc.html, report/verdict.txt
"""

RECORDS = expand("<results>/quant/{sample}/record.json", sample=QUANT_SAMPLES) + ALIGNMENT_RECORDS + HLA_RECORDS
ANNOTATION_REPORTS = [files_of(organism, "annotation.report.json") for organism in ANNOTATED]
INDEX_RECORDS = expand(
    "<results>/index/{genome}.salmon-{version}.k{k}.json", genome=GENOME_NAMES, version=VERSIONS["salmon"], k=KMERS
)
TOOLS_USED = (
    {"python", "multiqc"}
    | ({"rsem", "salmon"} if ANNOTATED else set())
    | ({"dnaio", "fastp", "pytximport"} if QUANT_SAMPLES else set())
    | ({"dnaio", "fastp", "bwa", "samtools", "picard", "mosdepth"} if ALIGN_SAMPLES else set())
    | ({"gatk4"} if GATK and any(map(is_recalibrated, ALIGN_SAMPLES)) else set())
    | ({"hla"} if HLA_SAMPLES else set())
)
# What the front page says of the run itself; nothing that differs from run to run, or the page would never be done.
RUN = {"versions": {tool: version for tool, version in VERSIONS.items() if tool in TOOLS_USED}, "configuration": config}
WANTED = {
    analysis: {sample: SAMPLES[sample].organism for sample in samples}
    for analysis, samples in (("quant", QUANT_SAMPLES), ("align", ALIGN_SAMPLES), ("hla", HLA_SAMPLES))
}
COUNTS = expand(
    "<results>/counts/{organism}.{table}.parquet",
    organism=QUANTIFIED,
    table=["gene_counts", "gene_tpm", "gene_lengths"],
)
# What the page links to, and that of a run that was not finished as far as it is there.
COUNT_TABLES = [table.replace(".parquet", ".tsv") for table in COUNTS] + COUNTS
ALIGNMENT_TABLES = ["<results>/align/alignments.tsv"] if ALIGN_SAMPLES else []
TABLES = COUNT_TABLES + ALIGNMENT_TABLES + HLA_TYPES


localrules:
    judge_run,


# Inputs of the whole cohort are functions: each job reads this file, and would make them all while it does.


rule summarise_for_multiqc:
    """Bring our own findings into the form that MultiQC reads: rows left out of annotations, samples that failed."""
    input:
        annotations=lambda wildcards: ANNOTATION_REPORTS,
        records=lambda wildcards: RECORDS,
    output:
        annotations="<results>/report/multiqc/annotations_mqc.tsv",
        hla="<results>/report/multiqc/hla_mqc.tsv",
        samples="<results>/report/multiqc/samples_mqc.tsv",
    log:
        "<logs>/summarise_for_multiqc.txt",
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
    script:
        "../scripts/summarise_for_multiqc.py"


rule multiqc:
    """One page of quality measures: fastp, Salmon, and our own sections."""
    input:
        ours=rules.summarise_for_multiqc.output,
        fastp=lambda wildcards: expand("<results>/quant/{sample}/fastp", sample=QUANT_SAMPLES if TRIMMING else []),
        salmon=lambda wildcards: expand("<results>/quant/{sample}/salmon", sample=QUANT_SAMPLES),
        aligned=lambda wildcards: expand(
            "<results>/align/{sample}/{step}", sample=ALIGN_SAMPLES, step=["duplicates", "metrics", "depth"]
        ),
        lanes=lambda wildcards: trimmed_lanes(),
        qualities=lambda wildcards: expand(
            "<results>/align/{sample}/{table}",
            sample=list(filter(is_recalibrated, ALIGN_SAMPLES)),
            table=["recalibration", "recalibrated"],
        ),
    output:
        "<results>/report/multiqc.html",
    log:
        "<logs>/multiqc.txt",
    conda:
        "../envs/multiqc.yaml"
    container:
        image("multiqc")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (1000 + 2 * len(input)),
    script:
        "../scripts/run_multiqc.py"


rule write_report:
    """The front page of the run."""
    input:
        records=lambda wildcards: RECORDS,
        annotation_reports=lambda wildcards: ANNOTATION_REPORTS,
        index_records=lambda wildcards: INDEX_RECORDS,
        multiqc="<results>/report/multiqc.html",
        counts=lambda wildcards: COUNT_TABLES,
        alignments=ALIGNMENT_TABLES,
        hla=HLA_TYPES,
    output:
        "<results>/report/index.html",
    log:
        "<logs>/write_report.txt",
    conda:
        "../envs/jinja.yaml"
    container:
        image("multiqc")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1000,
    params:
        run=RUN,
        wanted=WANTED,
        links=lambda wildcards, input: {"Quality measures (MultiQC)": input.multiqc}
        | {Path(table).name: table for table in [*input.counts, *input.alignments]}
        | {"HLA types of all samples": table for table in input.hla},
        logs=workflow.pathvars.apply("<logs>"),
    script:
        "../scripts/write_report.py"


rule judge_run:
    """Fail the run at its end, after everything is written, if a sample failed; name the samples and why."""
    input:
        report="<results>/report/index.html",
        records=lambda wildcards: RECORDS,
    output:
        "<results>/report/verdict.txt",
    log:
        "<logs>/judge_run.txt",
    retries: 0  # asked again, it says the same
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    params:
        # Snakemake shows the log of a job that failed, but not where logs are in storage.
        log_is_shown=not IN_STORAGE,
        report=lambda wildcards: place_of("<results>/report/index.html"),
    script:
        "../scripts/judge_run.py"
