import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from draw_dag import SVG, Node, Rule, draw, parse_dot, read_rules, stages_of, write_dot

DOT = r"""Something that the Snakefile prints
digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
    node[shape=box, style=rounded, fontname=sans,                 fontsize=10, penwidth=2];
    edge[penwidth=2, color=grey];
	0[label = "quantify\nk: 31\nsample: a"b]<i>&", color = "0.00 0.6 0.85", style="rounded"];
	1[label = "fetch", color = "0.37 0.6 0.85", style="rounded,dashed"];
	2[label = "unknown", color = "0.37 0.6 0.85", style="rounded"];
	1 -> 0
	1 -> 2
	0 -> 2
}
and something more"""
GRAPH = (
    {
        "0": Node("quantify", ("k: 31", 'sample: a"b]<i>&'), False),
        "1": Node("fetch", (), True),
        "2": Node("unknown", (), False),
    },
    [("1", "0"), ("1", "2"), ("0", "2")],
)
RULES = {"quantify": Rule("quant", "Count <reads> & more."), "fetch": Rule("ensembl", "")}


def test_reads_the_graph_between_other_lines():
    assert parse_dot(DOT) == GRAPH


@pytest.mark.parametrize("text", ["", "Nothing to be done\n", DOT.split("\n}")[0]])
def test_says_when_there_is_no_whole_graph(text):
    with pytest.raises(ValueError, match="graph"):
        parse_dot(text)


def test_finds_stage_and_docstring_of_the_rules(tmp_path: Path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/quant.smk").write_text(
        '"""A stage."""\n\nrule trim:\n    """Trim\n    ends.\n\n    More."""\n    input: "x"\n\n\n'
        'checkpoint plain:\n    input:\n        "a"\n\n\nrule last:\n    """Last."""\n    output: "b"\n'
    )
    (tmp_path / "rules/align.smk").write_text("use rule trim as trim_lane with:\n    input: 'y'\n")
    (tmp_path / "Snakefile").write_text('rule all:\n    """All."""\n')
    assert read_rules(tmp_path) == {
        "trim": Rule("quant", "Trim ends."),
        "trim_lane": Rule("align", "Trim ends."),
        "plain": Rule("quant", ""),
        "last": Rule("quant", "Last."),
        "all": Rule("Snakefile", "All."),
    }


def test_orders_the_stages_as_they_end():
    assert stages_of(GRAPH, RULES) == ["ensembl", "quant"]


def test_orders_the_stages_of_a_graph_with_a_circle():
    rules = {"a": Rule("one", ""), "b": Rule("two", "")}
    graph = ({"0": Node("a", (), False), "1": Node("b", (), False)}, [("0", "1"), ("1", "0"), ("0", "0")])
    assert set(stages_of(graph, rules)) == {"one", "two"}


def test_colours_by_stage():
    dot = write_dot(GRAPH, RULES, {"quant": "#abcdef"})
    assert "0 [label=" in dot and 'fillcolor="#abcdef"' in dot
    assert '1 [label=<<b>fetch</b>>, fillcolor="#e3e6e8", style="rounded,filled,dashed"]' in dot


class Open(HTMLParser):
    tags: list[str]

    def handle_starttag(self, tag, attributes):
        self.tags = [*getattr(self, "tags", []), tag]


def test_draws_pictures_with_hover_titles_and_one_page_that_loads_nothing(tmp_path: Path):
    draw(tmp_path, {"rules": ("The rules", GRAPH), "sample.<i>": ("Sample <i>", GRAPH)}, RULES)
    svg = ElementTree.parse(tmp_path / "rules.svg")
    titles = [title.text for title in svg.iter(f"{{{SVG}}}title")]
    assert 'quantify\nk: 31\nsample: a"b]<i>&\nCount <reads> & more.' in titles
    assert "fetch\nIts output exists already." in titles
    assert "fetch → quantify" in titles
    assert "fetch → unknown" not in titles  # by way of quantify

    page = (tmp_path / "index.html").read_text()
    parsed = Open()
    parsed.feed(page)
    assert parsed.tags.count("svg") == 2
    assert not {"script", "i", "link", "image", "img", "iframe"} & set(parsed.tags)
    assert page.count('id="picture0-') and page.count('id="picture1-')
    assert page.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    assert "ensembl" in page


def test_draws_a_real_workflow(tmp_path: Path):
    (tmp_path / "Snakefile").write_text(
        'print("hello")\nrule count:\n    input: "trim/{s}"\n    output: "results/quant/{s}/record.json"\n'
        'rule trim:\n    output: "trim/{s}"\nrule all:\n    default_target: True\n'
        '    input: "results/quant/one/record.json", "results/quant/two/record.json"\n'
    )
    script = Path(__file__).parents[2] / "workflow/scripts/draw_dag.py"
    command = [sys.executable, script, "dag", "one", "--", "--snakefile", "Snakefile"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in (tmp_path / "dag").iterdir()) == ["index.html", "rules.svg", "sample.one.svg"]
    assert ">all<" in (tmp_path / "dag/rules.svg").read_text()
    jobs = (tmp_path / "dag/sample.one.svg").read_text()
    assert "s: one" in jobs and "two" not in jobs

    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("pathvars: {results: elsewhere}\n")
    (tmp_path / "config/samples.tsv").write_text("sample\tanalyses\none\tquant,align\n")
    text = (tmp_path / "Snakefile").read_text().replace("results/", "elsewhere/")
    text += 'rule align:\n    input: "trim/{s}"\n    output: "elsewhere/align/{s}/record.json"\n'
    (tmp_path / "Snakefile").write_text(text)
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    jobs = (tmp_path / "dag/sample.one.svg").read_text()
    assert ">count<" in jobs and ">align<" in jobs

    command[3] = "three"
    (tmp_path / "Snakefile").write_text("rule all:\n    input: 'missing'\n")
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert "Snakemake cannot make the graph" in run.stderr and "missing" in run.stderr
