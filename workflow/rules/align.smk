"""From lanes of DNA reads to one file of alignments a sample, duplicates marked.

genome.fa.gz -> fasta/ (genome.fa, .fai, .dict), bwa/ (index)
fq1, fq2 -> lanes/{lane}/reads (checked), trimmed/, fastp/ -> lanes/{lane}/aligned; bam -> lanes/{lane}/given
-> marked/, duplicates/

A sample that fails at a step has `failed.txt` in that step's directory, and in those of the steps after it.
"""


rule prepare_fasta:
    """Unpack a genome and write down its contigs, as aligners and callers want it."""
    input:
        own_file("genome"),  # as in clean_annotation
        genome="<results>/reference/{organism}/{assembly}.{release}/genome.fa.gz",
    output:
        multiext("<results>/reference/{organism}/{assembly}.{release}/fasta/genome", **FASTA),
    log:
        "<logs>/prepare_fasta/{organism}.{assembly}.{release}.txt",
    cache: SHARED
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 2 * int(megabytes(input))),
    params:
        version=VERSIONS["samtools"],
    shell:
        r"""
        exec &>{log:q}
        gzip -cd {input.genome:q} | tr -d '\r' >{output.fasta:q}
        samtools faidx {output.fasta:q}
        # Without the path of the file, which says nothing elsewhere.
        samtools dict --uri genome.fa --output {output.dict:q} {output.fasta:q}
        """


rule index_bwa:
    """Index a genome for bwa mem, once for all samples."""
    input:
        "<results>/reference/{organism}/{assembly}.{release}/fasta/genome.fa",
    output:
        multiext("<results>/reference/{organism}/{assembly}.{release}/bwa/genome", **BWA_INDEX),
    log:
        "<logs>/index_bwa/{organism}.{assembly}.{release}.txt",
    benchmark:
        "<benchmarks>/index_bwa/{organism}.{assembly}.{release}.tsv"
    cache: SHARED
    conda:
        "../envs/bwa.yaml"
    container:
        image("bwa")
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * (500 + 3 * int(megabytes(input))),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 4 * int(megabytes(input))),
    params:
        version=VERSIONS["bwa"],
    shell:
        r"""
        exec &>{log:q}
        prefix={output.amb:q}
        bwa index -p "${{prefix%.amb}}" {input:q}
        """


use rule check_reads as check_lane with:
    input:
        unpack(reads_of_lane),
    output:
        directory("<results>/align/{sample}/lanes/{lane}/reads"),
    log:
        "<logs>/check_reads/{sample}/{lane}.txt",
    params:
        sizes=sizes_of_lane,
        names=names_of_lane,


rule trim_lane:
    """Trim adapters of a lane, and leave out reads that are poor (by fastp's defaults) or have many unknown bases."""
    input:
        unpack(reads_of_lane),
        reads="<results>/align/{sample}/lanes/{lane}/reads",
        adapters=ADAPTERS,
    output:
        trimmed=temp(directory("<results>/align/{sample}/lanes/{lane}/trimmed")),
        report=directory("<results>/align/{sample}/lanes/{lane}/fastp"),
    log:
        "<logs>/trim_lane/{sample}/{lane}.txt",
    benchmark:
        "<benchmarks>/trim_lane/{sample}/{lane}.tsv"
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
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.reads:q} -- {output:q}
        mkdir -p {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/trim.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        options=(--in1 "$(as_fastp_wants {input.fq1:q} "$scratch/R1")" --out1 {output.trimmed:q}/R1.fastq.gz)
        fq2=({input.fq2:q}) adapters=({input.adapters:q}) max_n=$(n_limit {params.max_n} {input.reads:q}/reads.json)
        if [ "${{#fq2[@]}}" -gt 0 ]; then
            options+=(--in2 "$(as_fastp_wants "${{fq2[0]}}" "$scratch/R2")" --out2 {output.trimmed:q}/R2.fastq.gz)
        fi
        first=$(text first_read {input.reads:q}/reads.json)
        if two_colours "$first"; then options+=(--trim_poly_g); fi
        fastp \
            "${{options[@]}}" \
            ${{adapters:+--adapter_fasta "${{adapters[0]}}"}} \
            --n_base_limit "$max_n" \
            --dont_eval_duplication \
            --compression 1 \
            --thread {threads} \
            --json {output.report:q}/fastp.json \
            --html {output.report:q}/fastp.html \
            --report_title {wildcards.sample:q}.{wildcards.lane:q}
        all_reads "$(number total_reads {output.report:q}/fastp.json)" "$(number reads {input.reads:q}/reads.json)"
        """


rule align_lane:
    """Align a lane as a read group of its own and sort it, as a stream."""
    input:
        unpack(untrimmed_reads_of_lane),
        unpack(reference("bwa/genome", BWA_INDEX)),
        reads="<results>/align/{sample}/lanes/{lane}/reads",
        trimmed="<results>/align/{sample}/lanes/{lane}/trimmed" if TRIMMING else [],
        fastp="<results>/align/{sample}/lanes/{lane}/fastp" if TRIMMING else [],
    output:
        temp(directory("<results>/align/{sample}/lanes/{lane}/aligned")),
    log:
        "<logs>/align_lane/{sample}/{lane}.txt",
    benchmark:
        "<benchmarks>/align_lane/{sample}/{lane}.tsv"
    conda:
        "../envs/bwa.yaml"
    container:
        image("bwa")
    threads: 8
    resources:
        # bwa: the index (twice the genome) and what it reads ahead; samtools: its share to sort.
        mem_mb=lambda wildcards, input, attempt: attempt * in_steps(3000 + 3 * megabytes(input)),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 4 * int(megabytes(input))),
    params:
        read_group=read_group,
        platform_unit=lambda wildcards: lane_of(wildcards).platform_unit,
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.reads:q} {input.trimmed:q} -- {output:q}
        mkdir -p {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/align.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        first_read=$(text first_read {input.reads:q}/reads.json)
        unit={params.platform_unit:q}
        [ -n "$unit" ] || unit=$(platform_unit "$first_read" {wildcards.sample:q}.{wildcards.lane:q})
        index={input.amb:q} reads=({input.fq1:q} {input.fq2:q})
        for trimmed in {input.trimmed:q}; do
            reads=("$trimmed"/R?.fastq.gz)
        done
        # A batch of bases that does not depend on the number of threads (-K), so that the answer does not either.
        bwa mem \
            -t {threads} \
            -K 100000000 \
            -Y \
            -R {params.read_group:q}"\tPU:$unit" \
            "${{index%.amb}}" \
            "${{reads[@]}}" |
            samtools sort \
                --no-PG \
                -l 1 \
                -m 1500M \
                -T "$scratch/sort" \
                -o {output:q}/lane.bam
        # bwa takes files that were cut for whole ones, as a disk leaves them that was full when fastp wrote them.
        expected=$(reads_left {input.reads:q} {input.fastp:q})
        all_reads "$(reads_of_bwa {log:q})" "$expected"
        optical_distance "$first_read" >{output:q}/optical_distance.txt
        """


rule take_alignments:
    """Check a file of alignments that the user gives in place of reads, and sort it."""
    input:
        unpack(reference("fasta/genome", FASTA)),
        bam=lambda wildcards: user_file(lane_of(wildcards).bam),
    output:
        temp(directory("<results>/align/{sample}/lanes/{lane}/given")),
    log:
        "<logs>/take_alignments/{sample}/{lane}.txt",
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 3000,
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 4 * int(megabytes(input))),
    params:
        sizes=sizes_of_lane,
        named=lambda wildcards: lane_of(wildcards).bam,
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        mkdir -p {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/take.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        # No reference is looked for elsewhere, on the network least of all.
        export REF_PATH=/nonexistent REF_CACHE="$scratch/ref"
        code=0
        # `samtools head` crashes on FASTQ, so it comes second.
        samtools quickcheck {input.bam:q} && header=$(samtools head {input.bam:q}) || code=$?
        [ "$code" -lt 126 ] || exit "$code" # samtools did not get to look at the file
        [ "$code" = 0 ] || fail_sample \
            take_alignments:\ {params.named:q}" is no BAM or CRAM, or ends early; bring the file again" {output:q}
        printf '%s\n' "$header" >"$scratch/header"
        problem=$(read_group_problem "$scratch/header" {wildcards.sample:q} {params.named:q})
        [ -n "$problem" ] || problem=$(contig_problem "$scratch/header" {input.fai:q} {params.named:q})
        [ -z "$problem" ] || fail_sample "take_alignments: $problem" {output:q}
        first_read=$(samtools view {input.bam:q} --reference {input.fasta:q} | head -n 1 | cut -f 1) || true
        samtools sort \
            --no-PG \
            --reference {input.fasta:q} \
            --threads $(({threads} - 1)) \
            -l 1 \
            -m 700M \
            -T "$scratch/sort" \
            -O bam \
            -o {output:q}/lane.bam \
            {input.bam:q} ||
            alignment_failed $? take_alignments {log:q} {params.named:q} {output:q}
        optical_distance "$first_read" >{output:q}/optical_distance.txt
        """


rule mark_duplicates:
    """Merge the lanes of a sample and mark the duplicates of each library."""
    input:
        lanes=aligned_lanes,
    output:
        marked=temp(directory("<results>/align/{sample}/marked")),
        metrics=directory("<results>/align/{sample}/duplicates"),
    log:
        "<logs>/mark_duplicates/{sample}.txt",
    benchmark:
        "<benchmarks>/mark_duplicates/{sample}.tsv"
    conda:
        "../envs/picard.yaml"
    container:
        image("picard")
    threads: 2
    resources:
        # Picard writes to the disk what does not fit.
        mem_mb=lambda wildcards, input, attempt: attempt * (1500 + int(megabytes(input) / 50)),
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 3 * int(megabytes(input))),
    params:
        optical_distance=config["align"]["optical_distance"],
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.lanes:q} -- {output:q}
        options=() optical_distance={params.optical_distance}
        for lane in {input.lanes:q}; do
            options+=(--INPUT "$lane/lane.bam")
            of_lane=$(cat "$lane/optical_distance.txt")
            if [ {params.optical_distance} = 0 ] && [ "$of_lane" -gt "$optical_distance" ]; then
                optical_distance=$of_lane
            fi
        done
        mkdir -p {output:q}
        metrics={output.metrics:q}/{wildcards.sample:q}.markdup.metrics.txt
        # The simpler of Java's compilers is done sooner here, unlike with metrics.
        picard $(java_options {resources.mem_mb}) -XX:TieredStopAtLevel=1 MarkDuplicates \
            "${{options[@]}}" \
            --OUTPUT {output.marked:q}/marked.bam \
            --METRICS_FILE "$metrics" \
            --OPTICAL_DUPLICATE_PIXEL_DISTANCE "$optical_distance" \
            --ASSUME_SORT_ORDER coordinate \
            --VALIDATION_STRINGENCY SILENT \
            --ADD_PG_TAG_TO_READS false \
            --COMPRESSION_LEVEL 1 \
            --TMP_DIR {resources.tmpdir:q}
        pairs=$(picard_sum READ_PAIRS_EXAMINED "$metrics") single=$(picard_sum UNPAIRED_READS_EXAMINED "$metrics")
        if [ $((pairs + single)) = 0 ]; then
            unmapped=$(picard_sum UNMAPPED_READS "$metrics") reason="trimming left no read of it, or its BAM holds none"
            [ "$unmapped" = 0 ] || reason="none of $unmapped reads maps; is it the right organism?"
            fail_sample "mark_duplicates: $reason" {output:q}
        fi
        """
