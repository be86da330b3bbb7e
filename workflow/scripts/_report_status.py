"""How a sample's analysis ended, in the words of the report."""

from _hla_doubts import loci_in_doubt
from _report_page import Cell
from _report_values import Record, is_number, of

PASSED, FAILED, UNFINISHED = "passed", "failed", "not finished"
CHECK_MAPPING, CHECK, CHECK_TYPES = "check mapping", "check library", "check types"
WORST_FIRST = (FAILED, UNFINISHED, CHECK_MAPPING, CHECK, CHECK_TYPES, PASSED)
POORLY_MAPPED = 5  # percent of the fragments: Salmon itself refuses a sample only below ten of them
KINDS = {PASSED: "good", FAILED: "bad"}


def status(sample: Record) -> str:
    success = of("success", sample)
    if success is None:
        return UNFINISHED
    if not success:
        return FAILED
    if loci_in_doubt(sample):
        return CHECK_TYPES
    rate = of("mapping_rate", sample)
    if of("analysis", sample) == "quant" and is_number(rate) and rate < POORLY_MAPPED:
        return CHECK_MAPPING
    return CHECK if of("agrees", of("library_type", sample)) is False else PASSED


def status_cell(sample: Record) -> Cell:
    found = status(sample)
    return Cell(found, kind=KINDS.get(found, "warn"))
