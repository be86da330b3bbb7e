"""One matrix an organism: genes x samples, of the samples that came through."""

from pathlib import Path

import pandas as pd
from _gene_counts import COLUMNS, count_genes
from _log import log_to
from _record import why_failed


def main(quants: list[Path], tx2gene: Path, outputs: dict[str, Path]) -> None:
    chosen = {path.parent.name: path for path in quants if not why_failed(path)}
    if chosen:
        tables = count_genes(list(chosen.values()), tx2gene, list(chosen))
    else:
        tables = {column: pd.DataFrame(index=pd.Index([], name="gene_id")) for column in COLUMNS}
    for column, output in outputs.items():
        tables[column].to_csv(output, sep="\t")


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        [Path(path) for path in snakemake.input.quants],
        Path(snakemake.input.tx2gene),
        {column: Path(snakemake.output[column]) for column in COLUMNS},
    )
