#!/usr/bin/env bash
# Builds the wheel, installs it with the locked packages outside the checkout, in a folder that is closed to others, and runs it there.
set -euo pipefail

checkout=$PWD
scratch=$(mktemp -d)
clean() {
    # A DATA_DIR that PostgreSQL's account cannot reach has its database elsewhere.
    if [[ -e $scratch/.data/postgres.location ]]; then rm -rf "$(<"$scratch/.data/postgres.location")"; fi
    rm -rf "$scratch"
}
trap clean EXIT

.venv/bin/python -m hatchling build --target wheel --directory "$scratch/dist" >/dev/null 2>&1 ||
    .venv/bin/python -m hatchling build --target wheel --directory "$scratch/dist"
.venv/bin/python -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip --quiet --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install --require-hashes --requirement requirements.txt
"${pip[@]}" install --no-deps "$scratch"/dist/*.whl

cd "$scratch"
venv/bin/firstlight --help
python3 "$checkout/.ci/smoke.py" --exit-code 0 -- venv/bin/firstlight serve
