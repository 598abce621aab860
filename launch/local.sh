#!/usr/bin/env bash
# Runs the whole study on this machine: bash launch/local.sh [CORPUS] [--dry-run]
#
# Makes a virtual environment, installs the project, and trains and evaluates on
# CORPUS, a corpus folder; without one, on a simulated corpus that it makes.
# Run again, it uses what it made and goes on where it was cut off. CONFIG names
# another experiment than configs/mixed_signals.py, PYTHON another interpreter.
# With CONFIG=configs/mixed_signals_media.py it first fine-tunes encoders on the
# corpus' media and extracts features.
#
# CORPUS and WORKDIR, where the run goes, may be gs://... or s3://... The other
# launchers call it on each machine, with EXTRA, what else to install, RUNNER, what
# starts the training, STOP, what tells that to end, --distributed if it has several
# processes, and INDEX, the number of the machine, of which the first evaluates.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh

corpus='' distributed='' stop=${STOP:-}
unset STOP
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=1 ;;
    --distributed) distributed=1 ;;
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' launch/local.sh; exit ;;
    -*) fail "$argument: the only flag is --dry-run" ;;
    /* | *://*) corpus=$argument ;;
    *) corpus=$OLDPWD/$argument ;;
  esac
done
case $corpus in
  '' | *://*) ;;
  *) [ -d "$corpus" ] || fail "$corpus: no such corpus folder" ;;
esac
# Whether something is of the corpus; in a bucket it is taken to be.
has() { [[ $corpus = *://* ]] || compgen -G "$corpus/$1*" > /dev/null; }

seconds() {
  local start=$SECONDS
  child "${@:2}"
  if [ -z "$dry_run" ]; then echo "$1: $((SECONDS - start)) s"; fi
}

config=${CONFIG:-configs/mixed_signals.py}
# Whether the config begins with media: it sets config.features.
has_media=$(grep -Eqs '^ *\w+\.features(\.\w+)* *=' "${config%%:*}" && echo 1) || :
if [ -n "$corpus" ] && [ -z "$has_media" ] && ! has features && ! has votes; then
  fail "$corpus: has neither features nor votes; empathy extract makes features"
fi
workdir=${WORKDIR:-runs/$(run_name "$config" "${corpus:-simulated}")}
extras=${has_media:+,media}${EXTRA:+,$EXTRA}
for place in "$corpus" "$workdir"; do
  scheme=${place%%://*}
  case $place,$extras, in
    *,"$scheme",*) ;;
    gs://* | s3://*) extras+=,$scheme ;;
  esac
done
install_into_venv ".${extras:+[${extras#,}]}"

can_train=1
if [ -z "$corpus" ]; then
  corpus=runs/simulated
  if [ ! -e "$corpus" ]; then
    run "$python" -m empathy.prepare --importer=simulated --output="$corpus"
  fi
elif [ -n "$has_media" ] && [[ $workdir != *://* ]]; then
  seconds fine-tuning "$python" -m empathy.finetune \
    --corpus="$corpus" --config="$config" --workdir="$workdir/encoders"
  seconds extraction "$python" -m empathy.extract_features \
    --corpus="$corpus" --config="$config" --finetuned="$workdir/encoders"
elif ! has features; then
  can_train=
fi
if [ -n "$can_train" ]; then
  # shellcheck disable=SC2086 # Several words.
  STOP=$stop seconds training ${RUNNER:-} "$python" -m empathy.train \
    ${distributed:+--distributed} --config="$config" --config.corpus="$corpus" --workdir="$workdir"
  if [ "${INDEX:-0}" != 0 ]; then exit; fi
  seconds evaluation "$python" -m empathy.evaluate --workdir="$workdir"
else
  echo "$corpus has no features: a study of its labels and votes alone"
  seconds evaluation "$python" -m empathy.evaluate \
    --corpus="$corpus" --output="$workdir/study"
fi
case $workdir in *://*) ;; *) workdir=$PWD/$workdir ;; esac
echo "The report: $workdir/study/report.html"
