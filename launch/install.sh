#!/usr/bin/env bash
# Sourced by the other scripts: makes .venv and installs the project there.
# Needs a function `run`, which runs or shows a command.

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
