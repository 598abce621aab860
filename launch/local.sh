#!/usr/bin/env bash
# Runs the whole study on this machine: bash launch/local.sh [CORPUS] [--dry-run]
#
# Makes a virtual environment, installs the project, and trains and evaluates on
# CORPUS, a corpus folder; without one, on a simulated corpus that it makes.
# Run again, it uses what it made and goes on where it was cut off. CONFIG names
# another experiment than configs/mixed_signals.py, PYTHON another interpreter.
# With CONFIG=configs/mixed_signals_media.py it first fine-tunes encoders on the
# corpus' media and extracts features.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$OLDPWD

dry_run=
corpus=
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=1 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' launch/local.sh; exit ;;
    -*) echo "error: $argument: the only flag is --dry-run" >&2; exit 2 ;;
    /*) corpus=$argument ;;
    *) corpus=$here/$argument ;;
  esac
done

if [ -n "$corpus" ] && [ ! -d "$corpus" ]; then
  echo "error: $corpus: no such corpus folder" >&2
  exit 2
fi

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

seconds() {
  local start=$SECONDS
  run "${@:2}"
  if [ -z "$dry_run" ]; then echo "$1: $((SECONDS - start)) s"; fi
}

config=${CONFIG:-configs/mixed_signals.py}
source launch/install.sh

# Whether the config begins with media: it sets config.features.
has_media=$("${PYTHON:-python3}" - "${config%%:*}" << 'END'
import ast, pathlib, sys

try:
  tree = ast.parse(pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))
except (OSError, SyntaxError):
  sys.exit()  # Told by what reads the config.
for node in ast.walk(tree):
  stored = isinstance(getattr(node, 'ctx', None), ast.Store)
  if stored and isinstance(node, ast.Attribute) and node.attr == 'features':
    print(1)
    break
END
)
install_into_venv ".${has_media:+[media]}"

if [ -z "$corpus" ]; then
  corpus=runs/simulated
  if [ ! -e "$corpus" ]; then
    run "$python" -m empathy.prepare --importer=simulated --output="$corpus"
  fi
fi

workdir=runs/$(run_name "$config" "$corpus")
if [ -n "$has_media" ] && [ "$corpus" != runs/simulated ]; then
  seconds fine-tuning "$python" -m empathy.finetune \
    --corpus="$corpus" --config="$config" --workdir="$workdir/encoders"
  seconds extraction "$python" -m empathy.extract_features \
    --corpus="$corpus" --config="$config" --finetuned="$workdir/encoders"
fi
if [ -n "$has_media" ] || [ -d "$corpus/features" ] || [ "$corpus" = runs/simulated ]; then
  seconds training "$python" -m empathy.train \
    --config="$config" \
    --config.corpus="$corpus" --workdir="$workdir"
  seconds evaluation "$python" -m empathy.evaluate --workdir="$workdir"
else
  echo "$corpus has no features: a study of its labels and votes alone"
  seconds evaluation "$python" -m empathy.evaluate \
    --corpus="$corpus" --output="$workdir/study"
fi
echo "The report: $PWD/$workdir/study/report.html"
