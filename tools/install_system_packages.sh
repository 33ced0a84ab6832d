#!/usr/bin/env bash
# Install the Debian packages named as arguments that are missing, where that is
# possible without asking; otherwise say which command does it.
set -euo pipefail

missing=()
for package in "$@"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null |
        grep -q 'ok installed' || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Please install what these Debian packages hold: ${missing[*]}" >&2
elif ((EUID)); then
    echo "Please run: sudo apt-get install ${missing[*]}" >&2
    exit 1
else
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
fi
