import re
from pathlib import Path

import pytest
import yaml
from _configuration import check_configuration, mistakes, read_config_file, settle
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())


def check(folder, text, typed=None):
    """Read and check a configuration; return the problems, without the folder."""
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    config, rows, problems = read_config_file(path)
    problems = problems or check_configuration(config | (typed or {}), SCHEMA, path, rows, typed or {})
    return [problem.removeprefix(f"{folder}/") for problem in problems]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "trim: {}\n# nothing\n",
        "\ufeffindex:\r\n  kmers: [31]\r\n",
        '{"index": {"kmers": [31]}}',
        "trim: {max_n: 0}",
        "trim: {max_n: 50}",
        "trim: {max_n: 0.1}",
    ],
)
def test_takes_what_is_right(tmp_path, text):
    assert check(tmp_path, text) == []


def test_the_configuration_that_is_shipped_is_right():
    config, rows, problems = read_config_file(ROOT / "config" / "config.yaml")
    assert problems == check_configuration(config, SCHEMA, Path("x"), rows, {}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("indx: {}", "row 1, key indx: no such key; did you mean index?"),
        ("index:\n  kmer: [31]", "row 2, key index.kmer: no such key; did you mean kmers? (known: kmers, decoys)"),
        (
            "index:\n  kmers: [31, 24]",
            "row 2, key index.kmers, item 2: 24 is not allowed; known: 1, 3, 5,",
        ),
        ("index:\n  kmers:\n  - 33", "row 3, key index.kmers, item 1: 33 is not allowed; known: 1, 3, 5,"),
        ("index:\n  kmers: [31, 31]", "row 2, key index.kmers, item 2: 31 is there twice; remove one"),
        ('index: {kmers: ["31"]}', 'row 1, key index.kmers, item 1: "31" is text; write a whole number without quotes'),
        (
            "index: {kmers: [31.0]}",
            "row 1, key index.kmers, item 1: 31.0 is a number with a point; write a whole number",
        ),
        ("index: {kmers: [true]}", "row 1, key index.kmers, item 1: true is true or false; write a whole number"),
        ("index: {kmers: 31}", "row 1, key index.kmers: 31 is a whole number; write a list, [31]"),
        ("index: {kmers: []}", "row 1, key index.kmers: the list is empty; write one or more (k of Salmon's indices"),
        ("index: {kmers: }", "row 1, key index.kmers: it has no value; write a list (k of Salmon's indices"),
        ("index:", "row 1, key index: it has no value; write keys below it (kmers, decoys), or remove the key"),
        ("index: 5", "row 1, key index: 5 is a whole number; write keys below it (kmers, decoys)"),
        ('trim: {enabled: "yes"}', 'row 1, key trim.enabled: "yes" is text; write true or false without quotes'),
        ("trim: {max_n: -1}", "row 1, key trim.max_n: -1 is too small; write 0 or more"),
        ("trim: {max_n: -0.1}", "row 1, key trim.max_n: -0.1 is too small; write 0 or more"),
        ("trim: {max_n: .nan}", "row 1, key trim.max_n: NaN is too small; write 0 or more"),
        ("trim: {max_n: 51}", "row 1, key trim.max_n: 51 is too large; write 50 or less"),
        (
            "trim: {max_n: 10%}",
            'row 1, key trim.max_n: "10%" is text; write a number (how many unknown bases (N) a read',
        ),
        ("trim: {max_n: true}", "row 1, key trim.max_n: true is true or false; write a number (how many"),
        ("quant: {long_reads_over: 0}", "row 1, key quant.long_reads_over: 0 is too small; write 1 or more"),
        ("ensembl: {rest: ftp://x}", 'row 1, key ensembl.rest: "ftp://x" is not allowed; write it as in https://rest'),
        ("hla: {version: 3.33}", "row 1, key hla.version: 3.33 is a number with a point; write text: put it in quotes"),
        (
            "hla: {version: latest}",
            'row 1, key hla.version: "latest" is not allowed; write it as in 3.33.0 (the release',
        ),
        ("hla: {release: imgt}", 'row 1, key hla.release: "imgt" is text; write a list, [imgt] (files of an IPD-IMGT'),
        (
            "hla: {release: [~/a.zip]}",
            'row 1, key hla.release, item 1: "~/a.zip" is not allowed; write it as in imgt/A',
        ),
        ("hla: {loci: [A, a]}", 'row 1, key hla.loci, item 2: "a" is not allowed; did you mean A? (the loci that are'),
        (
            "align:\n  warn:\n    min_mapped_percent: 900",
            "row 3, key align.warn.min_mapped_percent: 900 is too large; write 100 or less",
        ),
        (
            "hla: {solver: glpk}",
            'row 1, key hla.solver: "glpk" is not allowed; known: cbc, highs (the solver of the int',
        ),
        ("hla: {max_reads: 5}", "row 1, key hla.max_reads: 5 is too small; write 1000 or more"),
        ("hla: {common: a*.csv}", 'row 1, key hla.common: "a*.csv" is not allowed; write it as in imgt/ciwd.3.0.0.csv'),
        ("samples: 5", "row 1, key samples: 5 is a whole number; write text: put it in quotes if it is right"),
        ("samples: [a]", 'row 1, key samples: ["a"] is a list; write text (the table of samples'),
        ("pathvars: {results: 5}", "row 1, key pathvars.results: 5 is a whole number; write text"),
        ("pathvars: x", 'row 1, key pathvars: "x" is text; write keys below it (Snakemake\'s path variables'),
        ("samples: 2026-01-01", 'row 1, key samples: "2026-01-01" is of another kind; write text'),
    ],
)
def test_says_what_is_wrong_and_what_to_do(tmp_path, text, expected):
    (problem,) = check(tmp_path, text)
    assert problem.startswith(f"config.yaml, {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "index:\n\tkmers: [31]",
            ", row 2: this is not YAML (found character that cannot start any token); indent with",
        ),
        (
            "a: b\nindex\n",
            ", row 3: this is not YAML (could not find expected ':'); look at its colon, quotes and indent",
        ),
        (
            "index:\n  kmers: [31, 23\ntrim: {enabled: true}\n",
            ", row 2: this is not YAML (did not find expected ',' or ']'); look at its colon, quotes",
        ),
        ('samples: "a', ", row 1: this is not YAML (found unexpected end of stream); look at its colon, quotes and"),
        ("\n# nothing\n", ": the file is empty; write one key or more, as in samples: config/samples.tsv"),
        ("- a", ", row 1: no key found; write each key with a colon and its value"),
        ("trim: {}\nindex: {}\ntrim: {}", ", row 3, key trim: the key is in row 1 already; put both together"),
        (b"samples: \xb5", ", row 1: byte 0xb5 is not UTF-8; save it as text in UTF-8"),
        ("samples: a".encode("utf-16"), ": the file is not UTF-8 but UTF-16"),
    ],
)
def test_says_why_a_file_cannot_be_read(tmp_path, text, expected):
    (problem,) = check(tmp_path, text)
    assert problem.startswith(f"config.yaml{expected}")


def test_says_where_the_configuration_should_be(tmp_path):
    problem = "there is no such file here; run Snakemake in the folder that has it, or give --directory"
    assert read_config_file(tmp_path / "config.yaml")[2] == [f"{tmp_path}/config.yaml: {problem}"]


def test_tells_all_mistakes_in_the_order_of_the_file_and_those_of_the_command_line(tmp_path):
    problems = check(tmp_path, "quant: 5\ntrimm: 1\nindex: {decoys: 1}\n", typed={"samplez": 1, "quant": "x"})
    assert [problem.split(": ")[0] for problem in problems] == [
        "config.yaml or the command line, key samplez",
        "config.yaml or the command line, key quant",
        "config.yaml, row 2, key trimm",
        "config.yaml, row 3, key index.decoys",
    ]


TRIM = {"enabled": True, "adapters": "", "max_n": 5}


def test_settles_what_is_missing_or_wrong_by_the_defaults():
    settled = settle({"index": {"kmers": [31], "decoys": "x"}, "samples": 5, "trim": None}, SCHEMA)
    assert settled["index"] == {"kmers": [31], "decoys": False}
    assert (settled["samples"], settled["trim"], settled["pathvars"]) == ("config/samples.tsv", TRIM, {})
    assert list(mistakes(settled, SCHEMA)) == []


# A rule that the check does not know would be passed over without a word.
def test_the_schema_says_nothing_that_is_not_checked():
    known = {"description", "type", "default", "properties", "additionalProperties"}
    known |= {
        "enum",
        "pattern",
        "examples",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "uniqueItems",
        "$schema",
        "title",
    }

    def walk(rule):
        assert rule.keys() <= known
        assert rule["type"] != "object" or rule["additionalProperties"] is False
        assert rule["type"] != "array" or rule["uniqueItems"] is True
        assert "pattern" not in rule or rule.keys() & {"default", "examples"}
        for inner in [*rule.get("properties", {}).values(), *([rule["items"]] if "items" in rule else [])]:
            walk(inner)

    walk(SCHEMA)


KEY = st.sampled_from(["index", "kmers", "decoys", "samples", "pathvars", "results", "x", "1"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEY, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(KEY, VALUE, max_size=5))
def test_whatever_is_configured_is_checked_and_settled(config):
    assert list(mistakes(settle(config, SCHEMA), SCHEMA)) == []
    assert all(problem for _, problem in mistakes(config, SCHEMA))


@settings(deadline=None)
@given(data=st.binary() | st.text("index:kmers[]{},31 \n\t-&a*\"'#%!").map(str.encode))
def test_no_file_crashes_the_reader(data, tmp_path_factory):
    assert all(problem.startswith("config.yaml") for problem in check(tmp_path_factory.mktemp("config"), data))


def documented() -> dict[str, str]:
    """Each key of config/README.md's table with its default, as YAML; several keys of a row have one each."""
    found = {}
    text = (ROOT / "config/README.md").read_text().split("## config.yaml")[1].split("\n## ")[0]
    for keys, default in re.findall(r"^\| (`.*?) \| (.*?) ?\|", text, re.M):
        names, values = re.findall("`(.+?)`", keys), re.findall("`(.+?)`", default)
        found |= dict(zip(names, values, strict=False)) if values else dict.fromkeys(names, "")
    return found


def test_every_key_is_documented_with_its_default():
    settled, told = settle({}, SCHEMA), documented()
    flat = {
        f"{key}.{inner}" if inner else key: inside
        for key, value in settled.items()
        for inner, inside in (value.items() if isinstance(value, dict) and value else {"": value}.items())
    }
    assert told.keys() - flat.keys() <= {"images"}  # it has no default
    assert flat.keys() == told.keys() - {"images"}
    assert {key: yaml.safe_load(text) for key, text in told.items() if text} == {
        key: flat[key] for key, text in told.items() if text
    }
