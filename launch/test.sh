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

source launch/install.sh
install_into_venv '.[test]'
run "$python" -m ruff check .
run "$python" -m ruff format --check .
# To make good machine code takes longer than the small programs of tests run;
# test_optimised.py has some compiled as well as the binaries have them.
if [ -z "$dry_run" ]; then
  knows='from jaxlib import xla_client; xla_client.CompileOptions()'
  for flag in --xla_backend_optimization_level=0 \
    --xla_cpu_use_fusion_emitters=false \
    --xla_cpu_parallel_codegen_split_count=1; do
    # XLA ends a process that names a flag which it does not know any more.
    if XLA_FLAGS=$flag "$python" -c "$knows" 2> /dev/null; then
      export XLA_FLAGS="$flag ${XLA_FLAGS:-}"
    fi
  done
fi
# A process for each core; the tests of a file share what they prepare, and
# tests/conftest.py says which files begin.
run "$python" -m pytest -q -n auto --dist loadfile --no-loadscope-reorder \
  --durations=10 --strict-markers -m "$marks" tests "$@"
