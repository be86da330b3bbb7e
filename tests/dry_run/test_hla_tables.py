"""What a user who wants HLA types sees of mistakes, and that nothing but what types need is asked for."""

from pathlib import Path

from tests.dry_run.snakemake_cli import planned, snakemake
from tests.dry_run.test_bad_tables import stopped

CONFIG = """\
hla:
  release: [imgt/Alignments_Rel_3330.zip, imgt/hla_nom_g.txt, imgt/hla_nom_p.txt]
  version: "3.33.0"
"""


def lay_out(folder: Path, config: str, *rows: str) -> None:
    """A run that wants types only: no table of organisms, no lock."""
    for name in ("config", "imgt", "reads"):
        (folder / name).mkdir()
    for name in ("Alignments_Rel_3330.zip", "hla_nom_g.txt", "hla_nom_p.txt"):
        (folder / "imgt" / name).touch()
    for name in ("a_1.fq", "a_2.fq", "b.bam"):
        (folder / "reads" / name).touch()
    (folder / "config/config.yaml").write_text(config)
    lines = ["sample\tanalyses\tfq1\tfq2\tbam", *rows]
    (folder / "config/samples.tsv").write_text("\n".join(lines) + "\n")


def test_types_need_neither_organisms_nor_a_lock(tmp_path):
    lay_out(tmp_path, CONFIG, "a\thla\treads/a_1.fq\treads/a_2.fq\t", "b\thla\t\t\treads/b.bam")
    jobs = planned(snakemake(tmp_path, "-n"))
    assert {f"{rule} sample={name}" for rule in ("fish_hla_reads", "type_hla") for name in "ab"} <= jobs
    assert {"index_hla", "merge_hla_types", "write_report", "judge_run"} <= jobs
    assert not {job for job in jobs if "salmon" in job or "quantify" in job}


def test_tells_what_is_missing_for_types(tmp_path):
    lay_out(tmp_path, "hla: {common: imgt/ciwd.csv}\n", "a\thla\treads/a_1.fq\treads/a_2.fq\t")
    assert [message.split(" below")[0] for message in stopped(tmp_path)] == [
        "config/config.yaml, key hla.release: sample a wants hla; name a release's files: the Alignments_Rel archive, "
        "hla_nom_g.txt, hla_nom_p.txt",
        "config/config.yaml, key hla.version: sample a wants hla; write the release that the files are of, as in "
        '"3.33.0"',
        "config/config.yaml, key hla.common: there is no file imgt/ciwd.csv",
    ]


def test_tells_mistakes_of_the_release_s_files_and_of_reviews_at_once(tmp_path):
    config = CONFIG.replace("Alignments_Rel_3330.zip", "hla.txt").replace("imgt/hla_nom_g.txt, ", "")
    config += "  review: review.tsv\n"
    lay_out(tmp_path, config, "a\thla\treads/a_1.fq\treads/a_2.fq\t")
    (tmp_path / "review.tsv").write_text("sample\tlocus\tcall\tdecision\nc\tA\tx+y\tapproved\na\tQ\tx+y\tapproved\n")
    found = [message.split(";")[0].split(" below")[0] for message in stopped(tmp_path)]
    assert found == [
        "config/config.yaml, key hla.release: no file here holds sequences",
        "config/config.yaml, key hla.release: no hla_nom_g.txt here, by which alleles are grouped",
        "config/config.yaml, key hla.release, item 1: there is no file imgt/hla.txt",
        "review.tsv, row 2, column sample: no sample 'c' wants hla",
        "review.tsv, row 3, column locus: 'Q' is not allowed",
    ]


def test_a_mistake_in_a_table_of_types_alone_asks_for_no_organisms(tmp_path):
    lay_out(tmp_path, CONFIG, "a\thla\treads/none.fq\treads/a_2.fq\t")
    assert [message.split(" below")[0] for message in stopped(tmp_path)] == [
        "config/samples.tsv, row 2, column fq1: there is no file reads/none.fq"
    ]


def test_a_run_without_types_asks_for_no_release(tmp_path):
    lay_out(tmp_path, "trim: {}\n", "a\tquant\treads/a_1.fq\treads/a_2.fq\t")
    assert not [message for message in stopped(tmp_path) if "hla" in message]


def test_mistakes_of_samples_that_want_types_do_not_keep_the_lock_from_being_made(tmp_path):
    lay_out(tmp_path, CONFIG, "a\thla\treads/a_1.fq\treads/a_2.fq\t\town", "b\taling\treads/b.fq\t\t\town")
    samples = tmp_path / "config/samples.tsv"
    samples.write_text(samples.read_text().replace("\tbam\n", "\tbam\torganism\n"))
    (tmp_path / "own.fa").write_text(">c\n" + "ACGT" * 50 + "\n")
    (tmp_path / "config/organisms.tsv").write_text("organism\tassembly\tgenome\nown\tv1\town.fa\n")
    made = snakemake(tmp_path, "--cores", "1", "lock")
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "config/organisms.lock.tsv").read_text().count("own.fa") == 1
    assert "'aling' is not allowed" in "".join(stopped(tmp_path))
