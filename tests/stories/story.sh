# What every story begins with; see README.md beside it.
set -euo pipefail

# Says what happens next.
step() { printf '\n== %s\n' "$*"; }

# Runs a command, shows its output, and fails unless that contains a text: expect TEXT COMMAND…
expect() {
  local text=$1; shift
  echo "\$ $*"
  local output
  output=$("$@" 2>&1) || { echo "$output"; echo "FAILED: exit code $? of: $*"; exit 1; }
  echo "$output"
  grep -qF -- "$text" <<<"$output" || { echo "FAILED: no ${text@Q} in the output of: $*"; exit 1; }
}

# Runs a command, shows its output, and fails where that contains a text: expect_no TEXT COMMAND…
expect_no() {
  local text=$1; shift
  echo "\$ $*"
  local output
  output=$("$@" 2>&1) || { echo "$output"; echo "FAILED: exit code $? of: $*"; exit 1; }
  echo "$output"
  if grep -qF -- "$text" <<<"$output"; then echo "FAILED: ${text@Q} in the output of: $*"; exit 1; fi
}

# As expect, for a command that is to end with another exit code than 0: expect_exit CODE TEXT COMMAND…
expect_exit() {
  local code=$1 text=$2; shift 2
  echo "\$ $*"
  local output ended=0
  output=$("$@" 2>&1) || ended=$?
  echo "$output"
  [ "$ended" = "$code" ] || { echo "FAILED: exit code $ended instead of $code of: $*"; exit 1; }
  grep -qF -- "$text" <<<"$output" || { echo "FAILED: no ${text@Q} in the output of: $*"; exit 1; }
}

# Tries a command until it succeeds, for a minute at most: eventually COMMAND…
eventually() {
  local tries
  for tries in $(seq 120); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  echo "FAILED: it never came to: $*"; exit 1
}
