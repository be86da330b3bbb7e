"""Make the toy data, or serve them: python -m tests.toy make OUT; python -m tests.toy serve OUT/ensembl."""

import argparse
import os
import signal
import sys
from pathlib import Path

from tests.toy.break_reads import BREAKS
from tests.toy.make_all import Wishes, make_all, make_manifest
from tests.toy.serve import make_server


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.toy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_make(commands.add_parser("make", help="make a toy Ensembl, reads, the truth about them, and the tables"))
    serve = commands.add_parser("serve", help="serve a toy Ensembl on 127.0.0.1; prints its address when ready")
    serve.add_argument("folder", type=Path, metavar="DIR", help="the folder `ensembl` that `make` made")
    serve.add_argument("--port", type=int, default=0, help="0 (the default) is any free one")
    return parser.parse_args(arguments)


def add_make(make: argparse.ArgumentParser) -> None:
    wishes = Wishes()
    make.add_argument("out", type=Path, metavar="OUT", help="folder for ensembl/, reads/, truth/ and config/")
    make.add_argument("--seed", type=int, default=wishes.seed, help="the same seed makes the same data (%(default)s)")
    make.add_argument("--bacteria", type=int, default=0, metavar="N", help="so many bacteria more than the one")
    make.add_argument("--genome-size", type=int, default=wishes.genome_size, help="bases of a bacterium (%(default)s)")
    make.add_argument("--fungus-size", type=int, default=wishes.fungus_size, help="bases of the fungus (%(default)s)")
    make.add_argument("--samples", type=int, default=wishes.samples, help="sound samples (%(default)s); 0: no reads")
    make.add_argument("--fragments", type=int, default=wishes.fragments, help="fragments of a sample (%(default)s)")
    make.add_argument(
        "--broken", choices=[*BREAKS, "none"], default=wishes.broken, help="how one sample more is broken (%(default)s)"
    )
    make.add_argument("--hla-samples", type=int, default=0, help="samples of known HLA types, 0 to 2 (%(default)s)")
    make.add_argument("--manifest-only", action="store_true", help="only the tables, and read files of one read each")
    where = make.add_mutually_exclusive_group()
    where.add_argument("--absolute", action="store_true", help="absolute paths in samples.tsv")
    where.add_argument(
        "--relative-to", type=Path, metavar="DIR", help="where the run will be started (default: here)", default="."
    )


def reads_as(arguments: argparse.Namespace) -> str:
    """Name the folder of reads as samples.tsv is to say it."""
    reads = (arguments.out / "reads").resolve()
    return str(reads) if arguments.absolute else os.path.relpath(reads, arguments.relative_to.resolve())


def make(arguments: argparse.Namespace) -> None:
    wishes = Wishes(
        seed=arguments.seed,
        more_bacteria=arguments.bacteria,
        genome_size=arguments.genome_size,
        fungus_size=arguments.fungus_size,
        samples=arguments.samples,
        fragments=arguments.fragments,
        broken="" if arguments.broken == "none" else arguments.broken,
        hla_samples=arguments.hla_samples,
    )
    (make_manifest if arguments.manifest_only else make_all)(arguments.out, wishes, reads_as(arguments))


def serve(arguments: argparse.Namespace) -> None:
    server, address = make_server(arguments.folder, arguments.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print(address, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def main(arguments: list[str] | None = None) -> None:
    parsed = parse(arguments)
    if parsed.command == "serve" and not parsed.folder.is_dir():
        sys.exit(f"{parsed.folder} is no folder; make it with: python -m tests.toy make OUT")
    try:
        {"make": make, "serve": serve}[parsed.command](parsed)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
