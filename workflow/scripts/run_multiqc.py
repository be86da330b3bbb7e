"""Run MultiQC on what a run left behind. A script: no shell takes a command line with 10,000 samples in it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from _log import log_to


def main(inputs: list[str], config: Path, scratch: Path, page: Path) -> None:
    """Write MultiQC's page of the given files and directories; its messages go where ours go."""
    with tempfile.NamedTemporaryFile("w", dir=scratch, suffix=".txt") as listed:
        listed.write("".join(f"{path}\n" for path in inputs))
        listed.flush()
        options = ["--config", config, "--file-list", listed.name, "--outdir", page.parent, "--filename", page.name]
        subprocess.run(
            ["multiqc", *options, "--force", "--no-data-dir"], check=True, stdout=sys.stdout, stderr=subprocess.STDOUT
        )


if __name__ == "__main__":
    log_to(snakemake.log[0])
    main(
        list(snakemake.input),
        Path(__file__).resolve().parents[2] / "resources" / "multiqc.yaml",
        Path(snakemake.resources.tmpdir),
        Path(snakemake.output[0]),
    )
