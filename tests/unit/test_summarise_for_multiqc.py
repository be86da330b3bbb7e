import json
import re
from pathlib import Path

import pytest
import yaml
from summarise_for_multiqc import MOST_ROWS, annotation_section, main, sample_section


def parse(text: str) -> tuple[dict, list[list[str]]]:
    lines = text.splitlines()
    header = yaml.safe_load("\n".join(line[1:] for line in lines if line.startswith("#")))
    return header, [line.split("\t") for line in lines if not line.startswith("#")]


def test_gives_each_organism_a_row_and_each_reason_a_column():
    header, rows = parse(
        annotation_section(
            [
                {"organism": "yeast", "removed": {"pseudogene": 900}},
                {"organism": "fly", "removed": {"contig not in genome": 3, "pseudogene": 1}},
                {"organism": "worm"},
            ]
        )
    )
    assert header["plot_type"] == "bargraph"
    assert rows == [
        ["Organism", "contig not in genome", "pseudogene"],
        ["fly", "3", "1"],
        ["worm", "0", "0"],
        ["yeast", "0", "900"],
    ]


def test_puts_failed_samples_first_with_their_reason():
    header, rows = parse(
        sample_section(
            [
                {"sample": "a", "success": True, "organism": "yeast", "library_type": {"found": "ISR"}},
                {"sample": "b", "success": False, "failed_step": "trim", "reason": "cut\tshort\n<script>#1"},
            ]
        )
    )
    assert header["id"] == "fishladder_samples" and header["plot_type"] == "table"
    assert rows[1:] == [
        ["b", "failed", "", "", "trim", "cut short &lt;script&gt;&num;1"],
        ["a", "passed", "yeast", "ISR", "", ""],
    ]


def test_keeps_to_the_rows_that_multiqc_shows_as_a_table():
    samples = [{"sample": str(number), "success": number % 100 != 0} for number in range(2000)]
    _, rows = parse(sample_section(samples))
    assert len(rows) == 1 + MOST_ROWS
    assert sum(row[1] == "failed" for row in rows) == 20


def test_writes_nothing_where_there_is_nothing_to_show():
    assert annotation_section([]) == ""
    assert sample_section([]) == ""


def test_an_annotation_of_which_no_row_was_removed_is_shown_since_multiqc_fails_on_an_empty_report():
    assert annotation_section([{"organism": "yeast", "removed": {}}]).endswith("Organism\tnone\nyeast\t0\n")


def test_writes_both_files(tmp_path):
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"sample": "a", "success": True}))
    main([str(record)], [], *(tmp_path / f"{of}_mqc.tsv" for of in ("samples", "annotation", "hla")))
    assert "a\tpassed" in (tmp_path / "samples_mqc.tsv").read_text()
    assert (tmp_path / "annotation_mqc.tsv").read_text() == ""


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("results/quant/liver_1/fastp/reads.fastq.gz", "liver_1"),
        ("quant/gut_R1_001/salmon/aux_info/salmon", "gut_R1_001"),
        ("/home/quant/run1/results/quant/A.trimmed/salmon/libParams/salmon", "A.trimmed"),
        ("results/quant/quant/salmon/salmon", "quant"),
        ("liver_1.sorted", "liver_1.sorted"),
        ("results/align/liver_1/lanes/L001/fastp/fastp.json", "liver_1/L001"),
        ("results/align/liver_1/metrics/liver_1.alignment_metrics.txt", "liver_1"),
        ("results/align/liver_1/recalibrated/liver_1.recal.table", "liver_1/recalibrated"),
    ],
)
def test_has_multiqc_name_samples_as_we_do(name, sample):
    settings = yaml.safe_load((Path(__file__).parents[2] / "resources/multiqc.yaml").read_text())
    for cleaning in settings["fn_clean_exts"]:  # in their order, as MultiQC does
        if cleaning["type"] == "regex_keep":
            name = re.search(cleaning["pattern"], name).group()
        else:
            assert cleaning["type"] == "remove"
            name = name.replace(cleaning["pattern"], "")
    assert name == sample
