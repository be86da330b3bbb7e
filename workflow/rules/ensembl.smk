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


rule fetch_reference:
    """Bring the genome and the annotation of the lock and check them; a broken download is resumed."""
    input:
        unpack(own_files),
    output:
        genome="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
        annotation="<results>/reference/{organism}/{assembly}.{release}/annotation.original.gtf.gz",
    log:
        "<logs>/fetch_reference/{organism}.{assembly}.{release}.txt",
    cache: SHARED
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    resources:
        mem_mb=500,
    params:
        locked=sources_of,
    script:
        "../scripts/fetch_reference.py"


rule clean_annotation:
    """Leave out the rows that no transcript can be built from, and report what and why."""
    input:
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
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 2 * int(input.size_mb)),
    params:
        sources=sources_of,
    script:
        "../scripts/clean_annotation.py"
