"""Which of a sample's HLA types a person should look at."""

from collections.abc import Mapping

from _hla_reviews import APPROVED, EDITED
from _hla_table import flags_of
from _report_values import Record, of

CONFIDENT = 0.95
# Flags that say how it was done, not that there is a doubt.
HARMLESS = ("down-sampled",)


def in_doubt(row: Mapping[str, str]) -> bool:
    """Tell whether a person should look at a call: it is not sure, not whole, or the reads say something against it."""
    unsure = row["zygosity"] in ("not resolved", "no call") or float(row["confidence"] or 0) < CONFIDENT
    return unsure or any(not flag.startswith(HARMLESS) for flag in flags_of(row))


def loci_in_doubt(sample: Record) -> list[str]:
    """The loci of a sample's record that a person should look at, and has not approved or edited."""
    types = of("types", sample)
    return [
        str(locus)
        for locus, found in (types.items() if isinstance(types, Mapping) else ())
        if of("in_doubt", found) and of("state", of("review", found)) not in (APPROVED, EDITED)
    ]
