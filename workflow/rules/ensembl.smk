"""From the lock to a genome and an annotation that a transcriptome can be built from.

organisms.lock.tsv -> genome.fa.gz, annotation.original.gtf.gz -> annotation.gtf.gz (cleaned), annotation.report.json
"""


rule lock:
    """Ask Ensembl what it has of the organisms that are wanted, and write it down: `snakemake lock`."""
    localrule: True
    log:
        "<logs>/lock.txt",
    params:
        organisms=config["organisms"],
        lock=config["lock"],
        ensembl=config["ensembl"],
    conda:
        "../envs/requests.yaml"
    script:
        "../scripts/lock_organisms.py"


def own_files(wildcards):
    """The user's own genome and annotation, where the lock names them in place of Ensembl's."""
    genome = GENOMES[wildcards.organism]
    if genome["release"] != "own":
        return {}
    return {kind: user_file(genome[f"{kind}_url"]) for kind in ("genome", "annotation")}


rule fetch_reference:
    """Bring the genome and the annotation of the lock and check them; a broken download is resumed."""
    input:
        unpack(own_files),
    output:
        genome="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
        annotation="<results>/reference/{organism}/{assembly}.{release}/annotation.original.gtf.gz",
    log:
        "<logs>/fetch_reference/{organism}.{assembly}.{release}.txt",
    params:
        locked=lambda wildcards: dict(GENOMES[wildcards.organism]),
    resources:
        mem_mb=500,
    retries: 2
    conda:
        "../envs/python.yaml"
    container:
        image("python")
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
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 20 * int(input.size_mb)),
    conda:
        "../envs/python.yaml"
    container:
        image("python")
    script:
        "../scripts/clean_annotation.py"
