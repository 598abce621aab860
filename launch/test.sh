#!/usr/bin/env bash
# Installs the project with what the tests need, and runs them; with `--all`
# also those that take long, which are marked so:
#
#   bash launch/test.sh [--dry-run] [--all] [arguments of pytest]
set -euo pipefail
cd "$(dirname "$0")/.."

dry_run='' marks='not long'
while :; do
  case "${1:-}" in
    --dry-run) dry_run=1 ;;
    --all) marks='' ;;
    *) break ;;
  esac
  shift
done

# To make good machine code takes longer than the small programs of tests run;
# test_optimised.py has some compiled as well as the binaries have them.
export XLA_FLAGS="--xla_backend_optimization_level=0 ${XLA_FLAGS:-}"

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

source launch/install.sh
install_into_venv '.[test]'
run "$python" -m ruff check .
run "$python" -m ruff format --check .
# A process for each core; the tests of a file share what they prepare.
run "$python" -m pytest -q -n auto --dist loadfile --durations=10 \
  --strict-markers -m "$marks" tests "$@"
