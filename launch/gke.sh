#!/usr/bin/env bash
# Runs the study on Google Kubernetes Engine, on a slice of TPUs or on a node
# with GPUs, with Cluster Toolkit's gcluster:
#
#   bash launch/gke.sh --cluster=NAME --location=ZONE --project=ID
#     --bucket=gs://BUCKET [--compute=v5e-8|v6e-8|l4-1|...] [--corpus=DIR]
#     [--config=FILE] [--dry-run]
#
# The job waits in the cluster's queue, is started anew where its nodes are taken
# away, and goes on from the last checkpoint in the bucket, which it mounts. What
# it made is fetched to runs/NAME. The image is Python's own with this project in
# it; GCLUSTER_IMAGE_REPO names the repository of Artifact Registry that it is
# pushed to. --dry-run shows every command.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$OLDPWD

cluster='' location='' project='' bucket='' corpus='' dry_run=
config=configs/mixed_signals.py compute=v5e-8
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    --cluster=?*) cluster=$value ;;
    --location=?*) location=$value ;;
    --project=?*) project=$value ;;
    --bucket=gs://?*) bucket=${value%/} ;;
    --compute=?*) compute=$value ;;
    --corpus=/*) corpus=$value ;;
    --corpus=?*) corpus=$here/$value ;;
    --config=?*) config=$value ;;
    --dry-run) dry_run=1 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' launch/gke.sh; exit ;;
    *) echo "error: $argument: no such flag; see --help" >&2; exit 2 ;;
  esac
done
for name in cluster location project bucket; do
  if [ -z "${!name}" ]; then
    echo "error: expected --$name=...; see --help" >&2
    exit 2
  fi
done
if [ -n "$corpus" ] && [ ! -d "$corpus/features" ]; then
  echo "error: $corpus: no corpus folder with features" >&2
  exit 2
fi
if [ -z "$dry_run" ] && [ -z "${GCLUSTER_IMAGE_REPO:-}" ]; then
  echo 'error: expected GCLUSTER_IMAGE_REPO, the name of a repository' >&2
  exit 2
fi
case $compute in
  v[0-9]* | tpu*) extra=tpu ;;
  *) extra=cuda ;;
esac

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

source launch/install.sh
name=$(run_name "$config" "${corpus:-simulated}")
# A job's name has at most 28 characters, and each run its own.
job=$(machine_name "$name" | cut -c 1-20)
job=${job%%-}-$(printf '%s' "$name" | cksum | cut -c 1-7)

context=context
if [ -z "$dry_run" ]; then
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
fi
if [ -n "$corpus" ]; then
  run gcloud storage rsync --recursive "$corpus" \
    "$bucket/corpora/$(basename "$corpus")"
  prepare="cp -r /bucket/corpora/$(basename "$corpus") corpus"
else
  prepare='.venv/bin/python -m empathy.prepare --importer=simulated '
  prepare+='--output=corpus'
fi
# What is in the context comes to lie at the image's root.
run mkdir -p "$context/study"
run cp -R LICENSE README.md configs empathy launch setup.py "$context/study"

# The first node keeps the workdir in the bucket, and evaluates.
workdir=runs/$name
mirror="bash launch/mirrored.sh /bucket/$name $workdir"
# shellcheck disable=SC2016 # The node knows its index, not this machine.
first='[ "${JOB_COMPLETION_INDEX:-0}" = 0 ]'
command="set -e; cd /study; pip install --quiet uv; uv venv --quiet .venv; \
uv pip install --quiet --python .venv -e '.[$extra]'; $prepare; \
if $first; then mirror='$mirror'; else mirror=; fi; \
\$mirror .venv/bin/python -m empathy.train \
$([ $extra = cuda ] || echo '--distributed ')--config=$config \
--config.corpus=corpus --workdir=$workdir; \
if $first; then $mirror .venv/bin/python -m empathy.evaluate \
--workdir=$workdir; fi"
run gcluster job submit --project "$project" --cluster "$cluster" \
  --location "$location" --name "$job" --compute-type "$compute" \
  --base-image python:3.12 --build-context "$context" \
  --mount "$bucket;/bucket;rw" --restarts 20 --grace-period 2m \
  --await-job-completion --command "$command"
run mkdir -p "$workdir"
run gcloud storage rsync --recursive "$bucket/$name" "$workdir"
echo "The report: $PWD/$workdir/study/report.html"
