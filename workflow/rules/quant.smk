"""From the reads of a sample to its transcripts and genes, and from samples to one matrix an organism.

fq1, fq2 (one file a lane) -> reads/ (checked), trimmed/, fastp/ -> salmon/ -> genes.tsv, record.json
-> counts/{organism}.gene_counts.tsv, .parquet

A sample that fails at a step has `failed.txt` in that step's directory, and in those of the steps after it.
"""


rule check_reads:
    """Read every read once: are the files whole, mates of each other, how many, how long?"""
    input:
        unpack(reads_of),
    output:
        directory("<results>/quant/{sample}/reads"),
    log:
        "<logs>/check_reads/{sample}.txt",
    conda:
        "../envs/dnaio.yaml"
    container:
        image("dnaio")
    resources:
        mem_mb=500,
    params:
        # A file that was mended may keep an old time, so its size is looked at as well.
        sizes=sizes_of,
        names=names_of,
    script:
        "../scripts/check_reads.py"


rule trim_reads:
    """Merge the lanes, trim adapters and leave out poor reads, as a stream; single ends get their adapter from the first
    lane."""
    input:
        unpack(reads_of),
        reads="<results>/quant/{sample}/reads",
        adapters=ADAPTERS,
    output:
        trimmed=temp(directory("<results>/quant/{sample}/trimmed")),
        report=directory("<results>/quant/{sample}/fastp"),
    log:
        "<logs>/trim_reads/{sample}.txt",
    benchmark:
        "<benchmarks>/trim_reads/{sample}.tsv"
    conda:
        "../envs/fastp.yaml"
    container:
        image("fastp")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 3 * int(megabytes(input))),
    params:
        max_n=config["trim"]["max_n"],
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input.reads:q} -- {output:q}
        mkdir -p {output:q}

        fq2=({input.fq2:q}) adapters=({input.adapters:q}) max_n=$(n_limit {params.max_n} {input.reads:q}/reads.json)
        options=(${{adapters:+--adapter_fasta "${{adapters[0]}}"}} --n_base_limit "$max_n")
        if [ "${{#fq2[@]}}" -gt 0 ]; then
            options+=(--interleaved_in --out2 {output.trimmed:q}/R2.fastq.gz)
        elif [ "${{#adapters[@]}}" = 0 ]; then
            # fastp finds the adapter of single ends in a file only, not in a stream.
            adapter=$(find_adapter {input.fq1[0]:q} {output.trimmed:q}/start)
            options+=(${{adapter:+--adapter_sequence "$adapter"}})
        fi
        first=$(text first_read {input.reads:q}/reads.json)
        if two_colours "$first"; then options+=(--trim_poly_g); fi
        stream_reads {input.fq1:q} -- {input.fq2:q} | fastp \
            --stdin \
            "${{options[@]}}" \
            --out1 {output.trimmed:q}/R1.fastq.gz \
            --compression 1 \
            --thread {threads} \
            --json {output.report:q}/fastp.json \
            --html {output.report:q}/fastp.html \
            --report_title {wildcards.sample:q}
        all_reads "$(number total_reads {output.report:q}/fastp.json)" "$(number reads {input.reads:q}/reads.json)"
        [ "$(number passed_filter_reads {output.report:q}/fastp.json)" != 0 ] ||
            fail_sample "trim_reads: $(none_left {output.report:q}/fastp.json)" {output:q}
        """


rule quantify:
    """Quantify the transcripts with the index that fits the reads' length."""
    input:
        unpack(untrimmed_reads_of),
        reads="<results>/quant/{sample}/reads",
        trimmed="<results>/quant/{sample}/trimmed" if TRIMMING else [],
        fastp="<results>/quant/{sample}/fastp" if TRIMMING else [],
        indices=index_archives,
    output:
        salmon=directory("<results>/quant/{sample}/salmon"),
        quant="<results>/quant/{sample}/quant.sf",
    log:
        "<logs>/quantify/{sample}.txt",
    benchmark:
        "<benchmarks>/quantify/{sample}.tsv"
    conda:
        "../envs/salmon.yaml"
    container:
        image("salmon")
    threads: 2
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * in_steps(1000 + 8 * megabytes(input)),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 4 * int(megabytes(input))),
    params:
        # What a sample does not depend on is not here, or its change would have the sample quantified again.
        long_reads_over=long_reads_over,
        kmers=kmers_of,
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input.reads:q} {input.trimmed:q} -- {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/quantify.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        # One archive where the manifest tells the reads' length; else the one that fits what was measured.
        mean=$(number mean_read_length {input.reads:q}/reads.json)
        kmers=({params.kmers})
        k=$(awk -v mean="$mean" -v short="${{kmers[0]}}" -v long="${{kmers[-1]}}" \
            'BEGIN {{ print (mean > {params.long_reads_over}) ? long : short }}')
        archives=({input.indices:q})
        for archive in "${{archives[@]}}"; do
            case $archive in *.k"$k".tar.gz) break ;; esac
        done
        gzip -cd "$archive" | tar -x -C "$scratch" -f -
        fq1=({input.fq1:q}) fq2=({input.fq2:q})
        for trimmed in {input.trimmed:q}; do
            fq1=("$trimmed/R1.fastq.gz") fq2=()
            [ -e "$trimmed/R2.fastq.gz" ] && fq2=("$trimmed/R2.fastq.gz")
        done
        if [ "${{#fq2[@]}}" -gt 0 ]; then
            reads=(--mates1 "${{fq1[@]}}" --mates2 "${{fq2[@]}}")
        else
            reads=(--unmatedReads "${{fq1[@]}}")
        fi
        # A library type that the manifest claims is held against what Salmon finds, so Salmon always looks (-l A).
        salmon --no-version-check quant \
            --index "$scratch" \
            --libType A \
            "${{reads[@]}}" \
            --threads {threads} \
            --biasSpeedSamp 5 \
            --seqBias \
            --gcBias \
            --dumpEq \
            --writeUnmappedNames \
            --output {output.salmon:q} || step_failed $? quantify {log:q} {output:q}
        basename "$archive" >{output.salmon:q}/index.txt
        # Salmon takes files that were cut for whole ones, as a disk leaves them that was full when fastp wrote them.
        expected=$(reads_left {input.reads:q} {input.fastp:q})
        fragments=$(number num_processed {output.salmon:q}/aux_info/meta_info.json)
        all_reads $(( fragments * (${{#fq2[@]}} > 0 ? 2 : 1) )) "$expected"
        mv {output.salmon:q}/quant.sf {output.quant:q}
        """


rule count_genes:
    """Sum a sample's transcripts to genes."""
    input:
        quant="<results>/quant/{sample}/quant.sf",
        tx2gene=lambda wildcards: files_of(SAMPLES[wildcards.sample].organism, "tx2gene.tsv"),
    output:
        "<results>/quant/{sample}/genes.tsv",
    log:
        "<logs>/count_genes/{sample}.txt",
    conda:
        "../envs/pytximport.yaml"
    container:
        image("pytximport")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1000,
    script:
        "../scripts/count_genes.py"


rule record_sample:
    """Write down how a sample was processed, and how it ended."""
    input:
        reads="<results>/quant/{sample}/reads",
        fastp="<results>/quant/{sample}/fastp" if TRIMMING else [],
        salmon="<results>/quant/{sample}/salmon",
        genes="<results>/quant/{sample}/genes.tsv",
        benchmarks=["<benchmarks>/quantify/{sample}.tsv"]
        + (["<benchmarks>/trim_reads/{sample}.tsv"] if TRIMMING else []),
    output:
        "<results>/quant/{sample}/record.json",
    log:
        "<logs>/record_sample/{sample}.txt",
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
            "library_type": SAMPLES[wildcards.sample].library_type,
        },
    script:
        "../scripts/record_sample.py"


rule merge_counts:
    """One matrix an organism, of the samples that came through."""
    input:
        quants=lambda wildcards: expand("<results>/quant/{sample}/quant.sf", sample=SAMPLES_OF[wildcards.organism]),
        tx2gene=lambda wildcards: files_of(wildcards.organism, "tx2gene.tsv"),
    output:
        counts="<results>/counts/{organism}.gene_counts.tsv",
        abundance="<results>/counts/{organism}.gene_tpm.tsv",
        length="<results>/counts/{organism}.gene_lengths.tsv",
    log:
        "<logs>/merge_counts/{organism}.txt",
    conda:
        "../envs/pytximport.yaml"
    container:
        image("pytximport")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (1000 + 2 * int(megabytes(input))),
    script:
        "../scripts/merge_counts.py"


rule write_parquet:
    """The same matrix as Parquet."""
    input:
        "<results>/counts/{organism}.{table}.tsv",
    output:
        "<results>/counts/{organism}.{table}.parquet",
    log:
        "<logs>/write_parquet/{organism}.{table}.txt",
    wildcard_constraints:
        table="gene_counts|gene_tpm|gene_lengths",
    # MultiQC reads and writes Parquet with polars, so its image and environment serve here as well.
    conda:
        "../envs/multiqc.yaml"
    container:
        image("multiqc")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 5 * int(megabytes(input))),
    script:
        "../scripts/write_parquet.py"
