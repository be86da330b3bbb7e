"""From marked duplicates to the final alignments of a sample, with recalibrated qualities where variants are known.

known variants (VCF) -> known_sites/
marked/ -> recalibration/ (table), {sample}.recal.bam, .bam.bai, .bam.md5
or, where no variants are known, {sample}.markdup.bam; CRAM of either where the configuration says so
"""


rule merge_known_sites:
    """Hold the known variants against the genome, and make one table of them."""
    input:
        sites=known_sites,
        fasta="<results>/reference/{organism}/{assembly}.{release}/fasta",
    output:
        directory("<results>/reference/{organism}/{assembly}.{release}/known_sites"),
    log:
        "<logs>/merge_known_sites/{organism}.{assembly}.{release}.txt",
    conda:
        "../envs/bwa.yaml"
    container:
        image("bwa")
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1500,
        disk_mb=lambda wildcards, input: 500 + 20 * int(input.size_mb),
    params:
        named=lambda wildcards: FOUND.known_sites[wildcards.organism],
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/merge_sites.sh"
        mkdir -p {output:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/sites.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        files=({input.sites:q}) names=({params.named:q}) pairs=()
        for place in "${{!files[@]}}"; do
            pairs+=("${{files[place]}}=${{names[place]}}")
        done
        problem=$(merge_sites {input.fasta:q}/genome.fa.fai {output:q}/known_sites.vcf.gz "$scratch" "${{pairs[@]}}")
        [ -z "$problem" ] || fail_sample "merge_known_sites: $problem" {output:q}
        """


rule recalibrate:
    """Learn how far the qualities of a sample are off, and correct them."""
    input:
        marked="<results>/align/{sample}/marked",
        fasta=organism_file("fasta"),
        sites=organism_file("known_sites"),
    output:
        bam=unless_cram("<results>/align/{sample}/{sample}.recal.bam"),
        index=unless_cram("<results>/align/{sample}/{sample}.recal.bam.bai"),
        checksum=unless_cram("<results>/align/{sample}/{sample}.recal.bam.md5"),
        tables=directory("<results>/align/{sample}/recalibration"),
    log:
        "<logs>/recalibrate/{sample}.txt",
    benchmark:
        "<benchmarks>/recalibrate/{sample}.tsv"
    conda:
        "../envs/gatk4.yaml"
    container:
        image("gatk4")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        disk_mb=lambda wildcards, input: 500 + 2 * int(input.size_mb),
    params:
        quantized=config["align"]["static_quantized_quals"],
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        for earlier in {input.marked:q} {input.sites:q}; do
            if pass_on_failure "$earlier" {output.tables:q}; then
                for file in {output.bam:q} {output.index:q} {output.checksum:q}; do
                    mark_failed {output.tables:q} "$file"
                done
                exit
            fi
        done
        mkdir -p {output.tables:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/recalibrate.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT

        table={output.tables:q}/{wildcards.sample:q}.recal.table
        options=()
        for quality in {params.quantized}; do
            options+=(--static-quantized-quals "$quality")
        done
        gatk --java-options "$(java_options {resources.mem_mb})" BaseRecalibrator \
            --reference {input.fasta:q}/genome.fa \
            --known-sites {input.sites:q}/known_sites.vcf.gz \
            --input {input.marked:q}/marked.bam \
            --use-original-qualities \
            --output "$table"
        gatk --java-options "$(java_options {resources.mem_mb})" ApplyBQSR \
            --input {input.marked:q}/marked.bam \
            --bqsr-recal-file "$table" \
            --use-original-qualities \
            "${{options[@]}}" \
            --create-output-bam-index true \
            --create-output-bam-md5 true \
            --output "$scratch/recal.bam"
        mv "$scratch/recal.bai" {output.index:q}
        mv "$scratch/recal.bam.md5" {output.checksum:q}
        mv "$scratch/recal.bam" {output.bam:q}
        """


rule keep_qualities:
    """Where no variants are known, qualities cannot be recalibrated: the alignments with their duplicates are final."""
    input:
        marked="<results>/align/{sample}/marked",
    output:
        bam=unless_cram("<results>/align/{sample}/{sample}.markdup.bam"),
        index=unless_cram("<results>/align/{sample}/{sample}.markdup.bam.bai"),
        checksum=unless_cram("<results>/align/{sample}/{sample}.markdup.bam.md5"),
    log:
        "<logs>/keep_qualities/{sample}.txt",
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    threads: 2
    resources:
        mem_mb=500,
    shell:
        r"""
        exec &>{log:q}
        if [ -e {input.marked:q}/failed.txt ]; then
            for file in {output:q}; do
                mark_failed {input.marked:q} "$file"
            done
            exit
        fi
        samtools view --no-PG --bam --threads {threads} --output {output.bam:q} {input.marked:q}/marked.bam
        samtools index -@ {threads} {output.bam:q} {output.index:q}
        md5sum <{output.bam:q} | cut -d ' ' -f 1 >{output.checksum:q}
        """


rule write_cram:
    """The final alignments as CRAM, which needs the genome to be read."""
    input:
        bam="<results>/align/{sample}/{sample}.{state}.bam",
        fasta=organism_file("fasta"),
    output:
        cram="<results>/align/{sample}/{sample}.{state}.cram",
        index="<results>/align/{sample}/{sample}.{state}.cram.crai",
        checksum="<results>/align/{sample}/{sample}.{state}.cram.md5",
    log:
        "<logs>/write_cram/{sample}.{state}.txt",
    wildcard_constraints:
        state="recal|markdup",
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    threads: 2
    resources:
        mem_mb=1000,
    shell:
        r"""
        exec &>{log:q}
        scratch=$(mktemp -d {resources.tmpdir:q}/cram.XXXXXX)
        trap 'rm -rf "$scratch"' EXIT
        if pass_on_no_result {input.bam:q} "$scratch"; then
            for file in {output:q}; do
                mark_failed "$scratch" "$file"
            done
            exit
        fi
        samtools view \
            --no-PG \
            --cram \
            --threads {threads} \
            --reference {input.fasta:q}/genome.fa \
            --output {output.cram:q} \
            {input.bam:q}
        samtools index -@ {threads} {output.cram:q} {output.index:q}
        md5sum <{output.cram:q} | cut -d ' ' -f 1 >{output.checksum:q}
        """
