"""The tables of a run, checked before any job exists, and the look-ups that the rules share."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from _configuration import check_configuration
from _genomes import genome_name, read_genomes
from _samples import read_samples
from _tables import TableError


def read_schema(name):
    return yaml.safe_load(Path(workflow.basedir, "schemas", f"{name}.schema.yaml").read_text())


def read_versions():
    """The one table of tools: version and public image, by tool."""
    with Path(workflow.basedir, "../containers/versions.tsv").open() as table:
        return {row["tool"]: row for row in csv.DictReader(table, delimiter="\t")}


TOOLS = read_versions()
VERSIONS = {tool: row["version"] for tool, row in TOOLS.items()}
CONFIG_FILE = str(workflow.configfiles[-1]) if workflow.configfiles else "the configuration"
# Snakemake reads the targets after this file; the lock must be makeable where there is none yet.
LOCKING = "lock" in sys.argv[1:]

if problems := check_configuration(config, read_schema("config"), CONFIG_FILE):
    raise WorkflowError(*problems)

GENOMES, problems = read_genomes(
    Path(config["organisms"]), Path(config["lock"]), read_schema("organisms"), read_schema("organisms.lock")
)
SAMPLES, sample_problems = read_samples(
    Path(config["samples"]),
    read_schema("samples"),
    GENOMES,
    look_for_files=workflow.storage_settings.default_storage_provider is None and workflow.is_main_process,
)
if (problems := problems + sample_problems) and not LOCKING:
    raise WorkflowError(f"{len(problems)} mistakes in the tables; nothing was run", *problems)

KMERS = config["index"]["kmers"]
GENOME_NAMES = [genome_name(genome) for genome in GENOMES.values()]
SAMPLES_OF = defaultdict(list)
for sample in SAMPLES.values():
    if "quant" in sample.analyses:
        SAMPLES_OF[sample.organism].append(sample.name)
QUANTIFIED = list(SAMPLES_OF)
QUANT_SAMPLES = [name for names in SAMPLES_OF.values() for name in names]


wildcard_constraints:
    organism=r"[^/.]+",
    assembly=r"[^/]+",
    release=r"[^/.]+",
    k=r"\d+",
    sample=r"[^/]+",


def image(tool):
    """The container image of a tool."""
    return f"docker://{TOOLS[tool]['image']}"


def user_file(path):
    """A file that the user named, wherever it is: a path below the working directory, or a URL."""
    return storage(path) if "://" in path else path


def files_of(organism, name):
    """One file of an organism's reference."""
    genome = GENOMES[organism]
    return f"<results>/reference/{organism}/{genome['assembly']}.{genome['release']}/{name}"


def own_files(wildcards):
    """The user's own genome and annotation, where the lock names them in place of Ensembl's."""
    genome = GENOMES[wildcards.organism]
    if genome["release"] != "own":
        return {}
    return {kind: user_file(genome[f"{kind}_url"]) for kind in ("genome", "annotation")}


def index_archives(wildcards):
    """The archive of each k that may fit a sample's reads: one where the manifest tells their length, else all.

    Which one is used is decided in the job, by the length that was measured: a checkpoint a sample would have Snakemake
    work out its graph anew for each of them.
    """
    sample = SAMPLES[wildcards.sample]
    kmers = {max(KMERS), min(KMERS)}
    if sample.read_length:
        kmers = {max(KMERS) if sample.read_length > config["quant"]["long_reads_over"] else min(KMERS)}
    return [f"<results>/index/{index_name(sample.organism, k)}" for k in sorted(kmers)]


def index_name(organism, k):
    return f"{genome_name(GENOMES[organism])}.salmon-{VERSIONS['salmon']}.k{k}.tar.gz"


def lanes(column):
    """The read files of a sample, one a lane."""
    return lambda wildcards: [user_file(path) for path in getattr(SAMPLES[wildcards.sample], column)]
