#!/usr/bin/env bash
# Installs what the checks need and is not there yet. Nothing is asked of the network when nothing is missing.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need make make
need git git
need ps procps
need useradd passwd
need runuser util-linux
need nft nftables
need pgbouncer pgbouncer
need chromium chromium
# The ordinary user gets the system's Python: root's own may lie in root's home.
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)

if ((${#missing[@]})); then
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
