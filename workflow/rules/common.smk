"""The tables of a run, checked before any job exists, and the look-ups that the rules share."""

import atexit
import gc
import hashlib
import os
import shlex
import sys
import threading
from collections import defaultdict
from pathlib import Path

import yaml
from snakemake.logging import logger
from snakemake.utils import update_config

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from _configuration import check_configuration, read_config_file, settle, shared_tables
from _formats import start_of
from _genomes import Genomes, genome_name, read_genomes
from _hla_settings import check_hla
from _images import read_images, read_versions
from _paths import file_problem, is_local, tidy
from _samples import ON_A_GENOME, analyses_by_sample, read_samples
from _tables import Named


def read_schema(name):
    return yaml.safe_load(Path(workflow.basedir, "schemas", f"{name}.schema.yaml").read_text())


# A graph of 50,000 jobs is millions of objects that live to the end: looking through them for garbage takes a third of
# the time to plan, and looking through them once more at the exit another seventh.
gc.set_threshold(50_000)
atexit.register(gc.freeze)
TOOLS = read_versions(Path(workflow.basedir, "../containers/versions.tsv"))
VERSIONS = {tool: row["version"] for tool, row in TOOLS.items()}
# Genomes and indices are shared by all runs that name one place here, and say --cache (docs/usage.md).
SHARED = bool(os.environ.get("SNAKEMAKE_OUTPUT_CACHE"))
# Snakemake reads the targets after this file; the lock must be makeable where there is none yet.
LOCKING = "lock" in sys.argv[1:]


def stop(problems, shown=100):
    """End before anything is run. An exception would put Snakemake's traceback around what is the user's to mend."""
    more = [f"... and {len(problems) - shown:,} more"] if len(problems) > shown else []
    count = "1 mistake" if len(problems) == 1 else f"{len(problems):,} mistakes"
    logger.error("\n".join([f"{count} in the configuration or its tables; nothing was run", *problems[:shown], *more]))
    sys.exit(1)


def read_configuration(path, typed, schema):
    """Read the configuration file, put what is typed on the command line over it, and return what is wrong."""
    configured, rows, problems = {}, {}, []
    if path.exists() or not workflow.overwrite_configfiles:
        configured, rows, problems = read_config_file(path)
    if problems:
        stop(problems)
    update_config(configured, typed)
    return settle(configured, schema), check_configuration(configured, schema, path, rows, typed)


CONFIG_FILE = Path("config/config.yaml")
SETTINGS, problems = read_configuration(CONFIG_FILE, config, read_schema("config"))
IMAGES, image_problems = read_images(TOOLS, Path(SETTINGS["images"]) if "images" in SETTINGS else None)
problems += image_problems
if one_for_two := shared_tables(SETTINGS, CONFIG_FILE):
    stop(problems + one_for_two)
# A job of a run that has been checked reads the same tables; to check them again would cost each of them time.
CHECK = workflow.is_main_process
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None
LOOK_FOR_FILES = CHECK and not IN_STORAGE
FOUND, genome_problems = read_genomes(
    Path(SETTINGS["organisms"]),
    Path(SETTINGS["lock"]),
    read_schema("organisms"),
    read_schema("organisms.lock"),
    look_for_files=LOOK_FOR_FILES,
    check=CHECK,
)
SAMPLES, sample_problems = read_samples(
    Path(SETTINGS["samples"]),
    read_schema("samples"),
    FOUND,
    look_for_files=LOOK_FOR_FILES,
    check=CHECK,
)
# A table with mistakes is asked by its rows: all mistakes are told at once.
wanted = (
    analyses_by_sample(Path(SETTINGS["samples"]), read_schema("samples"))
    if sample_problems
    else {name: sample.analyses for name, sample in SAMPLES.items()}
)
# Samples that need no genome need no table of them either.
if wanted and not Path(SETTINGS["organisms"]).exists():
    if not any(analyses & ON_A_GENOME for analyses in wanted.values()):
        FOUND, genome_problems = Genomes(), []
HLA_SAMPLES = [name for name, sample in SAMPLES.items() if "hla" in sample.analyses]
with_types = [name for name, analyses in wanted.items() if "hla" in analyses]
HLA_REVIEWS, hla_problems = check_hla(
    SETTINGS["hla"], CONFIG_FILE, with_types, read_schema("hla_review"), look_for_files=LOOK_FOR_FILES
)
if LOOK_FOR_FILES and (adapters := SETTINGS["trim"]["adapters"]):
    if unread := file_problem(adapters):
        problems.append(f"{CONFIG_FILE}, key trim.adapters: {unread}")
    elif start_of(Path(adapters))[:1] != b">":
        problems.append(f"{CONFIG_FILE}, key trim.adapters: {adapters} is no FASTA; name one of the adapters, plain")
TABLE_PROBLEMS = genome_problems + sample_problems + hla_problems
if problems or (TABLE_PROBLEMS and not LOCKING):
    stop(problems + TABLE_PROBLEMS)


# Snakemake hands the file to its jobs, and takes the path variables from it: it has to be right by now.
configfile: str(CONFIG_FILE)


config.update(SETTINGS)
GENOMES = Named(FOUND.locked, f"organism in {config['lock']}", stop)
SAMPLES = Named(SAMPLES, f"sample in {config['samples']}", stop)
KMERS = config["index"]["kmers"]
TRIMMING = config["trim"]["enabled"]
ADAPTERS = [config["trim"]["adapters"]] if config["trim"]["adapters"] else []
# A genome of the user's own that has no annotation is there to be aligned to: it has no transcripts.
ANNOTATED = [organism for organism, genome in GENOMES.items() if genome["annotation_url"]]
GENOME_NAMES = [genome_name(GENOMES[organism]) for organism in ANNOTATED]
SAMPLES_OF = defaultdict(list)
for sample in SAMPLES.values():
    if "quant" in sample.analyses:
        SAMPLES_OF[sample.organism].append(sample.name)
QUANTIFIED = list(SAMPLES_OF)
# What a genome comes with, to be aligned to, and what `bwa index` makes of it.
FASTA = {"fasta": ".fa", "fai": ".fa.fai", "dict": ".dict"}
BWA_INDEX = {end: f".{end}" for end in ("amb", "ann", "bwt", "pac", "sa")}
QUANT_SAMPLES = [name for names in SAMPLES_OF.values() for name in names]
ALIGN_SAMPLES = [sample.name for sample in SAMPLES.values() if "align" in sample.analyses]


wildcard_constraints:
    organism=r"[^/.]+",
    assembly=r"[^/]+",
    release=r"[^/.]+",
    k=r"\d+",
    sample=r"[^/]+",
    lane=r"[^/]+",
