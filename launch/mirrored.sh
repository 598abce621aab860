#!/usr/bin/env bash
# Runs a command whose workdir is also kept elsewhere, where it outlives the
# machine:
#
#   bash launch/mirrored.sh [--dry-run] REMOTE WORKDIR COMMAND...
#
# REMOTE is gs://..., s3://... or a folder, for instance a mounted bucket. What is
# there is fetched first, so that the run goes on; what the command writes is
# copied every SECONDS_BETWEEN (120) and at the end. A checkpoint counts only with
# its manifest of hashes, written last: a copy cut off half-way does no harm.
# SIGTERM is passed on to the command; its exit status is that of this script.
set -uo pipefail

dry_run=
if [ "${1:-}" = --dry-run ]; then dry_run=1; shift; fi
if [ $# -lt 3 ]; then
  echo 'error: expected REMOTE WORKDIR COMMAND...' >&2
  exit 2
fi
remote=${1%/} workdir=${2%/}
shift 2

run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

# copy FROM TO: what is only in TO is removed, if TO is in a bucket.
copy() {
  case $remote in
    gs://*) run gcloud storage rsync --recursive \
      --delete-unmatched-destination-objects "$1" "$2" ;;
    s3://*) run aws s3 sync --delete --no-progress "$1" "$2" ;;
    *) run cp --archive "$1/." "$2" ;;
  esac
}

exists() {
  case $remote in
    gs://*) gcloud storage ls "$remote/" > /dev/null 2>&1 ;;
    s3://*) aws s3 ls "$remote/" > /dev/null 2>&1 ;;
    *) [ -n "$(ls -A "$remote" 2> /dev/null)" ] ;;
  esac
}

run mkdir -p "$workdir"
if [ -n "$dry_run" ] || { [ -z "$(ls -A "$workdir")" ] && exists; }; then
  copy "$remote" "$workdir" || exit
fi
case $remote in gs://* | s3://*) ;; *) run mkdir -p "$remote" ;; esac
if [ -n "$dry_run" ]; then
  run "$@"
  copy "$workdir" "$remote"
  exit
fi

"$@" &
command=$!
trap 'kill -TERM $command 2> /dev/null' TERM INT
while kill -0 "$command" 2> /dev/null; do
  sleep "${SECONDS_BETWEEN:-120}" &
  pause=$!
  wait -n "$command" "$pause"
  kill "$pause" 2> /dev/null
  # Files come and go as they are copied; the last copy has to be whole.
  if kill -0 "$command" 2> /dev/null; then
    copy "$workdir" "$remote" || echo 'the copy was cut off; once more later' >&2
  fi
done
wait "$command"
status=$?
copy "$workdir" "$remote" || { [ "$status" -ne 0 ] || status=1; }
exit "$status"
