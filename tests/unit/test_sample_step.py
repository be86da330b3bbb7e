import gzip
import random
import subprocess
from pathlib import Path

import pytest

from tests.toy.make_reads import ADAPTERS

STEP = Path(__file__).parents[2] / "workflow/scripts/sample_step.sh"


def bash(commands: str, folder: Path) -> subprocess.CompletedProcess:
    """Run commands as Snakemake runs a rule's shell, with our functions."""
    return subprocess.run(["bash", "-c", f"source {STEP}\n{commands}"], cwd=folder, capture_output=True, text=True)


def fastq(name: str, reads: int, bases: int = 100, insert: int | None = None) -> str:
    """Random reads; those of fragments of about `insert` bases go on into the adapter."""
    rng = random.Random(name)
    records = []
    for number in range(reads):
        size = rng.randint(insert - 20, insert + 20) if insert else bases
        sequence = ("".join(rng.choices("ACGT", k=size)) + ADAPTERS[0] + "A" * bases)[:bases]
        records.append(f"@{name}:{number}\n{sequence}\n+\n{'I' * bases}\n")
    return "".join(records)


def in_turns(first: str, second: str) -> str:
    one, two = (text.splitlines(keepends=True) for text in (first, second))
    return "".join("".join([*one[n : n + 4], *two[n : n + 4]]) for n in range(0, len(one), 4))


@pytest.fixture
def lanes(tmp_path) -> dict[str, str]:
    """Two lanes of pairs: gzip and plain; the files of the first lane lack the end of their last line."""
    texts = {name: fastq(name, 300) for name in ("a1", "a2", "b1", "b2")}
    for name, text in texts.items():
        text = text.removesuffix("\n") if name.startswith("a") else text
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("1") else text.encode())
    return texts


def test_a_failure_ends_the_job_and_leaves_its_reason_alone_in_each_output(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/half a result").touch()
    assert bash("fail_sample 'step: 100% \"bad\" \\n $x' one 'the other' quant.sf; exit 9", tmp_path).returncode == 0
    for folder in ("one", "the other"):
        (left,) = (tmp_path / folder).iterdir()
        assert (left.name, left.read_text()) == ("failed.txt", 'step: 100% "bad" \\n $x\n')
    assert (tmp_path / "quant.sf").read_text() == '# no result: step: 100% "bad" \\n $x\n'


@pytest.mark.parametrize("earlier", ["earlier", "earlier.bam"])
def test_a_failure_is_passed_on_word_for_word(tmp_path, earlier):
    bash(f"fail_sample 'check: 100% \"bad\" \\n $x' {earlier}", tmp_path)
    (tmp_path / "sound").mkdir()
    assert bash(f"stop_if_failed sound {earlier} -- later 'b c.sf'; exit 9", tmp_path).returncode == 0
    assert (tmp_path / "later/failed.txt").read_text() == 'check: 100% "bad" \\n $x\n'
    assert (tmp_path / "b c.sf").read_text() == '# no result: check: 100% "bad" \\n $x\n'


def test_where_nothing_failed_nothing_is_passed_on(tmp_path):
    (tmp_path / "earlier").mkdir()
    (tmp_path / "b.bam").write_bytes(b"\x1f\x8b\x08\x04\0\0\0" + bytes(range(256)) * 40)
    assert bash("stop_if_failed earlier b.bam -- later; stop_if_failed -- later; exit 9", tmp_path).returncode == 9
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("commands", ["false", "false | cat", "x=$(false; echo)", "f() { x=$(false; echo); }; f"])
def test_a_command_that_fails_ends_the_job_wherever_it_stands(tmp_path, commands):
    assert bash(f"{commands}; exit 0", tmp_path).returncode == 1


UNASSIGNED = "salmon was only able to assign 3 fragments to transcripts in the index"


@pytest.mark.parametrize("before", ["[jointLog] [warning] ", "\033[1m[2026] [warning] "])
def test_reads_that_salmon_cannot_place_end_their_sample_with_what_it_says(tmp_path, before):
    (tmp_path / "log").write_text(f"start\n{before}{UNASSIGNED}\033[0m\nExiting.\n")
    assert bash("(exit 1) || step_failed $? quantify log out", tmp_path).returncode == 0
    assert (tmp_path / "out/failed.txt").read_text() == f"quantify: {UNASSIGNED}\n"


@pytest.mark.parametrize(
    ("code", "log"),
    [
        (137, ""),
        (127, "salmon: command not found"),
        (1, "write: No space left on device"),
        (1, "terminate called after throwing an instance of 'std::bad_alloc'"),
        (1, "[error] could not open the index"),
    ],
)
def test_whatever_else_goes_wrong_fails_the_job(tmp_path, code, log):
    (tmp_path / "log").write_text(log)
    assert bash(f"(exit {code}) || step_failed $? quantify log out", tmp_path).returncode == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("files", ["cut a1 --", "a1 cut --", "absent a1 --", "cut a1 -- a2 b2", "a1 b1 -- a2 cut"])
def test_reads_that_cannot_be_read_to_their_end_never_come_through_as_if_they_were_all(lanes, tmp_path, files):
    whole = gzip.compress(lanes["b1"].encode())
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    outcome = bash(f"stream_reads {files} >out", tmp_path)
    came = (tmp_path / "out").read_text().count("\n") // 4
    expected = sum(lanes[name].count("\n") // 4 for name in files.split() if name in lanes)
    checked = expected + lanes["b1"].count("\n") // 4
    assert outcome.returncode != 0 or bash(f"all_reads {came} {checked}", tmp_path).returncode == 1


def test_a_tool_that_did_not_tell_how_many_reads_it_saw_fails_its_job_in_plain_words(tmp_path):
    (tmp_path / "fastp.json").touch()
    outcome = bash('all_reads "$(number total_reads fastp.json)" 20', tmp_path)
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("the tool did not write how many reads it saw, so its output is not whole")


def test_a_number_is_read_from_the_reports_of_check_reads_fastp_and_salmon(tmp_path):
    (tmp_path / "x.json").write_text('{\n\t"total_reads":20,\n "total_reads":7,\n  "mean_read_length": 75.25\n}\n')
    assert bash("number total_reads x.json; number mean_read_length x.json", tmp_path).stdout == "20\n75.25\n"


@pytest.mark.parametrize(
    ("max_n", "mean", "limit"),
    [("5", "151", 5), ("0", "151", 0), ("1", "151", 1), ("0.1", "151", 15), ("0.29", "100", 29), ("0.5", "151", 50)],
)
def test_unknown_bases_are_limited_by_number_or_by_their_share_of_a_read(tmp_path, max_n, mean, limit):
    (tmp_path / "reads.json").write_text(f'{{"reads": 2, "mean_read_length": {mean}}}')
    assert bash(f"n_limit {max_n} reads.json", tmp_path).stdout == f"{limit}\n"


def test_lanes_of_single_ends_follow_each_other(lanes, tmp_path):
    assert bash("stream_reads a1 b2 --", tmp_path).stdout == lanes["a1"] + lanes["b2"]


def test_lanes_of_pairs_follow_each_other_mates_in_turns(lanes, tmp_path):
    expected = in_turns(lanes["a1"], lanes["a2"]) + in_turns(lanes["b1"], lanes["b2"])
    assert bash("stream_reads a1 b1 -- a2 b2", tmp_path).stdout == expected


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_fastp_makes_of_two_lanes_what_it_makes_of_the_two_files_joined_in_the_order_of_the_reads(
    lanes, tmp_path, threads
):
    for mate in "12":
        (tmp_path / f"joined{mate}.fq").write_text(lanes[f"a{mate}"] + lanes[f"b{mate}"])
    tail = f"--thread {threads} --json x.json --html /dev/null"
    bash(f"stream_reads a1 b1 -- a2 b2 | fastp --stdin --interleaved_in --out1 o1.fq --out2 o2.fq {tail}", tmp_path)
    bash(f"fastp --in1 joined1.fq --in2 joined2.fq --out1 e1.fq --out2 e2.fq {tail}", tmp_path)
    for mate in "12":
        ours = (tmp_path / f"o{mate}.fq").read_text()
        assert ours == (tmp_path / f"e{mate}.fq").read_text()
        names = [(line[1], int(line[4:])) for line in ours.splitlines()[::4]]
        assert names == sorted(names) and len(names) > 500


def test_the_adapter_of_single_ends_is_found_and_cut_as_fastp_does_with_a_file(tmp_path):
    (tmp_path / "reads.fq").write_text(fastq("r", 20_000, insert=70))
    (tmp_path / "reads.fq.gz").write_bytes(gzip.compress((tmp_path / "reads.fq").read_bytes()))
    found = bash("find_adapter reads.fq.gz start", tmp_path).stdout.strip()
    assert found == ADAPTERS[0]
    tail = "--thread 2 --json x.json --html /dev/null"
    bash(f"stream_reads reads.fq.gz -- | fastp --stdin --adapter_sequence {found} --out1 ours.fq {tail}", tmp_path)
    bash(f"fastp --in1 reads.fq --out1 theirs.fq {tail}", tmp_path)
    ours = (tmp_path / "ours.fq").read_text()
    assert ours == (tmp_path / "theirs.fq").read_text()
    assert ADAPTERS[0][:12] not in ours
    assert sorted(path.name for path in tmp_path.glob("start*")) == []


POLY_G = "".join(f"@NAME:{n}\n{'ACGGTCATTC' * 7}{'G' * 30}\n+\n{'I' * 100}\n" for n in range(99))


@pytest.mark.parametrize("name", ["NS500123", "NB501234", "NDX55012", "A00123", "A01234", "M00123", "K00123", "SRR1.1"])
def test_tails_of_g_are_cut_from_a_stream_where_fastp_cuts_them_from_a_file(tmp_path, name):
    (tmp_path / "reads.fq").write_text(POLY_G.replace("NAME", name))
    tail = "--json /dev/null --html /dev/null --thread 1"
    option = "$(two_colours NAME:0 && echo --trim_poly_g)".replace("NAME", name)
    bash(f"set +e; stream_reads reads.fq -- | fastp --stdin {option} --out1 ours.fq {tail}", tmp_path)
    bash(f"fastp --in1 reads.fq --out1 theirs.fq {tail}", tmp_path)
    assert (tmp_path / "ours.fq").read_text() == (tmp_path / "theirs.fq").read_text() != ""


@pytest.mark.parametrize("name", ["VH00123", "LH00123", "MN00123", "FS10000123"])
def test_instruments_that_see_g_in_the_dark_are_known_where_this_fastp_does_not_know_them(tmp_path, name):
    assert bash(f"two_colours {name}:1:H:1:1:1:1", tmp_path).returncode == 0


@pytest.mark.parametrize("text", [fastq("r", 1), fastq("r", 500), fastq("r", 11_000)])
def test_where_there_is_no_adapter_none_is_found(tmp_path, text):
    (tmp_path / "reads.fq").write_text(text)
    outcome = bash('adapter=$(find_adapter reads.fq start); echo "<$adapter>"', tmp_path)
    assert (outcome.returncode, outcome.stdout) == (0, "<>\n")


def test_a_fastp_that_breaks_is_not_taken_for_reads_without_an_adapter(tmp_path):
    (tmp_path / "reads.fq").write_text(fastq("r", 500))
    outcome = bash("fastp() { return 137; }; adapter=$(find_adapter reads.fq start); exit 0", tmp_path)
    assert outcome.returncode == 137
