#!/usr/bin/env bash
# Plants each bug of tests/planted in a copy of the last commit and shows that a named test catches it: a test suite that
# misses a bug which was put there on purpose proves nothing. Prints a table; ends with 1 if any bug survives.
#
#   bash scripts/planted-bugs.sh                 all of them
#   bash scripts/planted-bugs.sh no_tombstone    these only
#
# A patch says in its first lines which bug it is (`Bug:`), what is run (`Run:`) and which test must fail (`Caught by:`).
# The same commands must pass on the copy without a patch, in the same run.
set -uo pipefail
cd "$(dirname "$0")/.."

root=$PWD
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/planted"
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
copy=$(mktemp -d)
log=$copy/log
trap 'rm -rf "$copy"' EXIT

# One of the lines at the top of a patch.
told() { sed -n "s/^$1: //p" "$2" | head -n 1; }

# Runs a command of a patch in the copy; what it says goes to the log.
try() { (cd "$copy/tree" && eval "$1" --locked) >"$log" 2>&1; }

patches=()
if (($#)); then
  for name; do patches+=("$root/tests/planted/$name.patch"); done
else
  patches=("$root"/tests/planted/*.patch)
fi
for patch in "${patches[@]}"; do
  [[ -f $patch ]] || { printf 'there is no %s\n' "$patch" >&2; exit 2; }
done

mkdir "$copy/tree"
git archive HEAD | tar -x -C "$copy/tree" || exit 2

declare -A passed
survived=0
printf '%-32s %-9s %s\n' 'planted bug' 'caught' 'by'
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch)
  run=$(told Run "$patch")
  test=$(told 'Caught by' "$patch")
  verdict=no
  if [[ -z ${passed[$run]:-} ]]; then
    if ! try "$run"; then
      tail -n 40 "$log" >&2
      printf 'without any bug this fails already: %s\n' "$run" >&2
      exit 2
    fi
    passed[$run]=yes
  fi
  if ! (cd "$copy/tree" && git apply "$patch"); then
    verdict='no patch'
  elif try "$run"; then
    verdict=SURVIVED
  elif grep -Eq "^test (.*::)?$test \.\.\. FAILED" "$log"; then
    verdict=yes
  else
    tail -n 40 "$log" >&2
    verdict=otherwise
  fi
  [[ $verdict == yes ]] || survived=$((survived + 1))
  printf '%-32s %-9s %s\n' "$name" "$verdict" "$test"
  (cd "$copy/tree" && git apply -R "$patch" 2>/dev/null)
done
printf '%s of %s planted bugs were caught\n' "$((${#patches[@]} - survived))" "${#patches[@]}"
((survived == 0))
