#!/usr/bin/env bash
# Sourced by the other scripts: makes .venv and installs the project there, and
# names runs. Needs a function `run`, which runs or shows a command.

python=.venv/bin/python

# install_into_venv WHAT: installs `.` or `.[extra]`, unless nothing changed.
install_into_venv() {
  local interpreter=${PYTHON:-python3} stamp=.venv/installed wanted
  if ! "$interpreter" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: $interpreter is older than Python 3.11; set PYTHON" >&2
    exit 2
  fi
  wanted="$1 $(cksum < setup.py)"
  if grep -qsxF -- "$wanted" "$stamp"; then return; fi
  if [ ! -x "$python" ]; then run "$interpreter" -m venv .venv; fi
  run "$python" -m pip install --quiet --editable "$1"
  if [ -z "${dry_run:-}" ]; then echo "$wanted" >> "$stamp"; fi
}

# run_name CONFIG CORPUS: of the folder in runs/ and in a bucket. A variant, as in
# configs/mixed_signals.py:concat, has a folder of its own.
run_name() {
  local file=${1%%:*} variant=
  case $1 in *:*) variant=-${1#*:} ;; esac
  local name
  name=$(basename "$file" .py)$variant-$(basename "$2")
  printf '%s' "${name//[^A-Za-z0-9._-]/_}"
}

# machine_name NAME: the same as clouds want it, at most 60 characters.
machine_name() {
  local name
  name=$(printf 'empathy-%s' "$1" | tr 'A-Z_.' 'a-z--' | cut -c 1-60)
  printf '%s' "${name%%-}"
}
