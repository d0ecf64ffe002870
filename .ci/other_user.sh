#!/usr/bin/env bash
# Copies the checkout into the closed home of a new account, starts the service there, and removes the account.
set -euo pipefail

account=firstlight-ci
home=/home/$account
clean() { userdel --force --remove "$account" >/dev/null 2>&1 || true; }
clean
trap clean EXIT

useradd --create-home --home-dir "$home" --shell /bin/bash "$account"
mkdir "$home/firstlight"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --file=- | tar --extract --directory "$home/firstlight"
chown --recursive "$account": "$home"
chmod 0700 "$home"

cd "$home/firstlight"
runuser --user "$account" -- env HOME="$home" USER="$account" LOGNAME="$account" PATH=/usr/local/bin:/usr/bin:/bin \
    /usr/bin/python3 .ci/smoke.py --runs 2 --kill -- make --silent run

left=$(ps -o pid=,args= -u "$account" || true)
if [[ -n $left ]]; then
    printf 'Left over:\n%s\n' "$left" >&2
    exit 1
fi
