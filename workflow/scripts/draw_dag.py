"""Draw the workflow's rules, and the jobs of one sample, as SVG files and as one page that needs no network.

    draw_dag.py dag                        # rules: dag/rules.svg, dag/index.html
    draw_dag.py dag liver_1                # and the jobs of a sample: dag/liver_1.svg
    draw_dag.py dag liver_1 -- --configfile other.yaml --directory elsewhere

Snakemake says what depends on what (--rulegraph, --dag); Graphviz (dot, tred) lays it out.
"""

import argparse
import csv
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import yaml
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

WORKFLOW = Path(__file__).resolve().parents[1]
SVG = "http://www.w3.org/2000/svg"

# One colour a stage, in the order of the stages; dark text is legible on each.
COLOURS = ("#cfe3f7", "#d3efd8", "#fbe3bd", "#e8d7f5", "#f9d3d3", "#cdeeee", "#eee6c4", "#e4d9cf")
OTHER_COLOUR = "#e3e6e8"


class Node(NamedTuple):
    """One rule, or one job: `wildcards` are lines such as `sample: liver_1`; `done` has its output already."""

    rule: str
    wildcards: tuple[str, ...]
    done: bool


class Rule(NamedTuple):
    stage: str
    about: str


Graph = tuple[dict[str, Node], list[tuple[str, str]]]


def parse_dot(text: str) -> Graph:
    """Read what `snakemake --dag` prints: nodes by their id, and edges from a job to one that needs it.

    Lines before and after the graph are passed over: a Snakefile may print. Snakemake does not escape a label, so it
    is taken up to the attribute that follows it.
    """
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    lines = iter(text.splitlines())
    if not any(line.startswith("digraph snakemake_dag {") for line in lines):
        raise ValueError("Snakemake has printed no graph")
    for line in lines:
        if line.rstrip() == "}":
            return nodes, edges
        if node := re.fullmatch(r'\s*(\d+)\[label = "(.*)", color = "[^"]*", style="([^"]*)"\];\s*', line):
            rule, *wildcards = node[2].split(r"\n")
            nodes[node[1]] = Node(rule, tuple(wildcards), "dashed" in node[3])
        elif edge := re.fullmatch(r"\s*(\d+) -> (\d+)\s*", line):
            edges.append((edge[1], edge[2]))
    raise ValueError("Snakemake's graph has no end")


def read_rules(workflow: Path) -> dict[str, Rule]:
    """Find the stage of each rule, which is the file it is in, and the first paragraph of its docstring.

    A rule made of another (`use rule`) has that one's docstring.
    """
    rules: dict[str, Rule] = {}
    derived: dict[str, tuple[str, str]] = {}
    for path in (*sorted((workflow / "rules").glob("*.smk")), workflow / "Snakefile"):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in re.finditer(
            r'^(?:rule|checkpoint) (\w+):\n(?:\s+(?:r?"""(.*?)"""))?', text, re.MULTILINE | re.DOTALL
        ):
            about = (match[2] or "").strip().split("\n\n")[0]
            rules[match[1]] = Rule(path.stem, " ".join(about.split()))
        for base, name in re.findall(r"^use rule (\w+) as (\w+) with:", text, re.MULTILINE):
            derived[name] = path.stem, base
    return rules | {name: Rule(stage, rules[base].about) for name, (stage, base) in derived.items()}


def stages_of(graph: Graph, rules: Mapping[str, Rule]) -> list[str]:
    """List the stages of a graph in the order in which they end."""
    nodes, edges = graph
    needs: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        needs[target].append(source)
    depth: dict[str, int] = {}

    def measure(node: str, above: frozenset[str]) -> int:
        if node not in depth:
            below = [measure(need, above | {node}) for need in needs[node] if need not in above | {node}]
            depth[node] = 1 + max(below, default=0)
        return depth[node]

    last: dict[str, int] = {}
    for node, content in nodes.items():
        if content.rule in rules:
            stage = rules[content.rule].stage
            last[stage] = max(last.get(stage, 0), measure(node, frozenset()))
    return sorted((stage for stage in last if stage != "Snakefile"), key=lambda stage: last[stage])


def write_dot(graph: Graph, rules: Mapping[str, Rule], colours: Mapping[str, str]) -> str:
    """Write a graph for Graphviz, in our own look."""
    nodes, edges = graph
    font = 'fontname="Helvetica,Arial,sans-serif"'
    lines = [
        "digraph {",
        f"graph [rankdir=TB, bgcolor=transparent, nodesep=0.3, ranksep=0.4, pad=0.1, {font}]",
        f'node [shape=box, {font}, fontsize=14, margin="0.2,0.1", color="#5c6770", fontcolor="#1b2228"]',
        'edge [color="#85909a", arrowsize=0.7, penwidth=1.3]',
    ]
    for name, node in nodes.items():
        stage = rules[node.rule].stage if node.rule in rules else ""
        style = "rounded,filled,dashed" if node.done else "rounded,filled"
        lines.append(f'{name} [label={label(node)}, fillcolor="{colours.get(stage, OTHER_COLOUR)}", style="{style}"]')
    lines += [f"{source} -> {target}" for source, target in edges]
    return "\n".join([*lines, "}"])


def label(node: Node) -> str:
    """Write a node's text in Graphviz's HTML: the rule, and its wildcards in small."""
    if not node.wildcards:
        return f"<<b>{xml(node.rule)}</b>>"
    lines = [f"<b>{xml(node.rule)}</b>"]
    lines += [f'<font point-size="12">{xml(shorten(wildcard))}</font>' for wildcard in node.wildcards]
    rows = "".join(f"<tr><td>{line}</td></tr>" for line in lines)
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{rows}</table>>'


def xml(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def lay_out(dot: str) -> str:
    """Have Graphviz leave out arrows that a longer way makes plain, and lay out the rest."""
    for command in (["tred"], ["dot", "-Tsvg"]):
        try:
            dot = subprocess.run(command, input=dot, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
        except FileNotFoundError:
            sys.exit(f"draw_dag: there is no program {command[0]}; install Graphviz (apt-get install graphviz)")
    return dot


def finish_svg(svg: str, graph: Graph, rules: Mapping[str, Rule], name: str, title: str) -> str:
    """Give each node its hover title, and the picture a name for those who cannot see it."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    root.set("role", "img")
    root.set("aria-label", title)
    for group in root.iter(f"{{{SVG}}}g"):
        found = group.find(f"{{{SVG}}}title")
        kind, group_id = group.get("class"), group.get("id", "")
        group.set("id", f"{name}-{group_id}")
        if found is None:
            continue
        if kind == "node":
            node = graph[0][found.text or ""]
            rule = rules.get(node.rule)
            said = [node.rule, *node.wildcards, *([rule.about] if rule and rule.about else [])]
            found.text = "\n".join([*said, *(["Its output exists already."] if node.done else [])])
        elif kind == "edge":
            source, target = (graph[0][end].rule for end in (found.text or "").split("->"))
            found.text = f"{source} → {target}"
        else:
            found.text = title
    return ElementTree.tostring(root, encoding="unicode")


def write_page(pictures: Sequence[tuple[str, str]], stages: Iterable[tuple[str, str]]) -> str:
    """Put pictures (title, SVG) on one page, with the colours of the stages."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    shown = [(title, Markup(svg)) for title, svg in pictures]
    return environment.get_template("dag.html.jinja").render(pictures=shown, stages=list(stages))


def ask_snakemake(options: Iterable[str]) -> Graph:
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--nolock", *options], capture_output=True, encoding="utf-8"
    )
    if run.returncode != 0:
        sys.exit(f"draw_dag: Snakemake cannot make the graph.\n{run.stderr}")
    return parse_dot(run.stdout)


def records_of(sample: str, folder: Path) -> list[str]:
    """The last file of each analysis of a sample, by the configuration and the table of samples in a folder."""
    file = folder / "config" / "config.yaml"
    config = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    results = (config.get("pathvars") or {}).get("results", "results")
    table = folder / (config.get("samples") or "config/samples.tsv")
    lanes = table.read_text(encoding="utf-8-sig").splitlines() if table.exists() else []
    analyses = {lane["sample"]: lane.get("analyses") for lane in csv.DictReader(lanes, delimiter="\t")}
    return [f"{results}/{name}/{sample}/record.json" for name in (analyses.get(sample) or "quant").split(",")]


def draw(output: Path, graphs: Mapping[str, tuple[str, Graph]], rules: Mapping[str, Rule]) -> None:
    """Write an SVG for each graph (file name to title and graph), and the page of them all."""
    first = next(iter(graphs.values()))[1]
    colours = dict(zip(stages_of(first, rules), COLOURS, strict=False))
    output.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number, (name, (title, graph)) in enumerate(graphs.items()):
        svg = finish_svg(lay_out(write_dot(graph, rules, colours)), graph, rules, f"picture{number}", title)
        (output / f"{name}.svg").write_text(svg, encoding="utf-8")
        pictures.append((title, svg))
    (output / "index.html").write_text(write_page(pictures, colours.items()), encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    ours, options = list(arguments), []
    if "--" in ours:
        at = ours.index("--")
        ours, options = ours[:at], ours[at + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("output", type=Path, help="the directory to write to")
    parser.add_argument("sample", nargs="?", help="draw the jobs of this sample too")
    given = parser.parse_args(ours)
    folder = Path(options[options.index("--directory") + 1] if "--directory" in options else "")

    graphs = {"rules": ("The rules", ask_snakemake([*options, "--rulegraph"]))}
    if given.sample:
        jobs = ask_snakemake([*options, "--dag", "--", *records_of(given.sample, folder)])
        graphs[f"sample.{given.sample}"] = (f"The jobs of sample {given.sample}", jobs)
    draw(given.output, graphs, read_rules(WORKFLOW))
    print(f"Open {given.output / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:])
