"""The same table as Parquet (https://parquet.apache.org), for those who read it with a program."""

from pathlib import Path

import polars
from _log import log_to


def main(table: Path, output: Path) -> None:
    text = polars.read_csv(table, separator="\t", infer_schema=False)
    # Ids stay text, also where they are numbers, and all samples have one type, also where one has whole numbers only.
    text.with_columns(polars.exclude("gene_id").cast(polars.Float64)).write_parquet(output)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(Path(snakemake.input[0]), Path(snakemake.output[0]))
