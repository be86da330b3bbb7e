"""The version of each tool and its container image: the public one, or a registry's own copy by its digest."""

import csv
from pathlib import Path

PUSH = "`make push REGISTRY=...` pushes every image and writes the table"


def read_versions(path: Path) -> dict[str, dict[str, str]]:
    """The one table of tools: version and public image, by tool."""
    with path.open() as table:
        return {row["tool"]: row for row in csv.DictReader(table, delimiter="\t")}


def read_images(tools: dict[str, dict[str, str]], pushed: Path | None) -> tuple[dict[str, str], list[str]]:
    """Return the image of each tool, and what is wrong with the table of pushed images.

    `tools` are the rows of containers/versions.tsv by tool, with version and public image; `pushed` is what
    containers/push_images wrote, None where the public images are wanted.
    """
    images = {tool: row["image"] for tool, row in tools.items()}
    if pushed is None:
        return images, []
    try:
        with pushed.open(newline="") as table:
            rows = {row["tool"]: row for row in csv.DictReader(table, delimiter="\t")}
            copies = {tool: (row["version"], row["image"]) for tool, row in rows.items()}
    except OSError as error:
        return images, [f"{pushed}: it cannot be read ({error.strerror}); {PUSH}"]
    except (KeyError, UnicodeDecodeError):
        return images, [f"{pushed}: this is no table with the columns tool, version and image; {PUSH}"]
    problems = []
    for tool, row in tools.items():
        version, image = copies.get(tool, (None, None))
        if version is None:
            problems.append(f"{pushed}, column tool: there is no row {tool}; {PUSH}")
        elif version != row["version"]:
            problems.append(f"{pushed}, row {tool}, column version: {version} is not {row['version']}; {PUSH}")
        elif not image:
            problems.append(f"{pushed}, row {tool}, column image: it is empty; {PUSH}")
        else:
            images[tool] = image
    return images, problems
