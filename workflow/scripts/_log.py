"""What a script says goes into its rule's log, its traceback too, where Snakemake shows it when the job fails."""

import sys
from pathlib import Path


def log_to(path: str) -> None:
    sys.stdout = sys.stderr = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115, until the script ends
