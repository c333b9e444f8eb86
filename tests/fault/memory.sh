# Allocations that fail, one by one: the program says that memory is short and exits with 1, or it does all
# the same; no result lacks a part, and a file is replaced by a whole one or not at all.
#     MEMORY_STEP=1    every allocation (memory_all.sh); else some, spread over all of them
# shellcheck disable=SC2154 # $dir of common.inc
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

[ -f "${RESCL_FAULT_MALLOC:-}" ] || skip "no shim between rescl and malloc in this build"
ln -s "$RESCL_FAULT_MALLOC" malloc.so # blanks and colons would divide a path that is preloaded
step=${MEMORY_STEP:-}

# A network of few layers, and its weights.
# shellcheck disable=SC2086
"$RESCL" train $tiny --size 16 --samples 8 --eval-samples 4 --epochs 1 --quiet --output-dir run >/dev/null 2>&1 ||
    fail "expected a training"
weights=$(find run -name best.safetensors)

# without AT ARG...: rescl with a failure at allocation AT (0: none); $code, $calls, and the files out, err.
without() {
    at=$1
    shift
    command="allocation $at fails in rescl $*"
    rm -f report
    FAULT_AT=$at FAULT_REPORT=report LD_PRELOAD=./malloc.so "$RESCL" "$@" >out 2>err
    code=$?
    calls=$(sed -n 's/^calls //p' report 2>/dev/null)
}

# try MOST FILE ARG...: fails at about MOST allocations, spread over all. FILE is what is written ("": nothing).
try() {
    most=$1
    file=$2
    shift 2
    without 0 "$@"
    want_code 0
    [ -n "$calls" ] && [ "$calls" -gt 20 ] || fail "expected allocations to be counted"
    cp out right.out
    [ -z "$file" ] || cp "$file" right.file
    all=$calls
    by=${step:-$((all / most + 1))}
    n=1
    while [ "$n" -le "$all" ]; do
        [ -z "$file" ] || echo old >"$file"
        without "$n" "$@"
        if [ "$code" -eq 0 ]; then
            cmp -s out right.out || fail "expected the whole result, or a failure"
            [ -z "$file" ] || cmp -s "$file" right.file || fail "expected the whole file"
        else
            want_code 1
            want_err memory
            [ -z "$file" ] || [ "$(cat "$file")" = old ] || cmp -s "$file" right.file ||
                fail "expected the file to be left alone"
        fi
        n=$((n + by))
    done
}

try 30 "" devices --json
try 6 "" summary --model resnet8 --json
try 40 "" summary --weights "$weights" --json
try 12 copy.safetensors convert "$weights" copy.safetensors
try 6 model.onnx export --weights "$weights" -o model.onnx
make_png >image.png
try 5 "" predict --weights "$weights" --json image.png
printf '[training]\nlr = 0.1\n' >x.ini
try 8 "" train -c x.ini --print-config
