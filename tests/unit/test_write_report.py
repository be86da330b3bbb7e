import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from _failed_jobs import FailedJob
from _report_values import span
from write_report import render, write_report

SAMPLE = {
    "sample": "liver_1",
    "organism": "saccharomyces_cerevisiae",
    "analysis": "quant",
    "success": True,
    "reason": None,
    "failed_step": None,
    "start": "2026-03-01T10:00:00+00:00",
    "end": "2026-03-01T10:05:30+00:00",
    "seconds": 330.2,
    "peak_memory_mb": 812.4,
    "reads": 12345678,
    "mean_read_length": 75.6,
    "index": "saccharomyces_cerevisiae.R64-1-1.115.salmon-1.10.1.k31.tar.gz",
    "k": 31,
    "mapping_rate": 91.234,
    "library_type": {"claimed": "ISR", "found": "ISR", "agrees": True},
    "versions": {"salmon": "1.10.1", "fastp": "0.23.2"},
    "steps": [{"step": "salmon_quant", "seconds": 300.0, "peak_memory_mb": 812.4}],
}
FAILED = SAMPLE | {
    "sample": "zebra",
    "success": False,
    "reason": "z.fq.gz ends in the middle of its gzip stream: it was cut; bring the file again",
    "failed_step": "check_reads",
    "mapping_rate": None,
}
ANNOTATION = {
    "organism": "saccharomyces_cerevisiae",
    "assembly": "R64-1-1",
    "release": "115",
    "rows_in": 42000,
    "rows_kept": 41000,
    "removed": {"contig not in genome": 100, "pseudogene": 900},
    "repaired": {},
    "transcripts": 7126,
    "genes": 7127,
}
INDEX = {
    "organism": "saccharomyces_cerevisiae",
    "assembly": "R64-1-1",
    "release": "115",
    "k": 31,
    "salmon": "1.10.1",
    "decoys": True,
    "transcripts_in": 7126,
    "transcripts_out": 7100,
    "size": 23_400_000,
    "sha256": "abcdef0123456789",
}


class Page(HTMLParser):
    """The elements of a page, the text of its tables' cells, and what tags were left open."""

    VOID = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


def test_shows_the_numbers_of_a_sample_an_organism_and_an_index():
    text = " ".join(Page(render([SAMPLE], [ANNOTATION], [INDEX])).text)
    for expected in ("12,345,678", "75.6", "91.23", "2026-03-01 10:00 – 10:05", "saccharomyces_cerevisiae"):
        assert expected in text
    assert "900 pseudogene; 100 contig not in genome" in text
    assert "23.4" in text and "7,126" in text
    assert "salmon 1.10.1" in text


def test_is_well_formed_and_loads_nothing():
    page = render([SAMPLE, FAILED], [ANNOTATION], [INDEX], links={"MultiQC": "multiqc.html"})
    parsed = Page(page)
    assert not parsed.wrong and not parsed.open
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", page)


def test_puts_the_failed_samples_first_with_the_reason_and_what_to_do():
    page = render([SAMPLE, FAILED], [], [], logs={"zebra": "../logs/check_reads/zebra.txt"})
    assert "The run finished with failures" in page
    assert page.index("z.fq.gz ends in the middle") < page.index("liver_1")
    assert page.count("zebra") > 1 and page.rindex("zebra") < page.index("liver_1")
    assert "Compare the file with the checksums" in page
    assert 'href="../logs/check_reads/zebra.txt"' in page


def test_a_failed_job_is_told_with_the_last_words_of_its_log_and_what_to_do(tmp_path: Path):
    log = tmp_path / "logs/clean_annotation/mine.v1.own.txt"
    log.parent.mkdir(parents=True)
    log.touch()
    reason = "my.fa.gz: it is a web page (HTML), not FASTA; bring it again and run `snakemake lock`"
    job = FailedJob("clean_annotation", "mine", reason, "organism mine, assembly v1, release own", log)
    output = tmp_path / "report/unfinished.html"
    failed = [job, job._replace(subject="other", log=None)]
    write_report([], [], [], output, wanted={"quant": {"a": "mine"}}, failed=failed)
    page = output.read_text()
    assert "The run finished with failures" in page and "my.fa.gz: it is a web page (HTML), not FASTA" in page
    assert 'href="../logs/clean_annotation/mine.v1.own.txt"' in page
    assert "Do what it says; organisms that are not named there are not affected." in page
    assert "not finished" in page
    assert not Page(page).wrong


def test_tells_small_sizes_and_organisms_as_they_are_called_elsewhere():
    text = Page(render([SAMPLE], [ANNOTATION], [INDEX | {"size": 41_234}, INDEX])).text
    assert "0.041" in text and "23.4" in text
    assert "saccharomyces_cerevisiae" in text and "Saccharomyces cerevisiae" not in text


def test_warns_where_the_library_type_is_another_one_than_claimed():
    other = SAMPLE | {"library_type": {"claimed": "ISF", "found": "ISR", "agrees": False}}
    page = render([other], [], [])
    assert '<span class="mark warn">ISF claimed, ISR found</span>' in page
    assert "library types to check" in page
    assert "library types to check" not in render([SAMPLE], [], [])


def test_tells_samples_that_have_no_record():
    page = render([SAMPLE], [], [], wanted={"quant": {"liver_1": "yeast", "gut": "yeast"}})
    assert "The run is not complete" in page
    assert "not finished" in page and ">gut<" in page


EVIL = "<script>alert('x')</script>\"'&</style><!--"


def test_makes_markup_in_any_text_inert():
    evil = dict.fromkeys(SAMPLE, EVIL) | {"success": False, "library_type": {"claimed": EVIL, "agrees": False}}
    fine = evil | {"success": True, "versions": {EVIL: EVIL}}
    many = [evil | {"sample": f"{EVIL}{number}"} for number in range(300)]
    page = render(
        [evil, fine, *many],
        [dict.fromkeys(ANNOTATION, EVIL) | {"removed": {EVIL: 3}}],
        [dict.fromkeys(INDEX, EVIL)],
        run={"versions": {EVIL: EVIL}, "configuration": {EVIL: {EVIL: EVIL}}},
        wanted={"quant": {EVIL + "2": EVIL}},
        links={EVIL: EVIL},
        logs={EVIL: "javascript:alert(1)"},
        unreadable=[EVIL],
    )
    plain = Page(render([SAMPLE], [ANNOTATION], [INDEX]))
    parsed = Page(page)
    assert not parsed.wrong and not parsed.open
    assert "alert('x')" not in page.replace(r"\u003cscript\u003ealert('x')\u003c/script\u003e", "")
    assert parsed.count("script") == plain.count("script") + 2  # the rows of the two long tables
    assert parsed.count("style") == 1
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert "javascript:" not in page


def test_keeps_the_text_of_the_long_tables_data():
    samples = [SAMPLE | {"sample": f"s{number}<b>&", "organism": EVIL} for number in range(201)]
    data = re.search(r'<script type="application/json">(.*?)</script>', render(samples, [], [])).group(1)
    rows = json.loads(data)
    assert len(rows) == 201
    assert rows[0][0] == "s0<b>&" and rows[0][2] == [EVIL, "text"]


@pytest.mark.parametrize("record", [{}, {"success": True}, {"success": False}, {"library_type": 3, "versions": []}])
def test_shows_a_dash_where_a_key_is_missing(record):
    page = Page(render([record], [record], [record], run={"configuration": "none"}))
    assert not page.wrong and "–" in page.text


@pytest.mark.parametrize(("rate", "marked"), [(0.4, True), (4.99, True), (5, False)])
def test_a_sample_of_which_next_to_nothing_maps_is_marked(rate, marked):
    page = Page(render([SAMPLE | {"analysis": "quant", "mapping_rate": rate}], [ANNOTATION], [INDEX]))
    assert ("check mapping" in page.text) == ("samples of which next to nothing maps" in page.text) == marked


@pytest.mark.parametrize("key", SAMPLE)
@pytest.mark.parametrize("value", [None, "text", 3, [], {"a": {"b": 1}}, float("nan")])
def test_survives_any_value_of_any_key(key, value):
    page = Page(render([SAMPLE | {key: value}, SAMPLE], [ANNOTATION | {"removed": value}], [INDEX | {"size": value}]))
    assert not page.wrong and SAMPLE["sample"] in page.text


def test_has_headings_captions_and_scopes():
    parsed = Page(render([SAMPLE, FAILED], [ANNOTATION], [INDEX]))
    assert parsed.count("h1") == 1
    assert parsed.count("caption") == parsed.count("table") == 4
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in parsed.tags if tag == "th")
    assert ("html", {"lang": "en"}) in parsed.tags


def test_stays_small_for_ten_thousand_samples():
    samples = [SAMPLE | {"sample": f"sample_{number:05}", "success": number % 50 > 0} for number in range(10_000)]
    page = render(samples, [ANNOTATION] * 20, [INDEX] * 40)
    assert len(page.encode()) < 5_000_000
    assert page.count("<tr>") < 500


def test_writes_the_page_from_what_exists(tmp_path: Path):
    good, cut = tmp_path / "quant/liver_1/record.json", tmp_path / "quant/zebra/record.json"
    for path, text in ((good, json.dumps(FAILED | {"sample": "liver_1"})), (cut, '{"sample": "zeb')):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    log = tmp_path / "logs/check_reads/liver_1.txt"
    log.parent.mkdir(parents=True)
    log.touch()
    counts = tmp_path / "counts/yeast a.tsv"
    counts.parent.mkdir()
    counts.touch()
    output = tmp_path / "report/index.html"
    write_report(
        [good, cut],
        [tmp_path / "missing.json"],
        [],
        output,
        links={"Counts": counts, "MultiQC": tmp_path / "report/multiqc.html"},
        logs=tmp_path / "logs",
    )
    page = output.read_text()
    assert 'href="../counts/yeast%20a.tsv"' in page
    assert 'href="../logs/check_reads/liver_1.txt"' in page
    assert "MultiQC</a>" not in page
    assert str(cut) in page and "missing.json" in page
    assert [path.name for path in output.parent.iterdir()] == ["index.html"]


def test_names_the_day_of_the_end_only_where_it_differs():
    assert span("2026-03-01T23:00:00Z", "2026-03-02T01:00:00Z") == "2026-03-01 23:00 – 2026-03-02 01:00"
    assert span("2026-03-01T23:00:00Z", "2026-03-02T01:00:00+02:00") == "2026-03-01 23:00 – 23:00"
    assert span(None, None) == "–"
