"""Known variants from files as people have them: held against the genome, in its order, once each."""

import gzip
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
HEAD = "##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def run(folder: Path, texts: tuple[str | bytes, ...], first: str = "") -> subprocess.CompletedProcess:
    """Merge the files as the rule does, after other commands."""
    (folder / "genome.fa").write_text(f">b\n{'A' * 1000}\n>a\n{'A' * 500}\n")
    subprocess.run(["samtools", "faidx", "genome.fa"], cwd=folder, check=True)
    names = []
    for number, text in enumerate(texts):
        (folder / f"build=38 {number}").write_bytes(text.encode() if isinstance(text, str) else text)
        names.append(f"'build=38 {number}' 'my/a=b {number}.vcf'")
    script = (
        f"source '{SCRIPTS}/sample_step.sh'; source '{SCRIPTS}/merge_sites.sh'; mkdir -p s; {first}\n"
        f'problem=$(merge_sites genome.fa out.vcf.gz s {" ".join(names)}); echo "$problem"'
    )
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)


def merge(folder: Path, *texts: str | bytes) -> tuple[str, list[str], str]:
    """Return the problem, the sites that were written (CHROM:POS:REF:ALT:INFO), and what was said of the files."""
    done = run(folder, texts)
    assert done.returncode == 0, done.stderr
    if done.stdout.strip():
        return done.stdout.strip(), [], done.stderr
    assert (folder / "out.vcf.gz.tbi").exists()
    lines = gzip.decompress((folder / "out.vcf.gz").read_bytes()).decode().splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return "", [":".join(cell[n] for n in (0, 1, 3, 4, 7)) for cell in cells], done.stderr


def site(contig: str, position: int | str, ref: str = "A", alt: str = "G", info: str = ".") -> str:
    return f"{contig}\t{position}\trs1\t{ref}\t{alt}\t.\tPASS\t{info}\n"


def test_sites_of_all_files_come_in_the_genome_s_order_once_each_whatever_form_they_have(tmp_path):
    plain = HEAD + site("a", 7) + site("b", 30, "AC", "A") + site("b", 4, info="X=1;END=90;Y=2")
    packed = gzip.compress(
        (HEAD.replace("INFO", "INFO\t") + site("b", 4, "A", "<DEL>", "END=90") + site("a", 7)).encode()
    )
    windows = (HEAD + site("b", 500)).replace("\n", "\r\n")
    problem, sites, _ = merge(tmp_path, plain, packed, windows)
    assert problem == ""
    assert sites == ["b:4:A:<DEL>:END=90", "b:4:A:G:END=90", "b:30:AC:A:.", "b:500:A:G:.", "a:7:A:G:."]


def test_contigs_that_the_genome_lacks_are_left_out_and_counted(tmp_path):
    _, sites, said = merge(tmp_path, HEAD + site("a", 7) + site("c", 8) + site("d", 9))
    assert sites == ["a:7:A:G:."]
    assert "1 sites of my/a=b 0.vcf, 2 left out" in said


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            HEAD + site("chra", 7) + site("chrb", 8),
            "lies on other contigs (chra, chrb) than the genome (b, a); name the contigs",
        ),
        (
            HEAD + site("a", 501),
            "has a variant at a:501, and the contig ends at 500; take the file of the genome's assembly",
        ),
        (HEAD + site("a", 500, "AC", "A"), "has a variant at a:500, and the contig ends at 500"),
        (
            "##fileformat=VCFv4.2\n##contig=<ID=a,length=501>\n" + site("a", 1),
            "has 501 bases of contig a, the genome 500",
        ),
        (
            "##fileformat=VCFv4.2\n##contig=<length=501,ID=a>\n" + site("a", 1),
            "has 501 bases of contig a, the genome 500",
        ),
        (HEAD, "has no variants; bring the file again"),
        (
            HEAD + site("a", 3) + site("a", 7, "C", "T"),
            "has other bases than the genome at 1 of 2 variants (a:7 is C there and A in the genome); take the file "
            "of the genome's assembly",
        ),
        ("a\t1\tA\tG\n", "is no VCF file"),
        (HEAD + "a 1 . A G\n", "has 1 columns in row 3"),
        (HEAD + site("a", "x"), "has x for a position in row 3"),
        (gzip.compress((HEAD + site("a", 1) * 9000).encode())[:200], "ends in the middle of its gzip stream"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_to_do(tmp_path, text, problem):
    found, _, _ = merge(tmp_path, HEAD + site("a", 1), text)
    assert found.startswith(f"my/a=b 1.vcf {problem}")


def test_a_base_in_ten_may_differ_from_the_genome_s_and_an_ambiguous_base_differs_from_none(tmp_path):
    text = HEAD + site("a", 1, "C") + "".join(site("a", place, "a") for place in range(2, 11)) + site("b", 9, "N")
    assert merge(tmp_path, text)[0] == ""


@pytest.mark.parametrize("tool", ["sort", "cut", "bgzip", "tabix", "gzip", "awk", "samtools"])
def test_a_tool_that_is_killed_or_finds_a_full_disk_fails_the_job_and_blames_no_file(tmp_path, tool):
    texts = (gzip.compress((HEAD + site("a", 1)).encode()), HEAD + site("b", 2))
    done = run(tmp_path, texts, f"{tool}() {{ cat >/dev/null; return 137; }}")
    assert (done.returncode, done.stdout) == (137, "")
