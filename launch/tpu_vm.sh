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
here=$OLDPWD

project='' zone='' bucket='' corpus='' config=configs/mixed_signals.py
type=v5litepod-8 capacity=--spot dry_run=
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    --project=?*) project=$value ;;
    --zone=?*) zone=$value ;;
    --bucket=gs://?*) bucket=${value%/} ;;
    --corpus=/*) corpus=$value ;;
    --corpus=?*) corpus=$here/$value ;;
    --config=?*) config=$value ;;
    --type=?*) type=$value ;;
    --on_demand) capacity= ;;
    --dry-run) dry_run=1 ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' launch/tpu_vm.sh; exit ;;
    *) echo "error: $argument: no such flag; see --help" >&2; exit 2 ;;
  esac
done
for name in project zone bucket; do
  if [ -z "${!name}" ]; then
    echo "error: expected --$name=...; see --help" >&2
    exit 2
  fi
done
if [ -n "$corpus" ] && [ ! -d "$corpus/features" ]; then
  echo "error: $corpus: no corpus folder with features" >&2
  exit 2
fi
case $type in
  v6e-*) image='v2-alpha-tpuv6e' ;;
  v5p-*) image='v2-alpha-tpuv5' ;;
  v5litepod-*) image='v2-alpha-tpuv5-lite' ;;
  *) image='tpu-ubuntu2204-base' ;;
esac

source launch/install.sh
name=$(run_name "$config" "${corpus:-simulated}")
tpu=$(machine_name "$name")
workdir=runs/$name
place=("--project=$project" "--zone=$zone")
most_attempts=20

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

vm() { run gcloud compute tpus tpu-vm "$@"; }

# on WORKER COMMAND: in the project's folder there; what it says goes to a log.
on() {
  vm ssh "$tpu" "${place[@]}" "--worker=$1" "--command=cd empathy && $2"
}

delete() { vm delete "$tpu" "${place[@]}" --quiet; }

state() {
  if [ -n "$dry_run" ]; then return; fi
  gcloud compute tpus tpu-vm describe "$tpu" "${place[@]}" \
    '--format=value(state)' 2> /dev/null || true
}

# A machine that is ready and has the project. Fails where there is none.
prepare() {
  case $(state) in
    READY) ;;
    '') vm create "$tpu" "${place[@]}" "--accelerator-type=$type" \
      "--version=$image" ${capacity:+"$capacity"} || return ;;
    *) delete && return 1 ;;
  esac
  vm scp "$package" "$tpu:" "${place[@]}" --worker=all || return
  vm ssh "$tpu" "${place[@]}" --worker=all "--command=mkdir -p empathy && \
tar -xzf $(basename "$package") -C empathy && cd empathy && \
python3 -m pip install --quiet --user uv && \
([ -d .venv ] || ~/.local/bin/uv venv --quiet --python 3.12 .venv) && \
~/.local/bin/uv pip install --quiet --python .venv -e '.[tpu]'" || return
  if [ -z "$corpus" ]; then
    on all "([ -e corpus ] || .venv/bin/python -m empathy.prepare \
--importer=simulated --output=corpus)"
  fi
}

study() {
  # Process 0 writes, and it is on worker 0: there, the workdir is mirrored.
  on all "case \$(hostname) in *-w-0) mirror='bash launch/mirrored.sh \
$bucket/$name $workdir' ;; *) mirror= ;; esac; \
\$mirror .venv/bin/python -m empathy.train --distributed --config=$config \
--config.corpus=corpus --workdir=$workdir" || return
  on 0 "bash launch/mirrored.sh $bucket/$name $workdir .venv/bin/python \
-m empathy.evaluate --workdir=$workdir"
}

package=empathy.tar.gz
# Whatever happens, nothing is left that costs money.
if [ -z "$dry_run" ]; then
  temporary=$(mktemp -d)
  package=$temporary/$package
  trap 'rm -rf "$temporary"; [ -z "$(state)" ] || delete' EXIT
fi
pack=(tar -czf "$package" --exclude=.git --exclude=.venv --exclude=./runs .)
if [ -n "$corpus" ]; then
  pack+=("--transform=s,^${corpus#/},corpus," "$corpus")
fi
run "${pack[@]}"
run mkdir -p "$workdir"

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
run gcloud storage rsync --recursive "$bucket/$name" "$workdir"
if [ -n "$dry_run" ]; then delete; fi
echo "The report: $PWD/$workdir/study/report.html"
