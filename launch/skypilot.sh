#!/usr/bin/env bash
# Runs the study with SkyPilot, on a GPU of any cloud or in Kubernetes:
#
#   bash launch/skypilot.sh --bucket=gs://BUCKET|s3://BUCKET [--corpus=DIR]
#     [--config=FILE] [--infra=gcp|aws|k8s] [--gpus=H100:1] [--on_demand]
#     [--dry-run]
#
# launch/skypilot.yaml is the job. Logs are shown as it runs, and what it made is
# fetched from the bucket to runs/NAME. Spare capacity unless --on_demand; what is
# taken away is started anew and goes on. --dry-run shows every command.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$OLDPWD

bucket='' corpus='' config=configs/mixed_signals.py dry_run=
options=(--yes --env "CONFIG=$config")
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    --bucket=gs://?* | --bucket=s3://?*) bucket=${value%/} ;;
    --corpus=/*) corpus=$value ;;
    --corpus=?*) corpus=$here/$value ;;
    --config=?*) config=$value options+=(--env "CONFIG=$value") ;;
    --infra=?*) options+=(--infra "$value") ;;
    --gpus=?*) options+=(--gpus "$value") ;;
    --on_demand) options+=(--no-use-spot) ;;
    --dry-run) dry_run=1 ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' launch/skypilot.sh; exit ;;
    *) echo "error: $argument: no such flag; see --help" >&2; exit 2 ;;
  esac
done
if [ -z "$bucket" ]; then
  echo 'error: expected --bucket=gs://... or s3://...; see --help' >&2
  exit 2
fi
if [ -n "$corpus" ] && [ ! -d "$corpus/features" ]; then
  echo "error: $corpus: no corpus folder with features" >&2
  exit 2
fi

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

copy() {
  case $bucket in
    gs://*) run gcloud storage rsync --recursive "$1" "$2" ;;
    *) run aws s3 sync --no-progress "$1" "$2" ;;
  esac
}

source launch/install.sh
name=$(run_name "$config" "${corpus:-simulated}")
options+=(--name "$(machine_name "$name")" --env "BUCKET=$bucket" --env "NAME=$name")
if [ -n "$corpus" ]; then
  copy "$corpus" "$bucket/corpora/$(basename "$corpus")"
  options+=(--env "CORPUS=corpora/$(basename "$corpus")")
fi
run sky jobs launch "${options[@]}" launch/skypilot.yaml
run mkdir -p "runs/$name"
copy "$bucket/$name" "runs/$name"
echo "The report: $PWD/runs/$name/study/report.html"
