#!/usr/bin/env bash
# Runs the study on Google Kubernetes Engine, on a slice of TPUs or on a node
# with GPUs, with Cluster Toolkit's gcluster:
#
#   bash launch/gke.sh --cluster=NAME --location=ZONE --project=ID
#     --bucket=gs://BUCKET [--compute=v5litepod-8|v6e-8|l4-1|...]
#     [--service_account=NAME] [--corpus=DIR] [--config=FILE] [--dry-run]
#
# The job waits in the cluster's queue, is started anew where its nodes are taken
# away, and goes on from the last checkpoint in the bucket, which the pods'
# service account has to read and write. What it made is fetched to runs/NAME. The
# image is Python's own with this project in it; GCLUSTER_IMAGE_REPO names the
# repository of Artifact Registry that it is pushed to. --dry-run shows every
# command.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh

cluster='' location='' project='' compute=v5litepod-8 service_account=''
in_cloud gs://... 'cluster location project bucket' 'compute service_account' "$@"
[ -n "$dry_run${GCLUSTER_IMAGE_REPO:-}" ] ||
  fail 'expected GCLUSTER_IMAGE_REPO, the name of a repository'
# A job's name has at most 28 characters, and each run its own.
job=$(machine_name "$name" | cut -c 1-20)
job=${job%%-}-$(printf '%s' "$name" | cksum | cut -c 1-7)

context=context
if [ -z "$dry_run" ]; then
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
fi
# What is in the context comes to lie at the image's root.
send
run mkdir -p "$context/study"
run cp -R LICENSE README.md configs empathy launch setup.py "$context/study"
case $compute in
  v[0-9]* | ct[0-9]* | tpu*) extra=tpu study+=' --distributed' ;;
  *) extra=cuda ;;
esac
# It is started anew after all but bad input, which is told by 2.
run gcluster job submit --project "$project" --cluster "$cluster" \
  --location "$location" --name "$job" --compute-type "$compute" \
  --base-image python:3.12 --build-context "$context" \
  ${service_account:+--service-account "$service_account"} \
  --restarts 20 --restart-on-exit-codes 1,134,137,143 --grace-period 2m \
  --await-job-completion --command "cd /study; \
EXTRA=$extra INDEX=\${JOB_COMPLETION_INDEX:-0} exec env $study"
fetch
