#!/usr/bin/env bash
# setup.sh run|test: install what fishladder needs: Debian packages (packages.tsv) and the Python packages of
# requirements.lock in .venv. Says plainly what is missing where it may not install packages.
set -euo pipefail
cd "$(dirname "$0")"
purpose=${1:?"usage: setup.sh run|test"}

wanted=$(awk -F '\t' -v purpose="$purpose" 'NR > 1 && ($2 == "run" || $2 == purpose) { print $1 }' packages.tsv)
missing=()
for package in $wanted; do
    if [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing+=("$package")
    fi
done

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo --non-interactive)
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! sudo --non-interactive true 2>/dev/null; }; then
        cat >&2 <<-EXPLANATION
		These Debian packages are missing, and only root (or sudo) may install them:
		    ${missing[*]}
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
