"""What `snakemake -n` ends with: a table that says how many jobs of each rule would run, and why.

Snakemake tells the reason of each job, and of each reason the rules; nobody reads 60,000 reasons. A hook at exit counts
them from Snakemake's own graph. A logger plugin, the other way, costs 6 s more for 60,000 jobs, gets no reasons at all
with `-n --quiet`, and works only where it is installed and switched on.
"""

import atexit
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Snakemake's names of the reasons (snakemake.jobs.Reason.get_names), in fewer words.
SHORT = {
    "output files have to be generated": "output missing",
    "incomplete output files": "output incomplete",
    "updated input files": "input newer than output",
    "input files updated by another job": "input updated by another job",
    "set of input files has changed since last execution": "other input files than last time",
    "code has changed since last execution": "code changed",
    "params have changed since last execution": "params changed",
    "software environment definition has changed since last execution": "environment changed",
    "forced": "forced",
    "neither input nor output": "always runs",
    "run or shell but no output": "always runs",
    "pipe output needed by consuming job": "fills a pipe of another job",
    "provides service for consuming job": "serves another job",
}


def explain_at_exit(workflow: Any) -> None:
    """End a dry run with the table; a real run, a job's own Snakemake and `--dag` end as ever."""
    if workflow.is_main_process:
        atexit.register(explain, workflow)


def explain(workflow: Any) -> None:
    if not workflow.dryrun or workflow.dag is None:
        return
    order = {rule.name: number for number, rule in enumerate(workflow.rules)}
    counts = count(reasons(workflow.dag))
    if counts:
        with contextlib.suppress(BrokenPipeError):  # snakemake -n | head
            print(plan_table(dict(sorted(counts.items(), key=lambda item: order[item[0]]))), flush=True)


def reasons(dag: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the rule and the reasons of each job that would run (Snakemake 9.27 has no public way to them)."""
    for job in dag.needrun_jobs(exclude_finished=False):
        yield job.rule.name, list(dag.reason(job).get_names())


def count(jobs: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[int, Counter]]:
    """Count each rule's jobs, and how many of them have which reason; a job may have several."""
    total: Counter = Counter()
    why: dict[str, Counter] = defaultdict(Counter)
    for rule, names in jobs:
        total[rule] += 1
        why[rule].update({SHORT.get(name, name) for name in names})
    return {rule: (number, why[rule]) for rule, number in total.items()}


def plan_table(counts: Mapping[str, tuple[int, Counter]]) -> str:
    """Write the table; a reason that holds for all jobs of its rule stands without a number."""
    rows = [(rule, f"{jobs:,}", " · ".join(tell(jobs, why))) for rule, (jobs, why) in counts.items()]
    total = ("total", f"{sum(jobs for jobs, _ in counts.values()):,}", "")
    rows = [("rule", "jobs", "why"), *rows, total]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{rule:<{first}}  {jobs:>{second}}  {why}".rstrip() for rule, jobs, why in rows]
    return "\n".join(["", "What would run, and why:", lines[0], "-" * max(map(len, lines)), *lines[1:]])


def tell(jobs: int, why: Counter) -> Iterator[str]:
    for reason, number in sorted(why.items(), key=lambda item: (-item[1], item[0])):
        yield reason if number == jobs else f"{reason} ({number:,})"
