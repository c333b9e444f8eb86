# Every kernel file is in the list that scripts/offline-gpu-check compiles, or its table says why not; no
# compiler is needed.
set -eu
list=$(mktemp)
trap 'rm -f "$list"' EXIT
"$(dirname "$RESCL")/tests/list_kernels" nv:sm_90 >"$list"
excepted=$(sed -n 's/^except / /p' "$RESCL_SOURCE_DIR/scripts/offline-gpu-check.table")
[ -n "$excepted" ]
bad=0
for file in "$RESCL_SOURCE_DIR"/cl/*.cl; do
    stem=$(basename "$file" .cl)
    case "$excepted " in *" $stem "*) continue ;; esac
    grep -q "^$stem\( \|\$\)" "$list" || { echo "no list has $stem: tests/offline/list_kernels.c"; bad=1; }
done
exit $bad
