"""One matrix an organism: genes x samples, of the samples that came through."""

import json
from pathlib import Path

import pandas as pd
from _gene_counts import COLUMNS, count_genes
from _log import log_to


def finished(records: list[Path]) -> list[str]:
    """Name the samples that came through, in the order of their records."""
    return [record["sample"] for record in map(read_record, records) if record["success"]]


def read_record(path: Path) -> dict:
    return json.loads(path.read_text())


def main(records: list[Path], quants: list[Path], tx2gene: Path, outputs: dict[str, Path]) -> None:
    came_through = set(finished(records))
    chosen = {path.parent.name: path for path in quants if path.parent.name in came_through}
    if chosen:
        tables = count_genes(list(chosen.values()), tx2gene, list(chosen))
    else:
        tables = {column: pd.DataFrame(index=pd.Index([], name="gene_id")) for column in COLUMNS}
    for column, output in outputs.items():
        tables[column].to_csv(output, sep="\t")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.records],
        [Path(path) for path in snakemake.input.quants],
        Path(snakemake.input.tx2gene),
        {column: Path(snakemake.output[column]) for column in COLUMNS},
    )
