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
source launch/install.sh

infra='' gpus='' on_demand=''
in_cloud 'gs://... or s3://...' bucket 'infra gpus on_demand' "$@"
send
run sky jobs launch --yes ${infra:+--infra "$infra"} ${gpus:+--gpus "$gpus"} \
  ${on_demand:+--no-use-spot} --name "$(machine_name "$name")" \
  --env "STUDY=$study" launch/skypilot.yaml
fetch
