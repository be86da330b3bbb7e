"""What the rules of alignment look up."""


def lane_of(wildcards):
    return SAMPLES[wildcards.sample].lane(wildcards.lane)


def reads_of_lane(wildcards):
    """The read files of a lane."""
    lane = lane_of(wildcards)
    return {"fq1": [user_file(lane.fq1)], "fq2": [user_file(lane.fq2)] if lane.fq2 else []}


def sizes_of_lane(wildcards):
    """Sizes of a lane's local files in bytes, as `sizes_of` has them."""
    lane = lane_of(wildcards)
    return [Path(path).stat().st_size for path in (lane.fq1, lane.fq2, lane.bam) if Path(path).is_file()]


def names_of_lane(wildcards):
    """What the table of samples calls the read files of a lane."""
    lane = lane_of(wildcards)
    return [path for path in (lane.fq1, lane.fq2) if path]


def untrimmed_reads_of_lane(wildcards):
    """The read files of a lane where they are aligned as they come, without trimming."""
    return {"fq1": [], "fq2": []} if TRIMMING else reads_of_lane(wildcards)


def read_group(wildcards):
    """The read group of a lane as `bwa mem -R` wants it, but for the platform unit, which may come from the reads."""
    lane = lane_of(wildcards)
    fields = {
        "ID": f"{wildcards.sample}.{lane.name}",
        "SM": wildcards.sample,
        "LB": lane.library or wildcards.sample,
        "PL": lane.platform or "ILLUMINA",
        "CN": lane.center,
    }
    return r"\t".join(["@RG", *(f"{key}:{value}" for key, value in fields.items() if value)])


def reference(name, ends):
    """Make the function that finds files of the reference of a sample: by what is said of `ends`, `name` and the end."""
    return lambda wildcards: {
        key: files_of(SAMPLES[wildcards.sample].organism, name + end) for key, end in ends.items()
    }


def aligned_lanes(wildcards):
    """The alignments of each lane of a sample: made here, or the user's own."""
    return [
        f"<results>/align/{wildcards.sample}/lanes/{lane.name}/{'given' if lane.bam else 'aligned'}"
        for lane in SAMPLES[wildcards.sample].lanes
    ]


def known_sites(wildcards):
    """The known variants of an organism, as the table of organisms names them."""
    return [user_file(path) for path in FOUND.known_sites[wildcards.organism]]


def is_recalibrated(sample):
    """Whether the qualities of a sample are recalibrated, which takes known variants of its organism."""
    return SAMPLES[sample].organism in FOUND.known_sites


def final_bam(sample, end=""):
    """The name of a sample's final alignments: recalibrated, or with duplicates marked where no variants are known."""
    state = "recal" if is_recalibrated(sample) else "markdup"
    return f"<results>/align/{sample}/{sample}.{state}.bam{end}"


def of_lanes(step):
    """Make the function that finds what a step left of each lane of a sample that came as reads."""
    return lambda wildcards: [
        f"<results>/align/{wildcards.sample}/lanes/{lane.name}/{step}"
        for lane in SAMPLES[wildcards.sample].lanes
        if lane.fq1
    ]


def alignment_benchmarks(wildcards):
    """What the steps of a sample took that take long."""
    sample = SAMPLES[wildcards.sample]
    of_lanes = ["trim_lane", "align_lane"] if TRIMMING else ["align_lane"]
    of_sample = ["mark_duplicates", *(["learn_qualities", "recalibrate"] if is_recalibrated(sample.name) else [])]
    lanes = [f"{sample.name}/{lane.name}" for lane in sample.lanes if lane.fq1]
    return [
        *expand("<benchmarks>/{step}/{lane}.tsv", step=of_lanes, lane=lanes),
        *expand("<benchmarks>/{step}/{sample}.tsv", step=of_sample, sample=sample.name),
    ]


def trimmed_lanes():
    """fastp's report of each lane that is aligned."""
    return [
        f"<results>/align/{name}/lanes/{lane.name}/fastp"
        for name in (ALIGN_SAMPLES if TRIMMING else [])
        for lane in SAMPLES[name].lanes
        if lane.fq1
    ]


def final_alignments():
    """The final alignments of all samples, with index and checksum."""
    form = config["align"]["format"]
    ends = {"bam": ("bam", "bam.bai", "bam.md5"), "cram": ("cram", "cram.crai", "cram.md5")}[form]
    return [final_bam(name).removesuffix("bam") + end for name in ALIGN_SAMPLES for end in ends]


def unless_cram(path):
    """A file of final alignments, which goes once it has become CRAM, where the configuration wants that."""
    return temp(path) if config["align"]["format"] == "cram" else path
