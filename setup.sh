#!/usr/bin/env bash
# setup.sh run|test: install what fishladder needs: Debian packages (packages.tsv) and the Python packages of
# requirements.lock in .venv. Says plainly what is missing where it may not install packages.
set -euo pipefail
cd "$(dirname "$0")"
purpose=${1:?"usage: setup.sh run|test"}

# What is there, however it came, need not be installed: a command that succeeds tells, `command -v PACKAGE` by default.
missing=() absent=()
while IFS=$'\t' read -r package needed_by _ test; do
    [ "$needed_by" = run ] || [ "$needed_by" = "$purpose" ] || continue
    there=${test:-command -v $package}
    if ! bash -c "$there" >/dev/null 2>&1; then
        missing+=("$package")
        absent+=("    $package (\`$there\` fails)")
    fi
done < <(tail -n +2 packages.tsv)

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo --non-interactive)
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! sudo --non-interactive true 2>/dev/null; }; then
        cat >&2 <<-EXPLANATION
		These are missing, and only root (or sudo) may install Debian's packages of them:
		$(printf '%s\n' "${absent[@]}")
		Ask for them:        sudo apt-get install ${missing[*]}
		or do without root:  README.md, "Without root", has the conda way and the container way.
		EXPLANATION
        exit 1
    fi
    echo "installing Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null
fi

python=$(command -v python3.11 || true)
if [ -z "$python" ]; then
    echo "Python 3.11 is missing: install it (Debian 12 has it as python3), or use conda as README.md says" >&2
    exit 1
fi
if ! cmp --silent requirements.lock .venv/requirements.lock; then
    echo "installing Python packages into .venv (a few minutes the first time)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    cp requirements.lock .venv/requirements.lock
fi
if [ -e /usr/share/java/picard.jar ]; then install -m 755 containers/picard/picard .venv/bin/picard; fi
if [ "$purpose" = test ]; then containers/gatk4/install .venv; fi
