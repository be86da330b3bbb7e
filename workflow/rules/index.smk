"""From a genome and its cleaned annotation to Salmon indices, for long and for short reads.

genome.fa.gz, annotation.gtf.gz -> transcripts.fa.gz, tx2gene.tsv -> {genome}.salmon-{version}.k{k}.tar.gz, .json
"""


rule build_transcripts:
    """Cut the transcripts out of the genome, once for all indices."""
    input:
        genome="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
        gtf="<results>/reference/{organism}/{assembly}.{release}/annotation.gtf.gz",
    output:
        transcripts="<results>/reference/{organism}/{assembly}.{release}/transcripts.fa.gz",
        tx2gene="<results>/reference/{organism}/{assembly}.{release}/tx2gene.tsv",
    log:
        "<logs>/build_transcripts/{organism}.{assembly}.{release}.txt",
    benchmark:
        "<benchmarks>/build_transcripts/{organism}.{assembly}.{release}.tsv"
    cache: SHARED
    conda:
        "../envs/rsem.yaml"
    container:
        image("rsem")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 5 * int(megabytes(input))),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 20 * int(megabytes(input))),
    params:
        version=VERSIONS["rsem"],
    shell:
        r"""
        exec &>{log:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/transcripts.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        # Only the transcripts are wanted: what RSEM prepares for its own aligners goes nowhere.
        for unwanted in idx.fa n2g.idx.fa seq; do
            ln -s /dev/null "$scratch/reference.$unwanted"
        done
        # RSEM takes no path with a blank, which scratch may have. bash does not look at how a <(...) ends; RSEM sees the end
        # of its input only after that is written down.
        (cd "$scratch" && rsem-prepare-reference --gtf /dev/fd/3 /dev/fd/4 reference) \
            3< <(gzip -cd {input.gtf:q} || touch "$scratch/unread") \
            4< <(gzip -cd {input.genome:q} | tr -d '\r' || touch "$scratch/unread")
        [ ! -e "$scratch/unread" ]
        # reference.ti has a header and six lines a transcript, the first two of them its id and its gene's.
        awk -F '\t' 'BEGIN {{ OFS = "\t"; print "transcript_id", "gene_id" }}
             NR % 6 == 2 {{ transcript = $1 }}
             NR % 6 == 3 {{ print transcript, $1 }}' \
            "$scratch/reference.ti" >"$scratch/tx2gene.tsv"
        gzip -cn --fast "$scratch/reference.transcripts.fa" >"$scratch/transcripts.fa.gz"
        mv "$scratch/tx2gene.tsv" {output.tx2gene:q}
        mv "$scratch/transcripts.fa.gz" {output.transcripts:q}
        """


# The files of an index by their names (Salmon 1.10), without its logs, which tell the time of day; and how it was made.
# One by one, so that a job which finds half of them fails, and runs can share them.
SALMON_INDEX = [
    *("complete_ref_lens.bin", "ctable.bin", "ctg_offsets.bin", "duplicate_clusters.tsv", "info.json", "mphf.bin"),
    *("pos.bin", "rank.bin", "refAccumLengths.bin", "reflengths.bin", "refseq.bin", "seq.bin", "versionInfo.json"),
    "command.txt",
]


rule salmon_index:
    """Index the transcripts for reads of about one length (k 31: over 75 bases, k 23: shorter)."""
    input:
        transcripts="<results>/reference/{organism}/{assembly}.{release}/transcripts.fa.gz",
        genome=branch(
            config["index"]["decoys"],
            then="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
        ),
    output:
        temp(multiext("<results>/index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.", *SALMON_INDEX)),
    log:
        "<logs>/salmon_index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.txt",
    benchmark:
        "<benchmarks>/salmon_index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.tsv"
    cache: SHARED
    conda:
        "../envs/salmon.yaml"
    container:
        image("salmon")
    threads: 2
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (1000 + 60 * int(megabytes(input))),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 100 * int(megabytes(input))),
    params:
        version="{version}",
        k="{k}",
        longest_k=max(KMERS) if config["index"]["decoys"] else 0,
    shell:
        r"""
        exec &>{log:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/index.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        sequences={input.transcripts:q} decoys=() genome=({input.genome:q})
        if [ "${{#genome[@]}}" -gt 0 ]; then
            gzip -cd {input.genome:q} | sed -n 's/^>\([^[:space:]]*\).*/\1/p' >"$scratch/decoys.txt"
            # With decoys Salmon leaves out transcripts of k bases or fewer: all indices leave out the same ones.
            gzip -cd {input.transcripts:q} |
                awk 'NR % 2 {{ name = $0; next }} length($0) > {params.longest_k} {{ print name; print }}' |
                gzip -cn --fast |
                cat - {input.genome:q} >"$scratch/sequences.fa.gz"
            sequences="$scratch/sequences.fa.gz" decoys=(--decoys "$scratch/decoys.txt")
        fi
        command=(
            salmon --no-version-check index
            --transcripts "$sequences"
            "${{decoys[@]}}"
            --kmerLen {params.k}
            --threads {threads}
            --index "$scratch/index"
        )
        "${{command[@]}}"
        # Salmon lays out each index anew, and files of two can come together where two runs that share them store theirs.
        checksums=
        if [ -n "${{SNAKEMAKE_OUTPUT_CACHE:-}}" ]; then checksums=$(md5sum "$scratch/index"/*); fi
        sed "s|$scratch/||g" <<<"${{command[*]}}"$'\n'"$checksums" >"$scratch/index/command.txt"
        for file in {output:q}; do
            mv "$scratch/index/${{file##*.k{params.k}.}}" "$file"
        done
        """


rule pack_index:
    """Pack an index into one file with sorted members, and write down how it was made."""
    input:
        # The genome and the annotation are told by the checksums of the lock, which they were held against.
        index=multiext("<results>/index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.", *SALMON_INDEX),
        transcripts="<results>/reference/{organism}/{assembly}.{release}/transcripts.fa.gz",
    output:
        archive="<results>/index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.tar.gz",
        record="<results>/index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.json",
    log:
        "<logs>/pack_index/{organism}.{assembly}.{release}.salmon-{version}.k{k}.txt",
    conda:
        "../envs/dnaio.yaml"
    container:
        image("dnaio")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
    params:
        genome=lambda wildcards: dict(GENOMES[wildcards.organism]),
    script:
        "../scripts/pack_index.py"
