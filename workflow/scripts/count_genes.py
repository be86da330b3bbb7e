"""One sample's transcripts summed to genes; a sample that failed says so again, in place of a table."""

from pathlib import Path

from _log import log_to
from _record import NO_RESULT, why_failed


def count_sample(quant: Path, tx2gene: Path, output: Path) -> None:
    # Imported where it is needed: it takes 2 CPU seconds, which a failed sample need not pay for.
    import pandas as pd
    from _gene_counts import COLUMNS, count_genes

    tables = count_genes([quant], tx2gene, ["sample"])
    pd.DataFrame({column: tables[column]["sample"] for column in COLUMNS}).to_csv(output, sep="\t")


def main(quant: Path, tx2gene: Path, output: Path) -> None:
    if reason := why_failed(quant):
        output.write_text(f"{NO_RESULT}{reason}\n")
    else:
        count_sample(quant, tx2gene, output)


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(Path(snakemake.input.quant), Path(snakemake.input.tx2gene), Path(snakemake.output[0]))
