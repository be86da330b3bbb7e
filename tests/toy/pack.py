"""Pack text so that the same text is always the same bytes (with the same zlib)."""

import gzip
import io


def pack(content: bytes, level: int = 1) -> bytes:
    """Compress with gzip: no time stamp, no file name."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0, filename="") as file:
        file.write(content)
    return packed.getvalue()
