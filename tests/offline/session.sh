# bench/gpu/session where a stage fails, some hang, one has no time, one is interrupted, where there is no
# OpenCL, and what it refuses.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tests" "$dir/tools"
printf '#!/bin/sh\nexit 0\n' >"$dir/tests/test_relu"
printf '#!/bin/sh\nexit 77\n' >"$dir/tests/test_conv2d"
printf '#!/bin/sh\nexit 3\n' >"$dir/tests/test_memory"
# Hangs, deaf to a polite signal, as a program in its driver.
printf '#!/bin/sh\ntrap "" TERM\necho $$ >"%s/pid"\nwhile :; do sleep 1; done\n' "$dir" >"$dir/tests/test_zombie"
cat >"$dir/tools/rescl" <<'SH'
#!/bin/sh
case "$1 $2" in
"devices "*) [ ! -e "${0%/*}/blind" ] && echo '[{"selected": true, "name": "Card", "platform": "P", "driver": "1"}]' ;;
"bench peak") echo 'rescl bench: error: no peak here' >&2 && exit 3 ;;
"bench model")
    precision=fp32
    while [ $# -gt 0 ]; do
        [ "$1" != --precision ] || precision=$2
        shift
    done
    printf '[\n  {\n    "input": "device",\n    "precision": "%s",\n    "rate": 200.0,\n    "median_ms": 20.0\n  }\n]\n' $precision
    ;;
"bench op") exec sleep 60 ;;
*) ;;
esac
SH
cat >"$dir/tools/python" <<'SH'
#!/bin/sh
case $1 in
*.py)
    echo '{"median_ms": 40.0, "img_s": 100.0, "precision": "fp32", "compiled": false}'
    echo '{"median_ms": 10.0, "img_s": 400.0, "precision": "bf16", "compiled": false}'
    ;;
esac
SH
chmod +x "$dir"/*/*
says() {
    grep -q -- "$1" "$dir/out/summary.txt" || { echo "no '$1' in:"; cat "$dir/out/summary.txt"; exit 1; }
}
export OUT="$dir/out" RESCL="$dir/tools/rescl" TESTS="$dir/tests" PYTHON="$dir/tools/python"
script=$RESCL_SOURCE_DIR/bench/gpu/session
session() { # LIMIT STAGE...
    limit=$1
    shift
    LIMIT=$limit sh "$script" "$@" >"$dir/log" 2>&1
}
exits() { # STATUS LIMIT STAGE...
    expected=$1 code=0
    shift
    session "$@" || code=$?
    [ $code -eq "$expected" ] || { echo "session of '$*' exits $code, not $expected:"; cat "$dir/log"; exit 1; }
}

mkdir "$dir/out"
echo mine >"$dir/out/notes.txt"
! session 11 || { echo "it went into a folder of other files"; exit 1; }
grep -q 'with other files in it' "$dir/log"
[ "$(cat "$dir/out/notes.txt")" = mine ]
rm -r "$dir/out"

begin=$(date +%s)
session 20
[ $(($(date +%s) - begin)) -lt 60 ] || { echo "it took longer than its limit"; exit 1; }
says '^Card, P, driver 1$'
says '^tests: 1 passed, 1 skipped, 2 others, 0 not begun:'
says '^tests: .* test_memory failed(3);'
says '^tests: .* test_zombie running;'
says '^test: .* stopped after 3 s$'
if grep -q '^State:[[:space:]]*[RSD]' "/proc/$(cat "$dir/pid")/status" 2>/dev/null; then
    echo "a test outlived its stage"
    exit 1
fi
says '^peak: .* failed (3): rescl bench: error: no peak here$'
says '^op: .* stopped after [0-9]* s$'
says '^step: .* done$'
says '^model  *fp32,device  *200.0  *20.00  *2.00$'
says '^bf16  *bf16,device  *200.0  *20.00  *0.50$'
says '^fp16  *fp16,device  *200.0  *20.00  *-$'
says '^torch  *fp32,eager  *100.0  *40.00  *1.00$'
tar -tzf "$dir/out.tar.gz" | grep -q '^out/summary.txt$'

touch "$dir/tools/blind"
PATH=$dir/tools:$PATH
session 20
says '^torch: .* done$'
says '^ptx: .* done$'
if grep -q '^model: ' "$dir/out/summary.txt"; then
    echo "a stage of OpenCL ran without a device"
    exit 1
fi

exits 1 1
says '^tests: 0 passed, 0 skipped, 0 others, 0 not begun$'
says '^torch: no time is left$'

exits 2 x
exits 2 20 tests
exits 2 20 --verbose
exits 0 20 --help
grep -q '^  session \[STAGE' "$dir/log"

# An interrupt ends the stage and skips the rest.
rm "$dir/tools/blind"
LIMIT=60 sh "$script" op step >"$dir/log" 2>&1 &
session=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -e "$dir/out/op.txt" ] || sleep 0.5
done
kill "$session"
code=0
wait "$session" || code=$?
[ $code -eq 130 ] || { echo "interrupted, it exits $code"; exit 1; }
says '^op: .* interrupted$'
if grep -q '^step: ' "$dir/out/summary.txt"; then
    echo "a stage ran after the interrupt"
    exit 1
fi

# In its own folder it leaves alone what it did not write.
echo mine >"$dir/out/notes.txt"
session 20 step
[ "$(cat "$dir/out/notes.txt")" = mine ]

# Where the driver lies that no .icd names.
mkdir "$dir/driver"
: >"$dir/driver/libnvidia-opencl.so.1"
eval "$(LD_LIBRARY_PATH=$dir/driver TMPDIR=$dir sh "$RESCL_SOURCE_DIR/bench/gpu/opencl-nvidia" 2>"$dir/log")"
[ "$(cat "$OCL_ICD_VENDORS"/*.icd)" = "$(readlink -f "$dir/driver/libnvidia-opencl.so.1")" ]
