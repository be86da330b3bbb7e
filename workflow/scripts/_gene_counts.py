"""From Salmon's transcripts to genes, as tximport does it (https://doi.org/10.12688/f1000research.7563.2)."""

from pathlib import Path

import pandas as pd
from pytximport import tximport

COLUMNS = ["counts", "abundance", "length"]


def count_genes(quants: list[Path], tx2gene: Path, samples: list[str]) -> dict[str, pd.DataFrame]:
    """Sum transcripts to genes; return genes x samples tables: counts, abundance (TPM) and length (bases).

    Counts are lengthScaledTPM: abundance times the gene's mean length over these samples, scaled to each sample's
    library size; so they depend on which samples are counted together.
    """
    genes = tximport(
        [str(quant) for quant in quants],
        data_type="salmon",
        transcript_gene_map=pd.read_csv(tx2gene, sep="\t", dtype=str, keep_default_na=False),  # a gene may be NA
        counts_from_abundance="length_scaled_tpm",
        ignore_transcript_version=False,  # its default cuts ids at the dot, which many ids hold
        ignore_after_bar=False,
        output_type="xarray",
        return_data=True,
    )
    index = pd.Index(genes.coords["gene_id"].to_numpy(), name="gene_id")
    return {
        column: pd.DataFrame(genes[column].to_numpy(), index=index, columns=samples).sort_index() for column in COLUMNS
    }
