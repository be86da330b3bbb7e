"""From marked duplicates to the final alignments of a sample, with recalibrated qualities where variants are known.

known variants (VCF) -> known_sites/
marked/ -> recalibration/ (table), {sample}.recal.bam, .bam.bai, .bam.md5
-> recalibrated/ (the table after it, which MultiQC draws beside that before)
or, where no variants are known, {sample}.markdup.bam; CRAM of either where the configuration says so
"""

# GATK's own tools are there for laboratories whose procedures name them: the answers are the same, and take longer.
GATK = config["align"]["recalibration"] == "gatk"
RECALIBRATION_ENVIRONMENT = "../envs/gatk4.yaml" if GATK else "../envs/numpy.yaml"
RECALIBRATION_IMAGE = image("gatk4") if GATK else image("pytximport")  # an image that has numpy


rule merge_known_sites:
    """Hold the known variants against the genome, and make one table of them."""
    input:
        sites=known_sites,
        fasta="<results>/reference/{organism}/{assembly}.{release}/fasta/genome.fa",
        fai="<results>/reference/{organism}/{assembly}.{release}/fasta/genome.fa.fai",
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
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 20 * int(megabytes(input))),
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
            pairs+=("${{files[place]}}" "${{names[place]}}")
        done
        problem=$(merge_sites {input.fasta:q} {output:q}/known_sites.vcf.gz "$scratch" "${{pairs[@]}}")
        [ -z "$problem" ] || fail_sample "merge_known_sites: $problem" {output:q}
        """


rule learn_qualities:
    """Learn from the mismatches outside of known variants how far the qualities of a sample are off."""
    input:
        unpack(reference("fasta/genome", FASTA)),
        unpack(reference("", {"sites": "known_sites"})),
        alignments="<results>/align/{sample}/marked",
    output:
        directory("<results>/align/{sample}/recalibration"),
    log:
        "<logs>/learn_qualities/{sample}.txt",
    benchmark:
        "<benchmarks>/learn_qualities/{sample}.tsv"
    conda:
        RECALIBRATION_ENVIRONMENT
    container:
        RECALIBRATION_IMAGE
    threads: 2
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * in_steps(2000 + 2 * megabytes(input) / 100),
    params:
        engine=config["align"]["recalibration"],
        qualities="--use-original-qualities",
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.alignments:q} {input.sites:q} -- {output:q}
        bam={input.alignments:q}
        [ ! -d "$bam" ] || bam+=/marked.bam
        mkdir -p {output:q}
        table={output:q}/{wildcards.sample:q}.recal.table
        if [ {params.engine} = gatk ]; then
            gatk --java-options "$(java_options {resources.mem_mb})" BaseRecalibrator \
                --reference {input.fasta:q} \
                --known-sites {input.sites:q}/known_sites.vcf.gz \
                --input "$bam" \
                {params.qualities} \
                --output "$table"
        else
            python "$FISHLADDER/workflow/scripts/count_covariates.py" \
                --reference {input.fasta:q} \
                --known {input.sites:q}/known_sites.vcf.gz \
                --bam "$bam" \
                {params.qualities} \
                --table "$table"
        fi
        """


use rule learn_qualities as learn_qualities_again with:
    input:
        unpack(reference("fasta/genome", FASTA)),
        unpack(reference("", {"sites": "known_sites"})),
        alignments="<results>/align/{sample}/{sample}.recal.bam",
    output:
        directory("<results>/align/{sample}/recalibrated"),
    log:
        "<logs>/learn_qualities_again/{sample}.txt",
    benchmark:
        "<benchmarks>/learn_qualities_again/{sample}.tsv"
    params:
        engine=config["align"]["recalibration"],
        qualities="",  # the original ones are still there, and would be counted a second time


rule recalibrate:
    """Correct the qualities of a sample by what was learnt of them."""
    input:
        marked="<results>/align/{sample}/marked",
        tables="<results>/align/{sample}/recalibration",
    output:
        bam=unless_cram("<results>/align/{sample}/{sample}.recal.bam"),
        checksum=unless_cram("<results>/align/{sample}/{sample}.recal.bam.md5"),
    log:
        "<logs>/recalibrate/{sample}.txt",
    benchmark:
        "<benchmarks>/recalibrate/{sample}.tsv"
    conda:
        RECALIBRATION_ENVIRONMENT
    container:
        RECALIBRATION_IMAGE
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        disk_mb=lambda wildcards, input, attempt: attempt * (500 + 2 * int(megabytes(input))),
    params:
        engine=config["align"]["recalibration"],
        quantized=config["align"]["static_quantized_quals"],
    shell:
        r"""
        exec &>{log:q}
        source "$FISHLADDER/workflow/scripts/align_step.sh"
        stop_if_failed {input.tables:q} -- {output:q}
        table={input.tables:q}/{wildcards.sample:q}.recal.table options=() quantized=({params.quantized})
        if [ {params.engine} = gatk ]; then
            for quality in "${{quantized[@]}}"; do
                options+=(--static-quantized-quals "$quality")
            done
            gatk --java-options "$(java_options {resources.mem_mb})" ApplyBQSR \
                --input {input.marked:q}/marked.bam \
                --bqsr-recal-file "$table" \
                --use-original-qualities \
                "${{options[@]}}" \
                --create-output-bam-index false \
                --create-output-bam-md5 true \
                --output {output.bam:q}
        else
            if [ "${{#quantized[@]}}" -gt 0 ]; then
                options=(--static "${{quantized[@]}}")
            fi
            python "$FISHLADDER/workflow/scripts/apply_recalibration.py" \
                --bam {input.marked:q}/marked.bam \
                --table "$table" \
                "${{options[@]}}" \
                --output {output.bam:q} \
                --md5 {output.checksum:q}
        fi
        """


rule keep_qualities:
    """Where no variants are known, qualities cannot be recalibrated: the alignments with their duplicates are final."""
    input:
        "<results>/align/{sample}/marked",
    output:
        bam=unless_cram("<results>/align/{sample}/{sample}.markdup.bam"),
        checksum=unless_cram("<results>/align/{sample}/{sample}.markdup.bam.md5"),
    log:
        "<logs>/keep_qualities/{sample}.txt",
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input:q} -- {output:q}
        samtools view --no-PG --bam --threads {threads} --output {output.bam:q} {input:q}/marked.bam
        md5sum <{output.bam:q} | cut -d ' ' -f 1 >{output.checksum:q}
        """


rule index_alignments:
    """Index the final alignments."""
    input:
        "<results>/align/{sample}/{sample}.{state}.bam",
    output:
        unless_cram("<results>/align/{sample}/{sample}.{state}.bam.bai"),
    log:
        "<logs>/index_alignments/{sample}.{state}.txt",
    wildcard_constraints:
        state="recal|markdup",
    conda:
        "../envs/samtools.yaml"
    container:
        image("samtools")
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 500,
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input:q} -- {output:q}
        samtools index -@ {threads} {input:q} {output:q}
        """


rule write_cram:
    """The final alignments as CRAM, which needs the genome to be read."""
    input:
        unpack(reference("fasta/genome", FASTA)),
        bam="<results>/align/{sample}/{sample}.{state}.bam",
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
        mem_mb=lambda wildcards, attempt: attempt * 1000,
    shell:
        r"""
        exec &>{log:q}
        stop_if_failed {input.bam:q} -- {output:q}
        samtools view \
            --no-PG \
            --cram \
            --threads {threads} \
            --reference {input.fasta:q} \
            --output {output.cram:q} \
            {input.bam:q}
        samtools index -@ {threads} {output.cram:q} {output.index:q}
        md5sum <{output.cram:q} | cut -d ' ' -f 1 >{output.checksum:q}
        """
