"""Sum files as the Unix command `sum` does, which made the CHECKSUMS files of Ensembl's FTP site."""

from pathlib import Path


def bsd_sum(content: bytes) -> tuple[int, int]:
    """Return the BSD checksum (16 bits, rotated right before each byte is added) and the KiB, rounded up.

    https://www.gnu.org/software/coreutils/manual/html_node/sum-invocation.html
    """
    total = 0
    for byte in content:
        total = ((total >> 1) + ((total & 1) << 15) + byte) & 0xFFFF
    return total, -(-len(content) // 1024)


def checksums_line(path: Path) -> str:
    """One line of a CHECKSUMS file: `<sum> <blocks> <name>`."""
    total, blocks = bsd_sum(path.read_bytes())
    return f"{total:05d} {blocks:5d} {path.name}\n"


def write_checksums(folder: Path) -> None:
    """Write CHECKSUMS of all other files of a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "CHECKSUMS")
    (folder / "CHECKSUMS").write_text("".join(map(checksums_line, files)))
