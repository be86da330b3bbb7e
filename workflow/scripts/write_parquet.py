"""The same table as Parquet (https://parquet.apache.org), for those who read it with a program."""

from pathlib import Path

import polars


def main(table: Path, output: Path) -> None:
    polars.read_csv(table, separator="\t", infer_schema_length=None).write_parquet(output)


if __name__ == "__main__":
    main(Path(snakemake.input[0]), Path(snakemake.output[0]))
