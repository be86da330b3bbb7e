"""What a script says goes into its rule's log, where Snakemake shows it when the job fails."""

import sys
from pathlib import Path
from types import TracebackType


class InputError(ValueError):
    """An input that people can mend: the message says which, what is wrong with it and what to do."""


def log_to(path: str) -> None:
    """Log until the script ends: a fault of ours with its traceback, one of an input without."""
    sys.stdout = sys.stderr = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115
    sys.excepthook = tell


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        print(error, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
