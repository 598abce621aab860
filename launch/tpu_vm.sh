#!/usr/bin/env bash
# Runs the study on a Cloud TPU, a single VM or a slice of a pod:
#
#   bash launch/tpu_vm.sh --project=ID --zone=ZONE --bucket=gs://BUCKET
#     [--corpus=DIR] [--config=FILE] [--type=v5litepod-8] [--on_demand]
#     [--dry-run]
#
# Makes the TPU of spare capacity (a third of the price or less; --on_demand asks
# for the other), copies the project and the corpus there, trains on all hosts,
# evaluates, fetches everything to runs/NAME and deletes the TPU. Checkpoints are
# copied to the bucket as they are made: a TPU that is taken away is made anew,
# and the run goes on from the last one. The same command goes on, too. Without
# --corpus, on a simulated corpus. --dry-run shows every command.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh

project='' zone='' type=v5litepod-8 on_demand=''
in_cloud gs://... 'project zone bucket' 'type on_demand' "$@"
case $type in
  v6e-*) image='v2-alpha-tpuv6e' ;;
  v5p-*) image='v2-alpha-tpuv5' ;;
  v5litepod-*) image='v2-alpha-tpuv5-lite' ;;
  *) image='tpu-ubuntu2204-base' ;;
esac

tpu=$(machine_name "$name") workdir=runs/$name most_attempts=20
spot=--spot
[ -z "$on_demand" ] || spot=''
where=("--project=$project" "--zone=$zone")

vm() { run gcloud compute tpus tpu-vm "$@"; }

delete() { vm delete "$tpu" "${where[@]}" --quiet; }

state() {
  if [ -n "$dry_run" ]; then return; fi
  gcloud compute tpus tpu-vm describe "$tpu" "${where[@]}" \
    '--format=value(state)' 2> /dev/null || true
}

# A machine that is ready and has the project. Fails where there is none.
prepare() {
  case $(state) in
    READY) ;;
    '') vm create "$tpu" "${where[@]}" "--accelerator-type=$type" \
      "--version=$image" ${spot:+"$spot"} || return ;;
    *) delete && return 1 ;;
  esac
  vm scp "$package" "$tpu:" "${where[@]}" --worker=all || return
  vm ssh "$tpu" "${where[@]}" --worker=all "--command=mkdir -p empathy && \
tar -xzf $(basename "$package") -C empathy && cd empathy && $with_uv"
}

study() {
  vm ssh "$tpu" "${where[@]}" --worker=all "--command=cd empathy && \
EXTRA=tpu INDEX=\${HOSTNAME##*-w-} $study --distributed"
}

package=empathy.tar.gz
# Whatever happens, nothing is left that costs money.
if [ -z "$dry_run" ]; then
  temporary=$(mktemp -d)
  package=$temporary/$package
  trap 'rm -rf "$temporary"; [ -z "$(state)" ] || delete' EXIT
fi
run tar -czf "$package" --exclude=.git --exclude=.venv --exclude=./runs .
run mkdir -p runs
send

for ((attempt = 1; attempt <= most_attempts; attempt++)); do
  if [ -n "$dry_run" ]; then prepare; study; break; fi
  if prepare && study 2>&1 | tee -a "$workdir.log"; then break; fi
  # A machine that is still there was not taken away: the run itself failed.
  if [ "$(state)" = READY ]; then
    echo "error: the run failed; see $workdir.log" >&2
    exit 1
  fi
  if [ "$attempt" = "$most_attempts" ]; then
    echo "error: no capacity after $attempt attempts; the same command goes on" >&2
    exit 1
  fi
  echo "the TPU is not to be had, or was taken away: attempt $((attempt + 1))"
  sleep 60
done
if [ -n "$dry_run" ]; then delete; fi
fetch
