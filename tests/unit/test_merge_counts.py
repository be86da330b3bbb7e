from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest
from merge_counts import main
from write_parquet import main as write_parquet

from tests.unit.test_count_genes import length_scaled_tpm, make_quants

COLUMNS = ("counts", "abundance", "length")


@pytest.fixture
def run(tmp_path):
    """Three samples of one organism, laid out as the workflow does: `b` failed. Returns what was quantified."""
    quants, gene_of = make_quants(3, 40, 3, 0.3)
    (tmp_path / "tx2gene.tsv").write_text(
        "transcript_id\tgene_id\n" + "".join(f"{one}\t{gene}\n" for one, gene in gene_of.items())
    )
    for name, quant in zip("abc", quants, strict=True):
        folder = tmp_path / "quant" / name
        folder.mkdir(parents=True)
        if name == "b":
            (folder / "quant.sf").write_text("# no result: check_reads: broken\n")
        else:
            quant.to_csv(folder / "quant.sf", sep="\t", index=False)
    return quants, gene_of


def merge(folder: Path, samples: str) -> dict[str, pd.DataFrame]:
    outputs = {column: folder / f"{column}.tsv" for column in COLUMNS}
    main([folder / "quant" / name / "quant.sf" for name in samples], folder / "tx2gene.tsv", outputs)
    return {
        column: pd.read_csv(path, sep="\t", index_col=0, float_precision="round_trip")
        for column, path in outputs.items()
    }


@pytest.mark.parametrize("order", ["abc", "cba"])
def test_the_matrices_hold_the_samples_that_came_through_in_the_order_of_the_manifest(run, tmp_path, order):
    quants, gene_of = run
    names = order.replace("b", "")
    expected = length_scaled_tpm([quants["abc".index(name)] for name in names], gene_of)
    for column, table in merge(tmp_path, order).items():
        assert list(table.columns) == list(names)
        np.testing.assert_allclose(table.to_numpy(), expected[column].to_numpy(), rtol=1e-6, atol=1e-9)
        assert list(table.index) == list(expected[column].index)


def test_where_every_sample_failed_the_matrices_are_empty_and_still_read_as_tables(run, tmp_path):
    for table in merge(tmp_path, "b").values():
        assert table.empty
    write_parquet(tmp_path / "counts.tsv", tmp_path / "counts.parquet")
    assert polars.read_parquet(tmp_path / "counts.parquet").columns == ["gene_id"]


def test_parquet_holds_the_same_table(run, tmp_path):
    table = merge(tmp_path, "abc")["counts"]
    write_parquet(tmp_path / "counts.tsv", tmp_path / "counts.parquet")
    stored = polars.read_parquet(tmp_path / "counts.parquet")
    assert stored.columns == ["gene_id", "a", "c"]
    assert stored["gene_id"].to_list() == list(table.index)
    assert stored["a"].to_list() == list(table["a"])


def test_numbers_that_are_whole_until_late_in_a_column_are_read_as_numbers(tmp_path):
    rows = "".join(f"gene{n}\t0\t{n}\n" for n in range(20_000))
    (tmp_path / "x.tsv").write_text(f"gene_id\ta\tb\n{rows}last\t0.5\t1e-7\n")
    write_parquet(tmp_path / "x.tsv", tmp_path / "x.parquet")
    assert polars.read_parquet(tmp_path / "x.parquet").dtypes == [polars.String, polars.Float64, polars.Float64]


def test_gene_ids_that_are_numbers_stay_text(tmp_path):
    (tmp_path / "x.tsv").write_text("gene_id\ta\n0852\t1.5\n11\t2.0\n")
    write_parquet(tmp_path / "x.tsv", tmp_path / "x.parquet")
    assert polars.read_parquet(tmp_path / "x.parquet")["gene_id"].to_list() == ["0852", "11"]
