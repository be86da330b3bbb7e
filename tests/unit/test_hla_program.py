"""The integer program finds the genotype, and the list of the next best, that a search through all of them finds."""

from itertools import combinations, product

import numpy as np
import pytest
from _hla_program import Program, make_program, objective_of, solve
from hypothesis import given, settings
from hypothesis import strategies as st

# What the next version of pulp takes away, it warns of.
pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")
LOCI = {"A": 4, "B": 3, "DRB3": 3}


def every_choice(program: Program) -> list[tuple[int, ...]]:
    """All genotypes: one or two alleles a locus, none as well where the locus is optional."""
    by_locus = []
    for locus in program.second:
        own = [number for number, name in enumerate(program.locus_of) if name == locus]
        sizes = (0, 1, 2) if locus in program.optional else (1, 2)
        by_locus.append([found for size in sizes for found in combinations(own, size)])
    return [tuple(sum(parts, ())) for parts in product(*by_locus)]


@st.composite
def evidence(draw: st.DrawFn) -> Program:
    """Fits of some fragments to the alleles of three loci; the fragments of two loci may be the same."""
    fragments = draw(st.integers(3, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    fits, rows = {}, {}
    for locus, alleles in LOCI.items():
        rows[locus] = np.flatnonzero(rng.random(fragments) < 0.8)
        fits[locus] = rng.choice([0.0, -3.0, -7.0, -12.0], (len(rows[locus]), alleles))
    elsewhere = rng.choice([-12.0, -12.0, -4.0], fragments)
    return make_program(fits, rows, elsewhere, ["DRB3"])


@settings(max_examples=25, deadline=None)
@given(program=evidence())
def test_the_optimum_and_the_next_best_are_those_of_a_search_through_all_genotypes(program):
    true = sorted((objective_of(program, choice) for choice in every_choice(program)), reverse=True)
    found = solve(program, "cbc", 60, 0, 6)
    assert found.status == "optimal"
    assert found.gap == 0
    assert [solution.objective for solution in found.solutions] == pytest.approx(true[:6])
    assert len({solution.chosen for solution in found.solutions}) == 6
    for solution in found.solutions:
        assert solution.objective == pytest.approx(objective_of(program, solution.chosen))


def test_a_second_allele_has_to_explain_something():
    fit = np.full((50, 3), -12.0)
    fit[:, 0] = 0
    fit[:25, 1] = 0
    program = make_program({"A": fit}, {"A": np.arange(50)}, np.full(50, -12.0), [])
    assert solve(program, "cbc", 60, 0, 1).solutions[0].chosen == (0,)
    fit[40:, 0], fit[40:, 2] = -12, 0
    program = make_program({"A": fit}, {"A": np.arange(50)}, np.full(50, -12.0), [])
    assert solve(program, "cbc", 60, 0, 1).solutions[0].chosen == (0, 2)


def test_what_other_genes_explain_speaks_for_no_allele():
    fit = np.full((20, 2), -12.0)
    fit[:12, 0], fit[12:, 1] = 0, 0
    elsewhere = np.where(np.arange(20) < 12, 0.0, -12.0)
    program = make_program({"A": fit}, {"A": np.arange(20)}, elsewhere, [])
    assert solve(program, "cbc", 60, 0, 1).solutions[0].chosen == (1,)


def test_fragments_that_the_same_alleles_explain_are_one_group():
    fit = np.tile([[0.0, -12.0], [-12.0, 0.0]], (500, 1))
    program = make_program({"A": fit}, {"A": np.arange(1000)}, np.full(1000, -12.0), [])
    assert program.groups == pytest.approx({frozenset({0}): 500.0, frozenset({1}): 500.0})


def test_a_solver_that_is_not_installed_is_named():
    program = Program(["A"], {frozenset({0}): 1.0}, {"A": 0.1}, frozenset())
    with pytest.raises(ValueError, match="the solver highs is not installed"):
        solve(program, "highs", 1, 0, 1)


def test_a_solver_that_finds_nothing_in_its_time_fails_the_job_and_types_nobody(monkeypatch):
    program = Program(["A"], {frozenset({0}): 1.0}, {"A": 0.1}, frozenset())
    monkeypatch.setattr("pulp.LpProblem.solve", lambda model, solver: None)  # as one that is out of time leaves it
    with pytest.raises(TimeoutError, match=r"no types within 5 s; let it have more: hla\.time_limit"):
        solve(program, "cbc", 5, 0, 1)
