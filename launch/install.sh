#!/usr/bin/env bash
# Sourced by the other scripts: what they share.

python=.venv/bin/python
dry_run=${dry_run:-}

# run COMMAND...: runs or shows it.
run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

# child COMMAND...: runs it, and tells it to end when this script is told so. It
# is to save its work: a shell alone would die, or not hear of it in a container.
child() {
  if [ -n "$dry_run" ]; then run "$@"; return; fi
  "$@" &
  local pid=$! status=0
  # shellcheck disable=SC2064 # The process of now; STOP tells it otherwise.
  trap "${STOP:-kill -TERM $pid}" INT TERM
  wait "$pid" || status=$?
  # A signal ends the first wait, not the process.
  while kill -0 "$pid" 2> /dev/null; do status=0; wait "$pid" || status=$?; done
  trap - INT TERM
  return "$status"
}

# fail MESSAGE: of bad input.
fail() { echo "error: $1" >&2; exit 2; }

# install_into_venv WHAT: installs `.` or `.[extra]`, unless nothing changed.
install_into_venv() {
  local interpreter=${PYTHON:-python3} stamp=.venv/installed wanted
  if [ ! -x "$python" ]; then
    if ! "$interpreter" -c 'import sys; sys.exit(sys.version_info < (3, 11))'
    then
      fail "$interpreter is older than Python 3.11; set PYTHON"
    fi
    run "$interpreter" -m venv .venv
  fi
  wanted="$1 $(cksum < setup.py)"
  if grep -qsxF -- "$wanted" "$stamp"; then return; fi
  run "$python" -m pip install --quiet --editable "$1"
  if [ -z "$dry_run" ]; then echo "$wanted" >> "$stamp"; fi
}

# with_uv: commands for a machine whose Python is too old.
with_uv='python3 -m pip install --quiet uv && ([ -d .venv ] || '
with_uv+='python3 -m uv venv --quiet --seed --python 3.12 .venv)'

# run_name CONFIG CORPUS: of the folder in runs/ and in a bucket. A variant, as in
# configs/mixed_signals.py:concat, has a folder of its own.
run_name() {
  local file=${1%%:*} variant=
  case $1 in *:*) variant=-${1#*:} ;; esac
  local name
  name=$(basename "$file" .py)$variant-$(basename "$2")
  printf '%s' "${name//[^A-Za-z0-9._-]/_}"
}

# machine_name NAME: the same as clouds want it, at most 60 characters.
machine_name() {
  local name
  name=$(printf 'empathy-%s' "$1" | tr 'A-Z_.' 'a-z--' | cut -c 1-60)
  printf '%s' "${name%%-}"
}

# in_cloud SCHEMES NEEDED OTHERS ARGUMENT...: reads the flags of a script that has
# a bucket, and sets the variables that they name, `name` of the run, `place` and
# `there`, where it and the corpus are in the bucket, and `study`, the command for
# a machine.
in_cloud() {
  local schemes=$1 needed=$2 known=" $2 $3 corpus config " argument flag
  shift 3
  bucket='' corpus='' there='' config=configs/mixed_signals.py
  for argument in "$@"; do
    flag=${argument%%=*} flag=${flag#--}
    case $argument in
      --dry-run) dry_run=1; continue ;;
      -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
      --on_demand) argument=--on_demand=1 ;;
    esac
    case $argument,$known in
      --?*=?*,*" $flag "*) printf -v "$flag" %s "${argument#*=}" ;;
      *) fail "$argument: no such flag; see --help" ;;
    esac
  done
  for flag in $needed; do
    [ -n "${!flag}" ] || fail "expected --$flag=...; see --help"
  done
  case $bucket,$schemes in
    gs://?*,*gs* | s3://?*,*s3*) bucket=${bucket%/} ;;
    *) fail "--bucket=$bucket: expected $schemes" ;;
  esac
  if [ -n "$corpus" ]; then
    case $corpus in /*) ;; *) corpus=$OLDPWD/$corpus ;; esac
    [ -d "$corpus/features" ] || fail "$corpus: no corpus folder with features"
    there=$bucket/corpora/$(basename "$corpus")
  fi
  name=$(run_name "$config" "${corpus:-simulated}") place=$bucket/$name
  study=$(printf 'CONFIG=%q WORKDIR=%q bash launch/local.sh %q' \
    "$config" "$place" "$there")
  study=${study% \'\'}
}

# copy FROM TO: a folder, to or from a bucket.
copy() {
  case $bucket in
    gs://*) run gcloud storage rsync --recursive "$1" "$2" ;;
    *) run aws s3 sync --no-progress "$1" "$2" ;;
  esac
}

# send: the corpus, if there is one.
send() { if [ -n "$corpus" ]; then copy "$corpus" "$there"; fi; }

# fetch: what the run made.
fetch() {
  run mkdir -p "runs/$name"
  copy "$place" "runs/$name"
  echo "The report: $PWD/runs/$name/study/report.html"
}
