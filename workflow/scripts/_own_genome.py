"""A genome and an annotation of the user's own, summed up for the lock."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from _ensembl import clean_assembly
from _formats import START, complaint
from _genomes import file_name_of
from _match_organisms import CellError
from _tables import Row
from _web import Web, WebError, checksum


def own_name(organism: str) -> str:
    """Write the name of the user's own genome in the letters that a key of the lock has."""
    return file_name_of(organism, "_-")


def own_assembly(row: Row) -> str:
    """Name the assembly of the user's own genome: by its column, or else by its file."""
    stem = re.sub(r"\.(fa|fasta|fna|fas)?(\.gz|\.bgz)?$", "", file_name(row["genome"]), flags=re.IGNORECASE)
    return clean_assembly(row["assembly"] or stem)


def file_name(source: str) -> str:
    """Return the last part of a path or URL."""
    return PurePosixPath(unquote(urlsplit(source).path) if "://" in source else source).name


def own_file(row: Row, column: str, web: Web) -> tuple[str, int]:
    """Sum up a file of the user's own, wherever it is; refuse what its first bytes show to be something else."""
    source, start = row[column], bytearray()

    def watched(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            start.extend(chunk[: START - len(start)])
            yield chunk

    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", source)
    try:
        if not scheme:
            with Path(source).open("rb") as file:
                found = checksum(watched(iter(lambda: file.read(1 << 20), b"")))
        elif scheme[1].lower() in ("http", "https"):
            found = checksum(watched(web.chunks(source)))
        else:
            raise CellError(column, f"{source} cannot be read to lock it; for now it must be a path or http(s)://")
    except OSError as error:
        raise CellError(column, f"{source} cannot be read ({error.strerror or error}); correct the path") from error
    except WebError as error:
        raise CellError(column, str(error)) from error
    if found[1] == 0:
        raise CellError(column, f"{source} is empty; give the whole file")
    if problem := complaint(file_name(source), bytes(start), column):
        raise CellError(column, f"{source}: {problem}")
    return found


def own_row(row: Row, web: Web) -> dict[str, str]:
    """Write the user's own genome, and its annotation where there is one, as a row of the lock."""
    files = {column: own_file(row, column, web) for column in ("genome", "annotation") if row[column]}
    return {
        "requested": row["organism"],
        "requested_assembly": row["assembly"],
        "organism": own_name(row["organism"]),
        "species": row["organism"],
        "assembly": own_assembly(row),
        "release": "own",
        **{f"{column}_url": row[column] for column in files},
        **{f"{column}_checksum": checksum for column, (checksum, _) in files.items()},
        **{f"{column}_size": str(size) for column, (_, size) in files.items()},
    }
