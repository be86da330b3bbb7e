"""The runtime in images that hold next to nothing: it must run there, and leave no trace in what a rule sees."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.aws.podman import bare, build_image, engine, machine_certificates, runtime_folder

__all__ = ["bare", "engine", "runtime_folder"]  # fixtures

SNAKEFILE = """
rule all:
    input: "script.txt"
rule shell:
    output: "shell.txt"
    shell: "env > {output}; echo $0 >> {output}"
rule script:
    input: "shell.txt"
    output: "script.txt"
    params: given=[1, "a"]
    script: "script.py"
"""
SCRIPT = """
import subprocess, sys
from pathlib import Path
assert snakemake.params.given == [1, "a"]
told = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
Path(snakemake.output[0]).write_text(f"python={sys.executable}\\n{told}")
"""
# What Snakemake itself sets for every command, and what a POSIX shell does.
SNAKEMAKE_SETS = {
    *("TMPDIR", "TMP", "TEMP", "TEMPDIR", "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "PWD", "OLDPWD", "SHLVL", "_"),
}
PYTHON = "/opt/fishladder/bin/python"


@pytest.fixture
def workflow(tmp_path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "script.py").write_text(SCRIPT)
    return folder


def variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def run_workflow(engine, image, runtime_folder, workflow, user="12345:12345", environment=None):
    """Run both rules; return the container's own environment, the shell rule's and the script's."""
    options = ["--user", user, "--passwd=false", "--workdir", "/work", "--read-only", "--read-only-tmpfs"]
    # Snakemake keeps copies of sources in a cache; what runs a job in its container sets one (see inside.py).
    environment = {"HOME": "/nowhere", "XDG_CACHE_HOME": "/tmp/cache", **(environment or {})}
    plain = engine.run(image, ["env"], environment=environment, options=["--user", user])
    assert plain.returncode == 0, plain.stderr
    done = engine.run(
        image,
        ["/bin/sh", "-c", f"exec {PYTHON} -m snakemake --cores 1 --scheduler greedy --quiet all"],
        mounts=[(runtime_folder, "/opt/fishladder", "ro"), (workflow, "/work", "rw")],
        environment=environment,
        options=options,
    )
    assert done.returncode == 0, done.stderr
    return tuple(
        variables(text)
        for text in (plain.stdout, (workflow / "shell.txt").read_text(), (workflow / "script.txt").read_text())
    )


def test_both_kinds_of_rule_run_in_an_image_without_libc_and_see_only_its_environment(
    engine, bare, runtime_folder, workflow
):
    plain, shell, script = run_workflow(engine, bare, runtime_folder, workflow)

    assert script.pop("python") == PYTHON
    for seen in (shell, script):
        # uid 12345 has no name in the image, and Python cannot do without one
        assert seen.pop("USER") == "u12345"
        changed = {name for name in {*plain, *seen} if plain.get(name) != seen.get(name)}
        assert changed - {"HOSTNAME"} <= SNAKEMAKE_SETS
        assert seen["PATH"] == plain["PATH"]
        assert not {"PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LC_CTYPE", "SSL_CERT_FILE"} & {*seen}


def test_variables_of_the_image_neither_break_the_runtime_nor_are_taken_from_the_rule(
    engine, bare, runtime_folder, workflow
):
    theirs = {
        "PYTHONHOME": "/opt/their-python",
        "PYTHONPATH": "/work/shadow",
        "LD_LIBRARY_PATH": "/opt/their-libraries",
        "LC_ALL": "xx_XX.UTF-8",
        "USER": "them",
    }
    (workflow / "shadow").mkdir()
    (workflow / "shadow/json.py").write_text("raise SystemExit('a module of the image was taken')")
    _, shell, script = run_workflow(engine, bare, runtime_folder, workflow, environment=theirs)

    for seen in (shell, script):
        assert {name: seen.get(name) for name in theirs} == theirs


def test_it_runs_in_debian_without_python_as_the_image_s_own_user(engine, runtime_folder, workflow):
    image = build_image(engine, "fastp")
    absent = engine.run(image, ["/bin/sh", "-c", "command -v python || command -v python3"])
    assert absent.stdout == ""
    plain, shell, script = run_workflow(engine, image, runtime_folder, workflow, user="1000:1000")

    assert script["python"] == PYTHON
    assert "USER" not in shell  # the image names uid 1000
    assert {name for name in {*plain, *shell} if plain.get(name) != shell.get(name)} - {"HOSTNAME"} <= SNAKEMAKE_SETS


@pytest.mark.parametrize(("version", "taken"), [("3.9", False), ("3.10", True)])
def test_a_script_runs_with_the_image_s_python_where_snakemake_can(
    engine, bare, runtime_folder, workflow, version, taken
):
    """An image's `python` stands in here: it knows its version and, given a script, writes the script's output."""
    tools = workflow / "tools"
    tools.mkdir()
    (tools / "python").write_text(
        f'#!/bin/sh\n[ "$1" != -c ] || {{ case $2 in *"(3, 10)"*) exit {0 if taken else 1} ;; esac; exit 9; }}\n'
        "{ echo python=theirs; env; } >script.txt\n"
    )
    (tools / "python").chmod(0o755)
    path = "/work/tools:/usr/bin:/bin"
    _, shell, script = run_workflow(engine, bare, runtime_folder, workflow, environment={"PATH": path})

    assert script["python"] == ("theirs" if taken else PYTHON)
    assert shell["PATH"] == script["PATH"] == path


def test_certificates_are_the_image_s_or_certifi_s(engine, bare, runtime_folder):
    ask = "import ssl; c = ssl.create_default_context(); print(len(c.get_ca_certs()))"
    mounts = [(runtime_folder, "/opt/fishladder", "ro")]
    assert int(engine.run(bare, [PYTHON, "-c", ask], mounts=mounts).stdout) > 100

    one = next(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    for place in ("/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"):
        there = engine.run(bare, [PYTHON, "-c", ask], mounts=[*mounts, (one, place, "ro")])
        assert there.stdout.strip() == "1", (place, there.stderr)


def test_no_file_names_the_place_it_was_built_at_or_holds_what_only_this_machine_trusts(runtime_folder):
    store = str(runtime_folder.parent).encode()
    ours = machine_certificates()
    for path in runtime_folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert store not in content, path
            assert not [one for one in ours if one in content], path


def test_the_packed_runtime_holds_the_folder_and_nothing_else(runtime_folder):
    with tarfile.open(f"{runtime_folder}.tar.gz") as packed:
        members = packed.getmembers()
    assert {member.name.split("/")[0] for member in members} == {runtime_folder.name}
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
    assert all(member.mode & 0o022 == 0 for member in members if not member.issym())
    assert len(members) == 1 + sum(1 for _ in runtime_folder.rglob("*"))


def test_it_starts_quickly_and_writes_nothing(engine, bare, runtime_folder):
    """Bytecode is there and taken as it is: a start that compiles would take three times as long."""
    before = {path: path.stat().st_mtime_ns for path in runtime_folder.rglob("*.pyc")}
    script = "import os, snakemake.api; print(sum(os.times()[:2]))"
    done = subprocess.run([runtime_folder / "bin/python", "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2.0
    assert before == {path: path.stat().st_mtime_ns for path in runtime_folder.rglob("*.pyc")}
    sources = {path.with_suffix("") for path in (runtime_folder / "lib/python3/dist-packages/snakemake").glob("*.py")}
    compiled = {path.parent.parent / path.name.split(".")[0] for path in before}
    assert sources <= compiled
