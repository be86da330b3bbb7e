"""The verdict on a run: every sample came through, or which did not and why."""

import json
import sys
from pathlib import Path


def verdict(records: list[dict], report: str) -> tuple[bool, str]:
    """Say whether every sample came through, in words for the end of a run."""
    samples = {record["sample"] for record in records}  # one may have a record for each analysis
    failed = [record for record in records if not record["success"]]
    if not failed:
        return True, f"all {len(samples)} samples came through; report: {report}\n"
    count = len({record["sample"] for record in failed})
    reasons = "".join(f"  {record['sample']}: {record['failed_step']}: {record['reason']}\n" for record in failed)
    return False, f"{count} of {len(samples)} samples failed; the others are done; report: {report}\n{reasons}"


def main(records: list[Path], report: str, output: Path, log: Path, log_is_shown: bool = True) -> None:
    passed, words = verdict([json.loads(path.read_text()) for path in records], report)
    log.write_text(words)
    if not passed:
        if not log_is_shown:
            print(words, file=sys.stderr)
        sys.exit(1)
    output.write_text(words)


if __name__ == "__main__":
    main(
        [Path(path) for path in snakemake.input.records],
        snakemake.params.report,
        Path(snakemake.output[0]),
        Path(snakemake.log[0]),
        snakemake.params.log_is_shown,
    )
