#!/bin/sh
# mypy over the package under its own name: the root is the package, whatever the folder of the checkout is called.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
case $1 in /*) mypy=$1 ;; *) mypy=$root/$1 ;; esac
names=$(mktemp -d)
trap 'rm -rf "$names"' EXIT
ln -s "$root" "$names/divtool"
cd "$names"
MYPYPATH="$names" "$mypy" --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" \
    -p divtool.cli -p divtool.core
