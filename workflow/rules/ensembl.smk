"""From the lock to a genome and an annotation that a transcriptome can be built from.

organisms.lock.tsv -> genome.fa.gz, annotation.original.gtf.gz -> annotation.gtf.gz (cleaned), annotation.report.json
"""


localrules:
    lock,


rule lock:
    """Ask Ensembl what it has of the organisms that are wanted, and write it down: `snakemake lock`."""
    log:
        "<logs>/lock.txt",
    conda:
        "../envs/requests.yaml"
    container:
        image("multiqc")
    params:
        organisms=config["organisms"],
        lock=config["lock"],
        ensembl=config["ensembl"],
    script:
        "../scripts/lock_organisms.py"


rule fetch_genome:
    """Bring the genome of the lock and check it; a broken download is resumed."""
    input:
        own_file("genome"),
    output:
        "<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
    log:
        "<logs>/fetch_genome/{organism}.{assembly}.{release}.txt",
    cache: SHARED
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
        disk_mb=scratch_for("genome"),
    params:
        kind="genome",
        locked=source_of("genome"),
    script:
        "../scripts/fetch_reference.py"


use rule fetch_genome as fetch_annotation with:
    input:
        own_file("annotation"),
    output:
        "<results>/reference/{organism}/{assembly}.{release}/annotation.original.gtf.gz",
    log:
        "<logs>/fetch_annotation/{organism}.{assembly}.{release}.txt",
    cache: SHARED  # a rule made of another does not take this over
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
        disk_mb=scratch_for("annotation"),
    params:
        kind="annotation",
        locked=source_of("annotation"),


rule clean_annotation:
    """Leave out the rows that no transcript can be built from, and report what and why."""
    input:
        # Where a fetch fails, what it was to bring is gone, and only a newer file further back has it fetched again.
        own_file("genome"),
        own_file("annotation"),
        genome="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
        gtf="<results>/reference/{organism}/{assembly}.{release}/annotation.original.gtf.gz",
    output:
        gtf="<results>/reference/{organism}/{assembly}.{release}/annotation.gtf.gz",
        report="<results>/reference/{organism}/{assembly}.{release}/annotation.report.json",
    log:
        "<logs>/clean_annotation/{organism}.{assembly}.{release}.txt",
    benchmark:
        "<benchmarks>/clean_annotation/{organism}.{assembly}.{release}.tsv"
    cache: SHARED
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 2 * int(megabytes(input))),
    params:
        sources=sources_of,
    script:
        "../scripts/clean_annotation.py"
