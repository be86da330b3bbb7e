"""One version a tool, wherever it is named: containers, conda environments, Python's lock, Debian."""

import csv
import hashlib
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk")))
ENVIRONMENTS = sorted((ROOT / "workflow/envs").glob("*.yaml"))


def read_table(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


def read_lock(name: str) -> dict[str, str]:
    """Package and version; a lock names a package once."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE))


TOOLS = {row["tool"]: row for row in read_table("containers/versions.tsv")}
LOCK = read_lock("requirements.lock")


def conda_versions(environment: Path) -> dict[str, str]:
    given = yaml.safe_load(environment.read_text())["dependencies"]
    pinned = [re.fullmatch(r"([\w.-]+)=([\w.]+)", one) for one in given]
    assert all(pinned), f"{environment.name} leaves a version open: {given}"
    return {found[1]: found[2] for found in pinned}


def test_every_image_that_a_rule_names_has_a_row_and_every_row_a_rule():
    named = set(re.findall(r"""\bimage\(\s*["'](\w+)["']""", RULES))
    assert named == set(TOOLS)


def test_every_environment_that_a_rule_names_is_there_and_every_one_is_named():
    named = set(re.findall(r'envs/([\w-]+\.yaml)"', RULES))
    assert named == {path.name for path in ENVIRONMENTS}


def mulled(*tools: str) -> str:
    """The public image of several tools: sums of their names and versions (galaxy.tool_util.deps.mulled, version 2)."""
    names, versions = ("\n".join(row) for row in zip(*((tool, TOOLS[tool]["version"]) for tool in tools), strict=True))
    return f"mulled-v2-{hashlib.sha1(names.encode()).hexdigest()}:{hashlib.sha1(versions.encode()).hexdigest()}-0"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_s_image_has_its_version(tool):
    image = TOOLS[tool]["image"].rpartition("/")[2]
    name, _, tag = image.partition(":")
    if tool == "bwa":  # what it aligns is sorted as it comes
        assert image == mulled("bwa", "samtools")
    else:
        assert (name, tag.split("--")[0]) == (tool, TOOLS[tool]["version"])
    own = TOOLS[tool]["image"].startswith("localhost/fishladder/")  # there is no public one
    assert own or TOOLS[tool]["image"].startswith("quay.io/biocontainers/")
    assert not own or TOOLS[tool]["pypi"] or (ROOT / f"containers/{tool}/Containerfile").exists()
    assert TOOLS[tool]["licence"]
    assert TOOLS[tool]["source"].startswith("https://")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_of_the_table_or_of_python_s_lock(environment):
    for package, version in conda_versions(environment).items():
        row = TOOLS.get(package)  # conda calls some of PyPI's packages python-NAME
        assert version == (row["version"] if row else LOCK.get(package.removeprefix("python-"))), package
        if row:
            assert row["conda"].endswith(f"::{package}")


def test_every_tool_is_in_an_environment():
    packages = {package for path in ENVIRONMENTS for package in conda_versions(path)}
    assert {row["conda"].split("::")[1] for row in TOOLS.values()} <= packages


@pytest.mark.parametrize("tool", [tool for tool, row in TOOLS.items() if row["pypi"]])
def test_python_s_lock_has_a_tool_s_version(tool):
    first, *others = TOOLS[tool]["pypi"].split()
    if others:  # an image of several packages has a version of its own
        assert {first, *others} <= LOCK.keys()
    else:
        assert LOCK[first] == TOOLS[tool]["version"]


@pytest.mark.parametrize("tool", [tool for tool, row in TOOLS.items() if row["debian"]])
def test_the_installed_debian_package_has_a_tool_s_version(tool):
    package = TOOLS[tool]["debian"]
    assert package in {row["package"] for row in read_table("packages.tsv")}
    if shutil.which("dpkg-query") is None:
        pytest.skip("not Debian: conda or containers bring the tools")
    ask = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    found = subprocess.run(ask, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"not installed: sudo apt-get install {package}")
    upstream = re.split(r"[-+~]", found.stdout.rpartition(":")[2])[0]
    assert upstream == TOOLS[tool]["version"]


def test_what_is_brought_or_built_beside_debian_s_own_packages_has_a_tool_s_version():
    assert f"<version>{TOOLS['gatk4']['version']}</version>" in (ROOT / "containers/gatk4/pom.xml").read_text()
    assert f'"samtools={TOOLS["samtools"]["version"]}*"' in (ROOT / "containers/bwa/Containerfile").read_text()


def test_the_runtime_has_the_versions_that_drive_the_workflow():
    runtime = read_lock("containers/runtime/requirements.lock")
    assert {"snakemake", "boto3", "botocore"} <= set(runtime)
    assert {package: LOCK.get(package) for package in runtime} == runtime


def test_the_runtime_has_every_storage_plugin_of_the_driver():
    """Snakemake hands the settings of all storage plugins that it finds to its jobs, which must know them."""

    def plugins(packages: Iterable[str]) -> set[str]:
        return {package for package in packages if package.startswith("snakemake-storage-plugin-")}

    asked = {line.split("==")[0] for line in (ROOT / "requirements.in").read_text().splitlines()}
    wanted = {line.split("==")[0] for line in (ROOT / "containers/runtime/requirements.in").read_text().splitlines()}
    assert plugins(asked) == plugins(LOCK) == plugins(wanted)
    assert plugins(wanted) == plugins(read_lock("containers/runtime/requirements.lock"))
    # What is installed here, ours of src/ among it, which the runtime takes from there.
    found = {module.name.replace("_", "-") for module in pkgutil.iter_modules()}
    ours = {path.name.replace("_", "-") for path in (ROOT / "src").iterdir()}
    assert plugins(found) <= plugins(wanted) | ours


def test_the_lock_of_pushed_images_has_the_versions_of_the_table():
    path = ROOT / "containers/images.lock.tsv"
    if not path.exists():
        pytest.skip("no image was pushed from this checkout: make push REGISTRY=...")
    for row in read_table("containers/images.lock.tsv"):
        assert row["version"] == TOOLS[row["tool"]]["version"]
        assert re.search(r"@sha256:[0-9a-f]{64}$", row["image"])
