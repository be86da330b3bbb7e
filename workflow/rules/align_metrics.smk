"""From the final alignments of a sample to its metrics and its record, and from all samples to one table.

{sample}.recal.bam -> metrics/, depth/ -> record.json -> align/alignments.tsv
"""

ALIGNMENT_RECORDS = expand("<results>/align/{sample}/record.json", sample=ALIGN_SAMPLES)


rule collect_metrics:
    """Picard's metrics of the alignments and of the insert size."""
    input:
        unpack(reference("fasta/genome", FASTA)),
        bam=lambda wildcards: final_bam(wildcards.sample),
        index=lambda wildcards: final_bam(wildcards.sample, ".bai"),
    output:
        directory("<results>/align/{sample}/metrics"),
    log:
        "<logs>/collect_metrics/{sample}.txt",
    benchmark:
        "<benchmarks>/collect_metrics/{sample}.tsv"
    conda:
        "../envs/picard.yaml"
    container:
        image("picard")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2500,
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.bam:q} -- {output:q}
        mkdir -p {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/metrics.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        # Picard has R draw what it wrote; the report draws it from the numbers, and R is not there.
        printf '#!/bin/sh\n' >"$scratch/Rscript"
        chmod +x "$scratch/Rscript"
        PATH=$scratch:$PATH picard $(java_options {resources.mem_mb}) CollectMultipleMetrics \
            --INPUT {input.bam:q} \
            --REFERENCE_SEQUENCE {input.fasta:q} \
            --OUTPUT "$scratch/picard" \
            --PROGRAM null \
            --PROGRAM CollectAlignmentSummaryMetrics \
            --PROGRAM CollectInsertSizeMetrics \
            --VALIDATION_STRINGENCY SILENT \
            --TMP_DIR "$scratch"
        mv "$scratch/picard.alignment_summary_metrics" {output:q}/{wildcards.sample:q}.alignment_metrics.txt
        status=fail
        if [ -e "$scratch/picard.insert_size_metrics" ]; then
            status=ok
            mv "$scratch/picard.insert_size_metrics" {output:q}/{wildcards.sample:q}.insert_metrics.txt
        fi
        printf %s "$status" >{output:q}/{wildcards.sample:q}.insert_metrics.status
        """


rule measure_depth:
    """Depth over the genome, in windows, and how much of it is covered how deep."""
    input:
        bam=lambda wildcards: final_bam(wildcards.sample),
        index=lambda wildcards: final_bam(wildcards.sample, ".bai"),
    output:
        directory("<results>/align/{sample}/depth"),
    log:
        "<logs>/measure_depth/{sample}.txt",
    benchmark:
        "<benchmarks>/measure_depth/{sample}.tsv"
    conda:
        "../envs/mosdepth.yaml"
    container:
        image("mosdepth")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2500,
    params:
        options="" if config["align"]["per_base_depth"] else "--no-per-base",
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input.bam:q} -- {output:q}
        mkdir -p {output:q}
        mosdepth \
            --threads {threads} \
            {params.options} \
            --by 1000 \
            --thresholds 1,10,20,30 \
            {output:q}/{wildcards.sample:q} \
            {input.bam:q}
        """


rule record_alignment:
    """Write down how a sample was aligned, how it ended, and how good it is."""
    input:
        lanes=of_lanes("reads"),
        trimmed=of_lanes("fastp") if TRIMMING else [],
        duplicates="<results>/align/{sample}/duplicates",
        metrics="<results>/align/{sample}/metrics",
        depth="<results>/align/{sample}/depth",
        benchmarks=alignment_benchmarks,
    output:
        "<results>/align/{sample}/record.json",
    log:
        "<logs>/record_alignment/{sample}.txt",
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=300,
    params:
        sample=lambda wildcards: {
            "name": wildcards.sample,
            "organism": SAMPLES[wildcards.sample].organism,
            "lanes": len(SAMPLES[wildcards.sample].lanes),
            "recalibrated": is_recalibrated(wildcards.sample),
        },
        limits={"warn": config["align"]["warn"], "fail": config["align"]["fail"]},
    script:
        "../scripts/record_alignment.py"


rule tabulate_alignments:
    """One table of all aligned samples, with a verdict on their quality."""
    input:
        lambda wildcards: ALIGNMENT_RECORDS,
    output:
        "<results>/align/alignments.tsv",
    log:
        "<logs>/tabulate_alignments.txt",
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=500,
    script:
        "../scripts/tabulate_alignments.py"
