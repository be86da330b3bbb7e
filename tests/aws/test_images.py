"""Images of our own: what they say of themselves, what they do not hold, and how they come to a registry."""

import csv
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.aws.podman import CACHE, ROOT, build_image, engine, machine_certificates, require_podman, unpack

__all__ = ["engine"]  # fixtures

VERSIONS = {row["tool"]: row for row in csv.DictReader((ROOT / "containers/versions.tsv").open(), delimiter="\t")}
ASK = {
    "salmon": "salmon --version",
    "rsem": "dpkg-query --show rsem",  # RSEM 1.3.3 says of itself that it is 1.3.1
    "fastp": "fastp --version 2>&1",
    "dnaio": "python -c 'import dnaio; print(dnaio.__version__)'",
    "bwa": "bwa 2>&1 | grep Version",
    "samtools": "samtools --version | head -n 1",
    "mosdepth": "mosdepth --version",
    "picard": "picard MarkDuplicates --version 2>&1",
    "gatk4": "gatk --version 2>&1 | grep Toolkit",
}


@pytest.mark.parametrize("tool", ASK)
def test_an_image_says_what_it_is_and_runs_its_tool_without_privileges(engine, tool):
    image, row = build_image(engine, tool), VERSIONS[tool]
    told = json.loads(engine.call("image", "inspect", image).stdout)[0]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in told["Labels"].items()}
    wanted = {"title": tool, "version": row["version"], "licenses": row["licence"], "source": row["source"]}
    assert labels | wanted == labels
    assert told["Config"]["User"] == "1000:1000"
    assert not told["Config"].get("Entrypoint")  # Batch cannot override one

    done = engine.run(image, ["/bin/bash", "-c", f"{ASK[tool]}; id -u; command -v python"])
    lines = done.stdout.split("\n")
    assert row["version"] in lines[0], done.stderr
    assert "1000" in lines
    assert ("/opt/tool/bin/python" in lines) == (tool == "dnaio")


def test_the_image_of_the_hla_rules_has_what_their_scripts_import_and_solves_an_integer_program(engine):
    scripts = [path.read_text() for path in (ROOT / "workflow/scripts").glob("*hla_*.py") if "report" not in path.name]
    imported = {name for text in scripts for name in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)}
    wanted = sorted(imported & {name.replace("-", "_") for name in VERSIONS["hla"]["pypi"].lower().split()})
    assert {"mappy", "numpy", "pulp", "pysam"} <= set(wanted)
    program = (
        f"import {', '.join(wanted)}; p = pulp.LpProblem('p', pulp.LpMaximize); "
        "x = p.add_variable('x', upBound=2.5, cat='Integer'); p += x; "
        "p.solve(pulp.COIN_CMD(path=pulp.apis.coin_api.pulp_cbc_path, msg=False)); print(x.value())"
    )
    done = engine.run(build_image(engine, "hla"), ["python", "-c", program], options=["--workdir", "/tmp"])
    assert done.stdout.strip() == "2.0", done.stderr


@pytest.mark.parametrize("tool", ["fastp", "dnaio"])
def test_no_layer_holds_a_certificate_that_only_this_machine_trusts_or_an_index_s_address(engine, tool, tmp_path):
    """The build itself may have needed the certificate, for a proxy between it and the packages."""
    done = engine.call(
        "save", "--format", "docker-archive", "--output", str(tmp_path / "image"), build_image(engine, tool)
    )
    assert done.returncode == 0, done.stderr
    subprocess.run(["tar", "-xf", tmp_path / "image", "-C", tmp_path], check=True)
    layers = list(tmp_path.rglob("*.tar"))
    assert layers
    forbidden = [*machine_certificates(), b"/run/secrets/certificates\0", b"index-url", b"extra-index"]
    for layer in layers:
        content = layer.read_bytes()
        assert not [one for one in forbidden if one in content], layer.name


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Iterator[str]:
    """A registry on this machine: Debian's docker-registry, unpacked into the cache."""
    require_podman()
    program = CACHE / "bin/docker-registry"
    work = tmp_path_factory.mktemp("registry")
    if not program.exists():
        unpack(["docker-registry"], work / "package")
        program.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work / "package/usr/bin/docker-registry", program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (work / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {work}/data}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    process = subprocess.Popen([program, "serve", work / "config.yml"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with suppress(urllib.error.URLError):
            urllib.request.urlopen(f"http://{address}/v2/").close()
            break
        time.sleep(0.1)
    yield address
    process.terminate()
    process.wait()


def test_pushing_writes_digests_that_can_be_pulled_and_keeps_the_rows_of_other_tools(engine, registry, tmp_path):
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "containers", folder / "containers")
    shutil.copy(ROOT / "requirements.lock", folder)
    lock = folder / "containers/images.lock.tsv"
    lock.write_text("tool\tversion\timage\nfastp\t0.1\told/fastp@sha256:0\nsalmon\t1.10.1\tkept/salmon@sha256:1\n")
    build_image(engine, "fastp")
    done = subprocess.run(
        [folder / "containers/push_images", f"{registry}/lab", "fastp"],
        env=engine.environment()
        | {"ENGINE": "podman", "BASE": "localhost/fishladder/debian:bookworm", "PUSH_OPTIONS": "--tls-verify=false"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    rows = list(csv.DictReader(lock.open(), delimiter="\t"))
    assert [(row["tool"], row["version"]) for row in rows] == [("fastp", "0.23.2"), ("salmon", "1.10.1")]
    pushed = rows[0]["image"]
    assert pushed.startswith(f"{registry}/lab/fastp@sha256:")
    assert rows[1]["image"] == "kept/salmon@sha256:1"
    pulled = engine.call("pull", "--quiet", "--tls-verify=false", pushed)
    assert pulled.returncode == 0, pulled.stderr
    engine.call("untag", pulled.stdout.strip(), f"{registry}/lab/fastp:0.23.2")
