"""Read and write BGZF, the blocked gzip of BAM files (section 4.1 of https://samtools.github.io/hts-specs/SAMv1.pdf)."""

import hashlib
import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

try:  # three times as fast, where it is there
    from isal import igzip as gzip
    from isal import isal_zlib as zlib
except ImportError:
    import gzip
    import zlib

HEAD = struct.Struct("<4BI2BH2BHH")
TAIL = struct.Struct("<2I")
CONTENT = 0xFF00  # bytes in a block, so that a block that does not compress fits as well
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def open_bgzf(path: Path) -> BinaryIO:
    return gzip.open(path, "rb")


class BgzfWriter:
    """Writes a BGZF file and sums it up; `checksum` is its MD5 once it is closed."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.rest = b""
        self.sum = hashlib.md5(usedforsecurity=False)

    def write(self, data: memoryview | bytes) -> None:
        joined = memoryview(self.rest + bytes(data))
        whole = len(joined) // CONTENT * CONTENT
        for start in range(0, whole, CONTENT):
            self.put(pack(joined[start : start + CONTENT]))
        self.rest = bytes(joined[whole:])

    def put(self, block: bytes) -> None:
        self.sum.update(block)
        self.file.write(block)

    @property
    def checksum(self) -> str:
        return self.sum.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self.file:
            # Without its end, a file that could not be written whole is not taken for one that was.
            if error is None:
                if self.rest:
                    self.put(pack(self.rest))
                self.put(END)


def pack(content: memoryview | bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    size = HEAD.size + len(packed) + TAIL.size
    head = HEAD.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2, size - 1)
    return head + packed + TAIL.pack(zlib.crc32(content), len(content))
