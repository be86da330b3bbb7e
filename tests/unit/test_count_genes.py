import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _gene_counts import count_genes
from count_genes import main
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def length_scaled_tpm(quants: list[pd.DataFrame], gene_of: dict[str, str]) -> dict[str, pd.DataFrame]:
    """tximport's rule, from its R source (summarizeToGene, makeCountsFromAbundance, replaceMissingLength).

    A gene's length in a sample is the mean length of its transcripts, weighted by their abundance. Where the gene has
    no abundance in a sample, it is the geometric mean of the other samples' lengths; where it has none in any, the
    plain mean of its transcripts' lengths. Counts are abundance times the gene's mean length over the samples, scaled
    so that each sample keeps its total.
    """
    genes = np.array([gene_of[name] for name in quants[0]["Name"]])
    names = sorted(set(genes))
    member = np.array([genes == name for name in names], dtype=float)  # genes x transcripts
    counts, abundance, length = (
        np.column_stack([quant[column] for quant in quants]) for column in ("NumReads", "TPM", "EffectiveLength")
    )
    gene_counts, gene_abundance = member @ counts, member @ abundance
    with np.errstate(invalid="ignore"):
        gene_length = (member @ (abundance * length)) / gene_abundance
    plain = (member @ length.mean(axis=1)) / member.sum(axis=1)
    for row, found in enumerate(gene_length):
        missing = np.isnan(found)
        if missing.all():
            found[:] = plain[row]
        elif missing.any():
            found[missing] = np.exp(np.log(found[~missing]).mean())
    scaled = gene_abundance * gene_length.mean(axis=1, keepdims=True)
    scaled *= gene_counts.sum(axis=0) / scaled.sum(axis=0)
    tables = {"counts": scaled, "abundance": gene_abundance, "length": gene_length}
    return {name: pd.DataFrame(table, index=names) for name, table in tables.items()}


def make_quants(seed: int, transcripts: int, samples: int, absent: float) -> tuple[list[pd.DataFrame], dict[str, str]]:
    """Quantify as Salmon does, some transcripts with nothing; ids have the dots and bars that real ones have."""
    rng = np.random.default_rng(seed)
    names = [f"{('ENST', 'NM_', 't|x.', 'tRNA-Ala(UGC)')[n % 4]}{n:04d}.{n % 3}" for n in range(transcripts)]
    gene_of = {name: f"gene.{rng.integers(max(transcripts // 3, 1))}|{n % 2}" for n, name in enumerate(names)}
    quants = []
    for _ in range(samples):
        lengths = rng.uniform(50, 5000, transcripts).round(3)
        reads = (rng.lognormal(3, 2, transcripts) * (rng.random(transcripts) > absent)).round(3)
        reads[0] += 1
        tpm = (reads / lengths / (reads / lengths).sum() * 1e6).round(6)
        columns = {"Name": names, "Length": lengths.astype(int) + 100, "EffectiveLength": lengths}
        quants.append(pd.DataFrame(columns | {"TPM": tpm, "NumReads": reads}))
    return quants, gene_of


def write(folder: Path, quants: list[pd.DataFrame], gene_of: dict[str, str]) -> tuple[list[Path], Path]:
    paths = []
    for number, quant in enumerate(quants):
        paths.append(folder / f"{number}.sf")
        quant.to_csv(paths[-1], sep="\t", index=False)
    tx2gene = folder / "tx2gene.tsv"
    tx2gene.write_text("transcript_id\tgene_id\n" + "".join(f"{one}\t{gene}\n" for one, gene in gene_of.items()))
    return paths, tx2gene


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    transcripts=st.integers(1, 60),
    samples=st.integers(1, 4),
    absent=st.sampled_from([0, 0.3, 0.9]),
)
def test_counts_abundance_and_length_are_those_of_tximports_rule(tmp_path_factory, seed, transcripts, samples, absent):
    quants, gene_of = make_quants(seed, transcripts, samples, absent)
    paths, tx2gene = write(tmp_path_factory.mktemp("quants"), quants, gene_of)
    expected = length_scaled_tpm(quants, gene_of)
    found = count_genes(paths, tx2gene, [f"s{n}" for n in range(samples)])
    for name, table in expected.items():
        assert list(found[name].index) == list(table.index)
        np.testing.assert_allclose(found[name].to_numpy(), table.to_numpy(), rtol=1e-6, atol=1e-9)


def test_a_sample_keeps_its_number_of_reads(tmp_path):
    quants, gene_of = make_quants(1, 200, 3, 0.5)
    paths, tx2gene = write(tmp_path, quants, gene_of)
    totals = count_genes(paths, tx2gene, ["a", "b", "c"])["counts"].sum()
    np.testing.assert_allclose(totals, [quant["NumReads"].sum() for quant in quants])


def test_a_table_of_one_sample_has_its_genes_sorted_and_three_columns(tmp_path):
    quants, gene_of = make_quants(2, 50, 1, 0.5)
    (quant,), tx2gene = write(tmp_path, quants, gene_of)
    main(quant, tx2gene, tmp_path / "genes.tsv")
    table = pd.read_csv(tmp_path / "genes.tsv", sep="\t", index_col=0)
    assert list(table.columns) == ["counts", "abundance", "length"]
    assert list(table.index) == sorted(set(gene_of.values()))
    for name, expected in length_scaled_tpm(quants, gene_of).items():
        np.testing.assert_allclose(table[name], expected[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("reason", ["check_reads: x.fq holds no reads"])
def test_a_failed_sample_says_so_again_and_imports_nothing_heavy(tmp_path, reason):
    (tmp_path / "quant.sf").write_text(f"# no result: {reason}\n")
    code = (
        "import sys; from pathlib import Path; from count_genes import main; "
        "main(Path('quant.sf'), Path('none'), Path('genes.tsv')); print({'pandas', 'pytximport'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True
    )
    assert done.stdout == "set()\n", done.stderr
    assert (tmp_path / "genes.tsv").read_text() == f"# no result: {reason}\n"


def test_gene_ids_that_look_like_numbers_or_like_nothing_stay_what_they_are(tmp_path):
    quants, gene_of = make_quants(4, 8, 1, 0)
    gene_of = dict(zip(gene_of, ["0852", "NA", "1e3", "nan", "null", "11", "11", "None"], strict=True))
    (quant,), tx2gene = write(tmp_path, quants, gene_of)
    main(quant, tx2gene, tmp_path / "genes.tsv")
    ids = [line.split("\t")[0] for line in (tmp_path / "genes.tsv").read_text().splitlines()[1:]]
    assert ids == sorted(set(gene_of.values()))
