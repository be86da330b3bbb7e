"""The integer program: at most two alleles a locus that between them explain the most, all loci together.

The formulation is OptiType's (Szolek et al., Bioinformatics 2014, doi:10.1093/bioinformatics/btu548), with a fragment
counted at several levels of fit instead of one: it is explained at a level where a chosen allele fits it so well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic

import numpy as np
import pulp
from pulp.apis.coin_api import pulp_cbc_path

# How well an allele must fit a fragment, as log likelihood, for each level: no difference, a doubtful one, a clear one.
LEVELS = (-2.0, -5.0, -10.0)
SECOND = 0.02  # what a second allele must explain, as a share of what the locus' fragments weigh
# The CBC that comes with pulp, or else one that is installed (as conda's pulp has it).
SOLVERS = {
    "cbc": (("COIN_CMD", {"path": pulp_cbc_path}), ("COIN_CMD", {})),
    "highs": (("HiGHS_CMD", {}), ("HiGHS", {})),
}


@dataclass
class Program:
    """What to solve. Variables are numbered; `locus_of` has the locus of each.

    `groups` has a weight for each set of variables of which one must be chosen to explain that much. `second` is, by
    locus, what a second allele costs; at an optional locus the first costs it as well.
    """

    locus_of: list[str]
    groups: dict[frozenset[int], float]
    second: dict[str, float]
    optional: frozenset[str]


@dataclass
class Solution:
    """Chosen variables, and the objective they reach."""

    chosen: tuple[int, ...]
    objective: float


@dataclass
class Solved:
    """The best solutions, best first; `gap` is the relative distance to the bound, 0 where the optimum is proved."""

    solutions: list[Solution]
    status: str
    gap: float
    seconds: float


def make_program(
    fits: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], elsewhere: np.ndarray, optional: Sequence[str]
) -> Program:
    """Collapse fragments that the same alleles explain.

    `fits` has, by locus, fragments by alleles; `rows` numbers those fragments over all loci; `elsewhere` is how well
    genes explain each fragment that are always there.
    """
    locus_of = [locus for locus, fit in fits.items() for _ in range(fit.shape[1])]
    first = dict(zip(fits, np.cumsum([0, *(fit.shape[1] for fit in fits.values())]), strict=False))
    groups: dict[frozenset[int], float] = {}
    for level in LEVELS:
        sets: dict[int, set[int]] = {}
        for locus, fit in fits.items():
            here, allele = np.nonzero((fit >= level) & (elsewhere[rows[locus]] < level)[:, None])
            for fragment, number in zip(rows[locus][here].tolist(), (allele + first[locus]).tolist(), strict=True):
                sets.setdefault(fragment, set()).add(number)
        for members in sets.values():
            group = frozenset(members)
            groups[group] = groups.get(group, 0.0) + 1 / len(LEVELS)
    weights = {
        locus: sum(w for group, w in groups.items() if any(locus_of[v] == locus for v in group)) for locus in fits
    }
    return Program(
        locus_of, groups, {locus: SECOND * weight for locus, weight in weights.items()}, frozenset(optional) & set(fits)
    )


def objective_of(program: Program, chosen: Sequence[int]) -> float:
    """What a choice of variables reaches."""
    taken = set(chosen)
    value = sum(weight for group, weight in program.groups.items() if group & taken)
    for locus, price in program.second.items():
        number = sum(program.locus_of[variable] == locus for variable in taken)
        value -= price * (number if locus in program.optional else max(number - 1, 0))
    return value


def solve(program: Program, solver: str, time_limit: float, gap: float, solutions: int) -> Solved:
    """The best choices, one to `solutions` of them.

    Raises ValueError where the solver is not installed, TimeoutError where it finds no choice within `time_limit` (s).
    """
    model, variables = build(program)
    start, found, status, distance = monotonic(), [], "optimal", 0.0
    for number in count():
        left = time_limit - (monotonic() - start)
        if number >= solutions or (number and left <= 0):
            break
        model.solve(make_solver(solver, max(left, 1), gap))
        if model.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
            break
        chosen = tuple(place for place, variable in enumerate(variables) if (variable.value() or 0) > 0.5)
        value = objective_of(program, chosen)
        if number == 0 and (model.sol_status != pulp.LpSolutionOptimal or gap > 0):
            distance = max(upper_bound(program, solver) - value, 0) / max(abs(value), 1e-9)
            status = "optimal" if distance == 0 else "gap"
        found.append(Solution(chosen, value))
        model += pulp.lpSum(1 - variables[v] if v in chosen else variables[v] for v in range(len(variables))) >= 1
    if not found:
        raise TimeoutError(f"the solver found no types within {time_limit:g} s; let it have more: hla.time_limit")
    return Solved(found, status, distance, monotonic() - start)


def build(program: Program, relaxed: bool = False) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The model, and its variables of alleles."""
    model = pulp.LpProblem("types", pulp.LpMaximize)
    kind = pulp.LpContinuous if relaxed else pulp.LpBinary
    variables = [model.add_variable(f"x{number}", 0, 1, kind) for number in range(len(program.locus_of))]
    explained = [model.add_variable(f"y{number}", 0, 1) for number in range(len(program.groups))]
    terms = [weight * y for weight, y in zip(program.groups.values(), explained, strict=True)]
    constraints = [
        y <= pulp.lpSum(variables[v] for v in sorted(group)) for group, y in zip(program.groups, explained, strict=True)
    ]
    for locus, price in program.second.items():
        number = pulp.lpSum(x for x, own in zip(variables, program.locus_of, strict=True) if own == locus)
        constraints.append(number <= 2)
        if locus in program.optional:
            terms.append(-price * number)
        else:
            extra = model.add_variable(f"second_{locus}", 0, 1)
            constraints += [number >= 1, extra >= number - 1]
            terms.append(-price * extra)
    model += pulp.lpSum(terms)
    for constraint in constraints:
        model += constraint
    return model, variables


def upper_bound(program: Program, solver: str) -> float:
    """What no choice can exceed: the objective where alleles may be chosen in part."""
    model, _ = build(program, relaxed=True)
    model.solve(make_solver(solver, 60, 0))
    return float(pulp.value(model.objective))


def make_solver(name: str, time_limit: float, gap: float) -> pulp.LpSolver:
    """The solver by its name in the configuration."""
    for kind, where in SOLVERS[name]:
        solver = pulp.getSolver(kind, msg=False, timeLimit=time_limit, gapRel=gap, **where)
        if solver.available():
            return solver
    raise ValueError(f"the solver {name} is not installed; install it, or set hla: solver: cbc, which comes with pulp")
