"""Run Snakemake's jobs on AWS Batch: `snakemake --executor fishladder` (docs/executor.md).

The names Snakemake asks for are looked up on demand, so that `python -m snakemake_executor_plugin_fishladder.inside`,
which starts every job, does not load them.
"""

from importlib import import_module
from typing import Any

WHERE = {"Executor": "executor", "ExecutorSettings": "settings", "common_settings": "settings"}

__all__ = ["Executor", "ExecutorSettings", "common_settings"]


def __getattr__(name: str) -> Any:
    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{WHERE[name]}"), name)
