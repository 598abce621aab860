#!/usr/bin/env bash
# Makes the sample report, a folder for a web site:
#
#   bash launch/sample.sh [--dry-run] SITE [flags of empathy demo]
#
# Runs the demo in runs/sample; SITE then holds its report as index.html, its
# figures as study.json and its tables.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh

if [ "${1:-}" = --dry-run ]; then dry_run=1; shift; fi
case ${1:-} in
  -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' launch/sample.sh; exit ;;
  '' | -*) fail 'expected a folder for the site; see --help' ;;
  /*) site=$1 ;;
  *) site=$OLDPWD/$1 ;;
esac
shift

install_into_venv .
run "$python" -m empathy demo --output=runs/sample "$@"
run mkdir -p "$site"
study=runs/sample/run/study
run cp "$study/report.html" "$site/index.html"
run cp -R "$study/study.json" "$study/tables" "$site"
echo "The site: $site"
