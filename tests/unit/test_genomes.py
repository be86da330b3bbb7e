from pathlib import Path

import pytest
import yaml
from _genomes import organism_key, read_genomes

SCHEMAS = Path(__file__).parents[2] / "workflow" / "schemas"
WANTED = yaml.safe_load((SCHEMAS / "organisms.schema.yaml").read_text())
LOCKED = yaml.safe_load((SCHEMAS / "organisms.lock.schema.yaml").read_text())
YEAST = "saccharomyces_cerevisiae\tEnsemblFungi"


def locked(organism="saccharomyces_cerevisiae", requested="", division="EnsemblFungi", **columns):
    row = {"organism": organism, "requested": requested or organism, "division": division, "assembly": "R64"}
    row |= {"release": "57", "genome_url": "https://x/g.fa.gz", "annotation_url": "https://x/a.gtf.gz"}
    return row | {"genome_checksum": "sum:1 2", "annotation_checksum": "sum:3 4"} | columns


def read(folder, *wanted, lock=(), columns="organism\tdivision\trelease\tassembly\tgenome\tannotation", **how):
    """Read tables of these rows; return the genomes and the problems, without the folder."""
    table, lock_file = folder / "organisms.tsv", folder / "lock.tsv"
    padded = [row + "\t" * (columns.count("\t") - row.count("\t")) for row in wanted]
    table.write_text("\n".join([columns, *padded]) + "\n")
    if lock is not None:
        names = list(LOCKED["properties"])
        lines = [names, *([row.get(name, "") for name in names] for row in lock)]
        lock_file.write_text("".join("\t".join(line) + "\n" for line in lines))
    genomes, problems = read_genomes(table, lock_file, WANTED, LOCKED, **how)
    return genomes, [problem.removeprefix(f"{folder}/") for problem in problems]


@pytest.mark.parametrize(
    ("wanted", "row"),
    [
        (YEAST, locked()),
        ("Saccharomyces cerevisiae\tEnsemblFungi\tlatest", locked()),
        ("saccharomyces_cerevisiae\tEnsemblFungi\t57", locked(requested="Saccharomyces cerevisiae")),
        ("Yeast\tEnsemblFungi\t\tR64", locked(requested="Yeast", requested_assembly="R64")),
        (
            "My yeast\t\t\t\tmy genome.fa\ta.gtf",
            locked("My_yeast", "My yeast", "", release="own", genome_url="my genome.fa", annotation_url="a.gtf"),
        ),
    ],
)
def test_finds_the_lock_row_that_answers_a_row(tmp_path, wanted, row):
    genomes, problems = read(tmp_path, wanted, lock=[row, locked("homo_sapiens", "Human", "EnsemblVertebrates")])
    assert problems == []
    assert list(genomes.locked) == [row["organism"]]


def test_takes_whole_divisions_one_beside_the_other(tmp_path):
    lock = [
        locked("oryza_sativa", "*", "EnsemblPlants"),
        locked("zea_mays", "*", "EnsemblPlants"),
        locked("x", "*"),
        locked("homo_sapiens", "Human", "EnsemblVertebrates"),
    ]
    genomes, problems = read(tmp_path, "*\tEnsemblFungi", "*\tEnsemblPlants", "Human\tEnsemblVertebrates", lock=lock)
    assert problems == []
    assert sorted(genomes.locked) == ["homo_sapiens", "oryza_sativa", "x", "zea_mays"]


def test_knows_an_organism_by_its_own_name_and_by_what_was_asked_for(tmp_path):
    lock = [
        locked("homo_sapiens", "Human", "EnsemblVertebrates"),
        locked("homo_sapiens_t2t", "Human", "EnsemblVertebrates", requested_assembly="T2T"),
        locked("mus_musculus_c57bl6", "mus musculus", "EnsemblVertebrates"),
        locked("mus_musculus", "Mouse", "EnsemblVertebrates"),
        locked("x", "*"),
    ]
    genomes, problems = read(
        tmp_path,
        *("Human\tEnsemblVertebrates", "Human\tEnsemblVertebrates\t\tT2T", "Mouse\tEnsemblVertebrates"),
        *("mus_musculus\tEnsemblVertebrates", "*\tEnsemblFungi"),
        lock=lock,
    )
    assert problems == []
    assert genomes.find("Homo sapiens") == {"homo_sapiens"}
    assert genomes.find("human") == {"homo_sapiens", "homo_sapiens_t2t"}
    assert genomes.find("MUS MUSCULUS") == genomes.find("mouse") == {"mus_musculus"}
    assert genomes.find("*") == genomes.find("yeast") == set()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            "Yeest\tEnsemblFungi",
            "organism: the lock has no row for 'Yeest'; did you mean Yeast? (known: Yeast); if the",
        ),
        ("Yeast\tEnsemblFungi\t\tR63", "assembly: the lock has R64 of 'Yeast'; if the table is right, "),
        ("Yeast\tEnsemblPlants", "division: the lock has EnsemblFungi; if the table is right, run `snakemake lock`"),
        ("Yeast\tEnsemblFungi\t58", "release: the lock has release 57; if the table is right, run `snakemake lock`"),
        (
            "Yeast\t\t\t\ta.fa\tb.gtf",
            "division: the lock has EnsemblFungi; if the table is right, run `snakemake lock`",
        ),
        ("Yeast\tEnsemblFungi\t057", "release: '057' is not allowed; a release number, or latest"),
        ("Yeast\tEnsembl", "division: 'Ensembl' is not allowed; known: EnsemblVertebrates, EnsemblPlants, EnsemblF"),
        ("Ye%st\tEnsemblFungi", "organism: 'Ye%st' is not allowed; Ensembl's production name"),
        ("Yeast\tEnsemblFungi\t\tR?", "assembly: 'R?' is not allowed; which assembly"),
        ("Yeast\t\t\t\ta{b}.fa\tb.gtf", "genome: 'a{b}.fa' is not allowed; your own genome, a FASTA file"),
        (
            "Yeast\t\t\t\ta.fa\t-b.gtf",
            "annotation: '-b.gtf' is not allowed; the annotation of your own genome, a GTF file",
        ),
        ("Yeast", "division: empty; write one of EnsemblVertebrates, EnsemblPlants, "),
        ("Yeast\t\t\t\ta.fa", "division: the lock has EnsemblFungi; if the table is right, run `snakemake lock`"),
        ("Yeast\t\t\t\t\ta.gtf", "genome: empty, but annotation is given; give both files, or neither"),
        ("Yeast\tEnsemblFungi\t\t\ta.fa\ta.gtf", "division: leave it empty beside your own genome, or remove genome"),
        ("E. coli\t\t\t\ta.fa\ta.gtf", "organism: 'E. coli' names files, in which '.' cannot stand; write 'E_coli'"),
        (
            "E coli\t\t\tv 1 (b)\ta.fa\ta.gtf",
            "assembly: 'v 1 (b)' names files, in which '(' cannot stand; write 'v_1_b'",
        ),
        ("*\t\t\t\ta.fa\ta.gtf", "organism: * is for Ensembl's divisions; give your own genome a name"),
        ("*\tEnsemblFungi\t\tR64", "assembly: leave it empty for a whole division (*)"),
    ],
)
def test_says_which_row_the_lock_does_not_answer_and_why(tmp_path, wanted, expected):
    _, (problem,) = read(tmp_path, wanted, lock=[locked(requested="Yeast")])
    assert problem.startswith(f"organisms.tsv, row 2, column {expected}")


def test_a_lock_of_other_own_files_is_too_old(tmp_path):
    own = locked("mine", division="", release="own", genome_url="old.fa", annotation_url="a.gtf")
    _, (problem,) = read(tmp_path, "mine\t\t\t\tnew.fa\ta.gtf", lock=[own])
    again = "if the table is right, run `snakemake lock`"
    assert problem == f"organisms.tsv, row 2, column genome: the lock has old.fa; {again}"


def test_an_own_file_that_is_gone_or_of_another_size_than_was_locked_is_a_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.fa").write_text(">I\nACGT\n")
    own = locked("mine", division="", release="own", genome_url="g.fa", annotation_url="a.gtf", genome_size="8")
    wanted = "mine\t\t\t\tg.fa\ta.gtf"
    _, (gone,) = read(tmp_path, wanted, lock=[own], look_for_files=True)
    assert gone == f"organisms.tsv, row 2, column annotation: there is no file a.gtf below {tmp_path}; correct the path"
    (tmp_path / "a.gtf").touch()
    assert read(tmp_path, wanted, lock=[own], look_for_files=True)[1] == []
    (tmp_path / "g.fa").write_text(">I\nACGTA\n")
    _, (changed,) = read(tmp_path, wanted, lock=[own], look_for_files=True)
    assert changed.startswith(
        "organisms.tsv, row 2, column genome: g.fa changed since it was locked: it has 9 bytes, in the lock 8; bring"
    )


def test_refuses_an_organism_that_is_asked_for_twice(tmp_path):
    lock = [locked(), locked("x", "*")]
    _, problems = read(tmp_path, YEAST, "Saccharomyces cerevisiae\tEnsemblFungi", "*\tEnsemblFungi", lock=lock)
    assert problems == [
        "organisms.tsv, row 3, column organism: row 2 asks for 'Saccharomyces cerevisiae', too; remove one of the two "
        "rows",
    ]


def test_without_a_lock_says_to_make_it_and_what_else_is_wrong(tmp_path):
    genomes, problems = read(tmp_path, YEAST, "Human\tEnsemblVertebrate", lock=None)
    assert problems[0].startswith(
        "organisms.tsv, row 3, column division: 'EnsemblVertebrate' is not allowed; did you mean"
    )
    assert problems[1:] == ["lock.tsv: there is no such file yet; run `snakemake lock`, which asks Ensembl for it"]
    assert not genomes.complete


def test_a_table_that_asks_for_nothing_is_a_mistake(tmp_path):
    assert read(tmp_path)[1] == ["organisms.tsv: it asks for no organism; add a row"]


def test_a_broken_lock_is_told_in_few_lines_with_the_one_remedy(tmp_path):
    lock = [locked(f"x{number}", "*", release="x") for number in range(9)]
    _, problems = read(tmp_path, "*\tEnsemblFungi", lock=lock)
    assert len(problems) == 4
    assert problems[0].startswith("lock.tsv, row 2, column release: 'x' is not allowed; ")
    assert problems[0].endswith("; run `snakemake lock`, which writes the lock anew")
    assert problems[3] == "... and 6 more mistakes in the lock"


def test_an_organism_that_is_locked_twice_is_a_mistake(tmp_path):
    _, (problem,) = read(tmp_path, "*\tEnsemblFungi", lock=[locked("x", "*"), locked("X", "*")])
    remedy = "run `snakemake lock`, which writes the lock anew"
    assert problem == f"lock.tsv, row 3, column organism: row 2 is of x, too; {remedy}"


def test_a_whole_division_that_is_not_locked_yet_leaves_names_open(tmp_path):
    genomes, (problem,) = read(tmp_path, YEAST, "*\tEnsemblPlants", lock=[locked()])
    assert problem.startswith("organisms.tsv, row 3, column organism: the lock has no row for '*'")
    assert not genomes.complete


@pytest.mark.parametrize("name", ["Homo sapiens", "homo_sapiens", " HOMO  sapiens ", "homo_ sapiens"])
def test_writes_every_spelling_of_a_name_alike(name):
    assert organism_key(name) == "homo_sapiens"


def test_reads_twenty_thousand_genomes(tmp_path):
    lock = [locked(f"escherichia_coli_gca_{number:09}", "*", "EnsemblBacteria") for number in range(20_000)]
    genomes, problems = read(tmp_path, "*\tEnsemblBacteria", lock=lock)
    assert (len(genomes.locked), problems) == (20_000, [])


WITH_SITES = "organism\tdivision\trelease\tassembly\tgenome\tannotation\tknown_sites"


def test_known_sites_are_files_with_semicolons_between_and_local_ones_must_be_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.vcf").touch()
    Path("g.fa").touch()
    own = locked("mine", division="", release="own", genome_url="g.fa", annotation_url="", annotation_checksum="")
    lock = [own, locked("x", "*")]
    row = "mine\t\t\t\tg.fa\t\ta.vcf; s3://b/c.vcf.gz;"
    genomes, problems = read(tmp_path, row, lock=lock, columns=WITH_SITES, look_for_files=True)
    assert problems == []
    assert genomes.known_sites == {"mine": ("a.vcf", "s3://b/c.vcf.gz")}
    rows = ["mine\t\t\t\tg.fa\t\tb.vcf", "*\tEnsemblFungi\t\t\t\t\ta.vcf"]
    _, problems = read(tmp_path, *rows, lock=lock, columns=WITH_SITES, look_for_files=True)
    assert problems == [
        f"organisms.tsv, row 2, column known_sites: there is no file b.vcf below {tmp_path}; correct the path",
        "organisms.tsv, row 3, column known_sites: leave it empty for a whole division (*); give the organism a row of "
        "its own",
    ]
