"""What a file really is, by its first bytes: a genome has to be FASTA of bases, an annotation GTF."""

import codecs
import re
import zlib
from pathlib import Path

# As much as says what a file is: a web page, proteins or GFF3 show long before.
START = 1 << 16
GZIP = b"\x1f\x8b"
OTHER_FORMATS = {
    b"CRAM": "a CRAM file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"PK\x03\x04": "a zip file",
}
WANTED = {"genome": "FASTA, plain or gzip", "annotation": "GTF, plain or gzip"}
# Letters of amino acids that stand for no base (https://iubmb.qmul.ac.uk/misc/naseq.html).
NO_BASES = re.compile("[EFIJLOPQZ]", re.IGNORECASE)


def start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START)


def complaint(name: str, start: bytes, kind: str) -> str | None:
    """Say why a file cannot be what it is given for (genome, annotation), and what to do; None where it may be.

    `start` is its first bytes, at least as many as START where it is longer.
    """
    for magic, other in OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"it is {other}; give {WANTED[kind]}"
    if start.startswith(GZIP):
        try:
            start = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, START)
        except zlib.error as error:
            return f"its gzip stream is damaged ({error}); bring the file again"
    elif name.endswith(".gz"):
        if is_page(start):
            return page_complaint(kind)
        return "it is not gzip, though its name says so; bring the file again, or rename it"
    if is_page(start):
        return page_complaint(kind)
    if not start.strip():
        return "nothing is in it; give the whole file"
    if start.startswith(codecs.BOM_UTF8):
        return r"it starts with a byte order mark, which RSEM does not know; take it off: sed '1s/^\xef\xbb\xbf//'"
    text = start.decode("utf-8", errors="replace")
    return genome_complaint(text) if kind == "genome" else annotation_complaint(text)


def is_page(start: bytes) -> bool:
    return re.match(rb"\s*<(!doctype|html|\?xml|head|body)", start, re.IGNORECASE) is not None


def page_complaint(kind: str) -> str:
    return (
        f"it is a web page (HTML), not {WANTED[kind].partition(',')[0]}; "
        "look for the file's own address, which needs no login, and bring it again"
    )


def genome_complaint(text: str) -> str | None:
    if not text.startswith(">"):
        return f"it starts with {text.strip()[:40]!r}, not with '>' and a name as FASTA does; give the genome's FASTA"
    if letters := {
        letter.upper() for line in text.splitlines() if line[:1] != ">" for letter in NO_BASES.findall(line)
    }:
        found = ", ".join(sorted(letters))
        return f"it holds the letters {found}, which are amino acids: these are proteins; give the genome's DNA"
    return None


def annotation_complaint(text: str) -> str | None:
    if text.startswith(">"):
        return "it is FASTA, not GTF; give the annotation of the genome"
    if re.match(r"##gff-version\s+3", text):
        return GFF3
    whole = text.split("\n") if len(text) < START else text.split("\n")[:-1]
    for number, line in enumerate(whole, start=1):
        if line.strip() and not line.startswith("#"):
            columns = line.rstrip("\r").split("\t")
            if len(columns) != 9:
                return f"row {number} has {len(columns)} columns separated by tabs, where GTF has 9; give a GTF file"
            return GFF3 if re.search(r"(^|;)\s*(ID|Parent)=", columns[8]) else None
    return None


GFF3 = "it is GFF3, not GTF; turn it into GTF, as by `gffread -T genes.gff3 -o genes.gtf`, and give that"
