"""What the rules look up: files of an organism, a sample or the user, and the image of a tool."""

# Shell commands find the workflow's own files here. Not by a parameter: a workflow that moves to another folder is still
# the same, and nothing has to run again. sample_step.sh says what Snakemake's own prefix would: `set -euo pipefail`.
FISHLADDER = Path(workflow.basedir).resolve().parent
shell.prefix(
    f'FISHLADDER={shlex.quote(str(FISHLADDER))}; source "$FISHLADDER/workflow/scripts/sample_step.sh" || exit; '
)


def in_steps(megabytes):
    """Round memory up to one of four sizes a doubling: jobs that ask for the same go to the cloud as one array."""
    step = 2 ** max(0, int(megabytes).bit_length() - 3)
    return -(-int(megabytes) // step) * step


def megabytes(input):
    """The size of a job's input. Snakemake's own `size_mb` starts an event loop each time: a seventh of a plan's time."""
    if IN_STORAGE or any(file.is_storage for file in input):
        return input.size_mb
    return sum(map(os.path.getsize, input)) / 2**20


def place_of(file):
    """Say where a user finds a file of ours: jobs only see a copy of what is in storage."""
    prefix = workflow.storage_settings.default_storage_prefix if IN_STORAGE else ""
    return os.path.join(prefix or "", workflow.pathvars.apply(file))


def checked(wildcards):
    """Stop where the tables have mistakes. Only `snakemake lock` gets as far as here with them."""
    if TABLE_PROBLEMS:
        stop(TABLE_PROBLEMS)
    return []


def image(tool):
    """The container image of a tool."""
    return f"docker://{IMAGES[tool]}"


def user_file(path):
    """A file that the user named, wherever it is: a path below the working directory, or a URL."""
    return tidy(path) if is_local(path) else storage(path)


def files_of(organism, name):
    """One file of an organism's reference."""
    genome = GENOMES[organism]
    return f"<results>/reference/{organism}/{genome['assembly']}.{genome['release']}/{name}"


def sources_of(wildcards):
    """What the lock says of an organism's files: all that they depend on, whoever asked for it by which name."""
    genome = GENOMES[wildcards.organism]
    return {name: value for name, value in genome.items() if name.endswith(("_url", "_checksum"))}


def source_of(kind):
    """Make the function that finds what of that is of the genome, or of the annotation."""
    return lambda wildcards: {name: value for name, value in sources_of(wildcards).items() if name.startswith(kind)}


def scratch_for(kind):
    """Make the function that finds how much scratch (MB) the genome or the annotation of the lock takes, also unpacked."""
    return lambda wildcards, attempt: attempt * (
        500 + 3 * int(GENOMES[wildcards.organism][f"{kind}_size"] or 0) // 2**20
    )


def own_file(kind):
    """Make the function that finds the user's own genome or annotation, where the lock names it in place of Ensembl's."""

    def find(wildcards):
        genome = GENOMES[wildcards.organism]
        return [user_file(genome[f"{kind}_url"])] if genome["release"] == "own" else []

    return find


def index_archives(wildcards):
    """The archive of each k that may fit a sample's reads."""
    organism = SAMPLES[wildcards.sample].organism
    return [f"<results>/index/{index_name(organism, k)}" for k in kmers_of(wildcards)]


def kmers_of(wildcards):
    """The k that may fit a sample's reads: one where the manifest tells their length, else that of short and of long ones.

    Which one is used is decided in the job, by the length that was measured: a checkpoint a sample would have Snakemake
    work out its graph anew for each of them.
    """
    length = SAMPLES[wildcards.sample].read_length
    if length:
        return [max(KMERS) if length > config["quant"]["long_reads_over"] else min(KMERS)]
    return sorted({max(KMERS), min(KMERS)})


def long_reads_over(wildcards):
    """From which length on the larger k of a sample is taken; of no matter where it has one only."""
    return config["quant"]["long_reads_over"] if len(kmers_of(wildcards)) > 1 else 0


def index_name(organism, k):
    return f"{genome_name(GENOMES[organism])}.salmon-{VERSIONS['salmon']}.k{k}.tar.gz"


def reads_of(wildcards):
    """The read files of a sample, one a lane."""
    sample = SAMPLES[wildcards.sample]
    return {"fq1": [user_file(path) for path in sample.fq1], "fq2": [user_file(path) for path in sample.fq2]}


def names_of(wildcards):
    """The files of a sample as the table of samples calls them: fq1 before fq2, then an aligned one."""
    sample = SAMPLES[wildcards.sample]
    return [*sample.fq1, *sample.fq2, *filter(None, [sample.bam])]


HLA_MODEL = [
    *("hla_index_release", "_hla_release", "_hla_sequences", "_hla_gene", "_hla_pairwise", "_hla_index", "_hla_kmers"),
    *("hla_fish_reads", "_hla_scan", "_hla_bam", "hla_type_sample", "_hla_reads", "_hla_map", "_hla_hits"),
    *("_hla_steps", "_hla_evidence", "_hla_likelihood", "_hla_genotypes", "_hla_program", "_hla_loci", "_hla_calls"),
    "_hla_table",
]


def digest_of(modules):
    """Eight letters of what some of the workflow's modules say."""
    texts = (FISHLADDER / "workflow/scripts" / f"{module}.py" for module in modules)
    return hashlib.sha256(b"".join(text.read_bytes() for text in texts)).hexdigest()[:8]


def hla_reads_of(wildcards):
    """What a sample's HLA reads are fished from: its BAM where it has one, else its reads."""
    sample = SAMPLES[wildcards.sample]
    if sample.bam:
        indices = [
            f"{sample.bam.removesuffix('.bam')}.bai",
            *(f"{sample.bam}.{kind}" for kind in ("bai", "csi", "crai")),
        ]
        beside = [path for path in indices if is_local(sample.bam) and Path(path).is_file()]
        return {"fq1": [], "fq2": [], "bam": user_file(sample.bam), "bam_index": beside[:1]}
    return {**reads_of(wildcards), "bam": [], "bam_index": []}


def sizes_of(wildcards):
    """Sizes of a sample's local files in bytes; what is in storage has times that can be trusted."""
    sample = SAMPLES[wildcards.sample]
    return [Path(path).stat().st_size for path in (*sample.fq1, *sample.fq2, sample.bam) if Path(path).is_file()]


def untrimmed_reads_of(wildcards):
    """The read files of a sample where they are quantified as they come, without trimming."""
    return {"fq1": [], "fq2": []} if TRIMMING else reads_of(wildcards)


def existing(files):
    return [Path(file) for file in map(workflow.pathvars.apply, files) if Path(file).exists()]


def unfinished_page():
    return Path(workflow.pathvars.apply("<results>/report/unfinished.html"))


def forget_what_failed():
    """Remove the page of an earlier run that failed, where the front page is there."""
    if existing(["<results>/report/index.html"]) and not LOCKING:
        unfinished_page().unlink(missing_ok=True)


def end_at_once():
    """Stop the clocks by which the scheduler would look for work a second after its last job: they hold the exit back."""
    for clock in threading.enumerate():
        if isinstance(clock, threading.Timer):
            clock.cancel()


def report_what_finished():
    """End a run that failed: say which jobs and samples failed, and write a page of that and of what finished.

    Where all was done but the verdict, the front page is there and the verdict has been told. This page has a name of its
    own: under the front page's, Snakemake would take it for the rule's and never make that.
    """
    from _failed_jobs import failed_jobs, failed_samples, say, unmade_files
    from write_report import write_report  # a page that most runs, and no job, need

    failed = failed_jobs(workflow)
    only_the_verdict = [job.rule for job in failed] == ["judge_run"]
    if only_the_verdict:
        forget_what_failed()
    if LOCKING or only_the_verdict:
        return
    unmade = unmade_files(workflow)
    records, annotations, indices, tables = (
        [file for file in existing(files) if str(file) not in unmade]
        for files in (RECORDS, ANNOTATION_REPORTS, INDEX_RECORDS, TABLES)
    )
    logger.error(say(failed, failed_samples(records)))
    if not IN_STORAGE:
        page = unfinished_page()
        try:
            for page_or_verdict in existing(["<results>/report/index.html", "<results>/report/verdict.txt"]):
                if str(page_or_verdict) in unmade:  # and so of an earlier run
                    page_or_verdict.unlink()
            write_report(
                records,
                annotations,
                indices,
                page,
                run=RUN,
                wanted=WANTED,
                links={path.name: path for path in tables},
                logs=Path(workflow.pathvars.apply("<logs>")),
                failed=failed,
            )
            logger.error(f"this, and what finished, is on {page}")
        except OSError as error:
            logger.error(f"{page} cannot be written: {error.strerror}")
