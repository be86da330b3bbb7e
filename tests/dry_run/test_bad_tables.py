"""What a new user sees of each mistake: one message with file, row, column and remedy, all at once, nothing run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from _reach import unreachable

from tests.dry_run.snakemake_cli import ROOT, planned, snakemake, write_tables
from tests.unit.loopback import serve

ORGANISMS = {"homo_sapiens": "EnsemblVertebrates", "saccharomyces_cerevisiae": "EnsemblFungi"}


def stopped(folder: Path, *options: str) -> list[str]:
    """Run, see that it stops at once and without noise, and return its messages."""
    before = {path for path in folder.rglob("*") if ".snakemake" not in path.parts}
    run = snakemake(folder, "--cores", "1", *options)
    assert run.returncode == 1
    assert before == {path for path in folder.rglob("*") if ".snakemake" not in path.parts}
    assert not re.search(r"Traceback|WorkflowError|Error:|\bFile \"|, line \d|\.smk", run.stdout + run.stderr)
    count, *messages = run.stderr[run.stderr.index("mistake") - 3 :].strip().splitlines()
    assert count.split()[-3:] == ["nothing", "was", "run"]
    assert int(count.split()[0]) == len(messages)
    return messages


def test_tells_the_mistakes_of_all_files_at_once(tmp_path):
    config = 'samples: config/samples.tsv\nindex: {kmers: [31, 24, "23"], decoy: true}\npathvars: x\ntrim:\n'
    write_tables(tmp_path, ORGANISMS, {}, config)
    with (tmp_path / "config" / "organisms.tsv").open("a") as table:
        table.write("zea_mays\tEnsemblPlants\nhomo sapiens\tEnsemblVertebrates\nmine\nyeast\tEnsemblFunghi\na b c\n")
    (tmp_path / "config" / "samples.tsv").write_text(
        "sample\tlane\torganism\tfq1\tfq2\n"
        "a\t1\thomo_sapiens\treads/a 1.fq\treads/a 2.fq\n"
        "a\t1\tHomo sapiens\treads/a 1.fq\n"
        "a\t1\tHomo sapiens\treads/b.fq\t\n"
        "A\t1\thomo_sapien\treads/c.fq\treads/c.fq\n"
        "b b\t1\tzea_mays\t\treads/d{1}.fq\n"
    )
    for name in ("a 1", "a 2", "b", "c"):
        (tmp_path / "reads" / f"{name}.fq").touch()
    messages = stopped(tmp_path, "--config", "colour=red")
    expected = [
        "config/config.yaml or the command line, key colour: no such key; known: organisms, lock, samples, ",
        "config/config.yaml, row 2, key index.decoy: no such key; did you mean decoys?",
        "config/config.yaml, row 2, key index.kmers, item 2: 24 is not allowed; known: 1, 3, 5",
        'config/config.yaml, row 2, key index.kmers, item 3: "23" is text; write a whole number without quotes',
        'config/config.yaml, row 3, key pathvars: "x" is text; write keys below it',
        "config/config.yaml, row 4, key trim: it has no value; write keys below it (enabled, adapters, max_n)",
        "config/organisms.tsv, row 4, column organism: the lock has no row for 'zea_mays'; known: homo_sapiens",
        "config/organisms.tsv, row 5, column organism: row 2 asks for 'homo sapiens', too; remove one of the two rows",
        "config/organisms.tsv, row 6: 1 cell for 2 columns; give every column one cell",
        "config/organisms.tsv, row 7, column division: 'EnsemblFunghi' is not allowed; did you mean EnsemblFungi",
        "config/organisms.tsv, row 8: 1 cell for 2 columns; spaces probably stand where a tab should in 'a b c'",
        "config/samples.tsv, row 3: 4 cells for 5 columns; spaces probably stand where a tab should",
        "config/samples.tsv, row 4, column lane: sample a has a lane '1' in row 2 already; give each of its rows",
        "config/samples.tsv, row 4, column fq2: the mate is missing here, unlike in row 2 of the same sample a",
        "config/samples.tsv, row 5, column sample: A differs from a in row 2 only by case",
        "config/samples.tsv, row 5, column fq2: reads/c.fq is fq1 as well; name the file of the mates",
        "config/samples.tsv, row 6, column sample: 'b b' is not allowed; the sample's name",
        "config/samples.tsv, row 6, column fq2: 'reads/d{1}.fq' is not allowed; mates of fq1",
        "config/samples.tsv, row 6, column fq1: sample b b has no reads here; move fq2 to fq1",
    ]
    assert [message[: len(start)] for message, start in zip(messages, expected, strict=False)] == expected
    assert len(messages) == len(expected)


def test_an_organism_is_suggested_as_the_table_of_organisms_writes_it(tmp_path):
    write_tables(tmp_path, {"Homo_Sapiens": "EnsemblVertebrates"}, {"a": "homo_sapien"})
    (message,) = stopped(tmp_path)
    assert message == (
        "config/samples.tsv, row 2, column organism: the table of organisms has no 'homo_sapien'; did you mean "
        "Homo_Sapiens? (known: Homo_Sapiens); if it is right, add it there and run `snakemake lock`"
    )


def test_names_files_that_are_missing_or_no_tables(tmp_path):
    write_tables(tmp_path, ORGANISMS, {})
    (tmp_path / "config" / "organisms.tsv").write_text("")
    (tmp_path / "config" / "organisms.lock.tsv").unlink()
    (tmp_path / "config" / "samples.tsv").write_bytes("sample\torganism\tfq1\r\n".encode("utf-16"))
    assert [message.split(";")[0] for message in stopped(tmp_path)] == [
        "config/organisms.tsv: the file is empty",
        "config/organisms.lock.tsv: there is no such file yet",
        "config/samples.tsv: the file is not UTF-8 but UTF-16 (which spreadsheets call Unicode) or no text at all",
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            None,
            "config/config.yaml: there is no such file here; run Snakemake in the folder that has it, or give --dir",
        ),
        (
            "index:\n\tkmers: [31]\n",
            "config/config.yaml, row 2: this is not YAML (found character that cannot start any",
        ),
    ],
)
def test_names_a_configuration_that_cannot_be_read(tmp_path, config, expected):
    if config:
        write_tables(tmp_path, ORGANISMS, {}, config)
    (message,) = stopped(tmp_path)
    assert message.startswith(expected)


def test_takes_tables_as_a_spreadsheet_on_windows_writes_them_and_spaces_in_paths(tmp_path):
    folder = tmp_path / "my project"
    write_tables(folder, ORGANISMS, {}, "index: {kmers: [31]}\r\n")
    (folder / "my reads").mkdir()
    for name in ("a 1.fq", "a 2.fq"):
        (folder / "my reads" / name).touch()
    for name in ("organisms.tsv", "organisms.lock.tsv"):
        table = folder / "config" / name
        table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    (folder / "config" / "samples.tsv").write_bytes(
        b'\xef\xbb\xbf"sample"\torganism\tfq1\tfq2\t\r\n'
        b'"a"\t"Homo sapiens"\t"my reads/a 1.fq"\t./my reads//a 2.fq\t\r\n\t\t\t\t\r\n'
    )
    run = snakemake(folder, "-n")
    assert {"quantify sample=a", "merge_counts organism=homo_sapiens"} <= planned(run)
    assert "input: my reads/a 1.fq, my reads/a 2.fq" in run.stdout


def test_lock_without_network_ends_at_once_with_one_message_which_is_in_its_log_too(tmp_path):
    write_tables(tmp_path, ORGANISMS, {}, 'ensembl: {rest: "http://127.0.0.1:9"}\n')
    run = snakemake(tmp_path, "lock")
    assert run.returncode == 1
    message = (
        "127.0.0.1:9 cannot be reached (Failed to establish a new connection: [Errno 111] Connection refused); is "
        "there a network? The addresses are the keys below `ensembl` in config/config.yaml\n"
        "the lock is left as it was\n"
    )
    assert (tmp_path / "logs/lock.txt").read_text() == message
    assert (run.stdout + run.stderr).count(message) == 1
    assert "Traceback" not in run.stderr and "organisms.tsv, row" not in run.stderr


def test_reads_on_a_server_that_cannot_be_reached_are_told_once_with_row_and_column(tmp_path):
    write_tables(tmp_path, ORGANISMS, {"a": "homo_sapiens", "b": "homo_sapiens", "c": "homo_sapiens"})
    table = tmp_path / "config" / "samples.tsv"
    table.write_text(re.sub(r"reads/([bc])", r"http://127.0.0.1:9/\1", table.read_text()))
    (message,) = stopped(tmp_path)
    assert message == (
        "config/samples.tsv, row 3, column fq1: http://127.0.0.1:9/b.fq cannot be reached (nor 1 more in this "
        "table), as 127.0.0.1:9 does not answer ([Errno 111] Connection refused); is there a network, and is the "
        "address right?"
    )


def test_reads_that_a_server_does_not_have_are_told_with_row_and_column(tmp_path):
    write_tables(tmp_path, ORGANISMS, {"a": "homo_sapiens", "b": "homo_sapiens", "c": "homo_sapiens"})
    table = tmp_path / "config" / "samples.tsv"
    with serve() as site:
        site.pages["/b.fq"] = b"x"
        table.write_text(re.sub(r"reads/([bc])", rf"{site.address}/\1", table.read_text()))
        (message,) = stopped(tmp_path)
        where = "config/samples.tsv, row 4, column fq1"
        assert message == f"{where}: {site.address}/c.fq: the server has no such file; correct the address"


def test_a_server_that_answers_anything_is_reached():
    with serve() as site:
        site.pages["/here"] = b"x"
        site.failures["/broken"] = [(500, {})]
        urls = [f"{site.address}/{name}" for name in ("here", "nowhere", "broken")]
        assert unreachable([*urls, "http://127.0.0.1:9/x"]) == {
            "http://127.0.0.1:9/x": "[Errno 111] Connection refused"
        }


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "results/quant/nope/record.json",
            "there is no sample in config/samples.tsv called 'nope'; known: liver_1, liver_2",
        ),
        (
            "results/quant/liver_11/quant.sf",
            "there is no sample in config/samples.tsv called 'liver_11'; did you mean liver_1 or liver_2? (known",
        ),
        (
            "results/counts/homo_sapien.gene_counts.tsv",
            "there is no organism in config/organisms.lock.tsv called 'homo_sapien'; did you mean homo_sapiens? (known",
        ),
    ],
)
def test_a_target_of_something_unknown_is_told_with_what_is_known(tmp_path, target, expected):
    write_tables(tmp_path, ORGANISMS, {"liver_1": "homo_sapiens", "liver_2": "homo_sapiens"})
    (message,) = stopped(tmp_path, target)
    assert message.startswith(expected)


def test_the_graph_of_an_unknown_sample_is_refused_with_the_names_that_are_known(tmp_path):
    write_tables(tmp_path, ORGANISMS, {"liver_1": "homo_sapiens"})
    script, options = ROOT / "workflow/scripts/draw_dag.py", ["--", "--snakefile", str(ROOT / "workflow/Snakefile")]
    run = subprocess.run(
        [sys.executable, script, "dag", "nope", *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "there is no sample in config/samples.tsv called 'nope'; known: liver_1" in run.stderr
    assert "Traceback" not in run.stderr and "KeyError" not in run.stderr


def test_the_lock_never_takes_the_place_of_a_table(tmp_path):
    write_tables(tmp_path, ORGANISMS, {"liver_1": "homo_sapiens"}, "lock: config/../config/samples.tsv\n")
    before = (tmp_path / "config/samples.tsv").read_text()
    expected = (
        "config/config.yaml, key lock: config/../config/samples.tsv is the table of samples; name a file of its own"
    )
    assert stopped(tmp_path, "lock") == [expected]
    assert (tmp_path / "config/samples.tsv").read_text() == before


def test_adapters_that_are_no_fasta_are_refused(tmp_path):
    write_tables(tmp_path, ORGANISMS, {"liver_1": "homo_sapiens"}, "trim: {adapters: config/samples.tsv}\n")
    assert stopped(tmp_path) == [
        "config/config.yaml, key trim.adapters: config/samples.tsv is no FASTA; name one of the adapters, plain"
    ]


def test_files_and_keys_that_the_configuration_lacks_are_told_with_the_mistakes_of_the_tables(tmp_path):
    write_tables(tmp_path, ORGANISMS, {}, "trim: {adapters: nothere.fa}\n")
    (tmp_path / "config/samples.tsv").write_text("sample\tanalyses\torganism\tfq1\na\thla\t\treads/none.fq\n")
    messages = stopped(tmp_path)
    expected = [
        f"config/config.yaml, key trim.adapters: there is no file nothere.fa below {tmp_path}; correct the path",
        "config/samples.tsv, row 2, column fq1: there is no file reads/none.fq",
        "config/config.yaml, key hla.release: sample a wants hla; name a release's files",
        "config/config.yaml, key hla.version: sample a wants hla; write the release",
    ]
    assert [message[: len(start)] for message, start in zip(messages, expected, strict=True)] == expected
