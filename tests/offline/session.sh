# bench/gpu/session where a stage fails, one hangs, one has no time, and where there is no OpenCL.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tests" "$dir/tools"
printf '#!/bin/sh\nexit 0\n' >"$dir/tests/test_relu"
printf '#!/bin/sh\nexit 77\n' >"$dir/tests/test_conv2d"
printf '#!/bin/sh\nexit 3\n' >"$dir/tests/test_memory"
cat >"$dir/tools/rescl" <<'SH'
#!/bin/sh
case "$1 $2" in
"devices "*) [ ! -e "${0%/*}/blind" ] && echo '[{"selected": true, "name": "Card", "platform": "P", "driver": "1"}]' ;;
"bench peak") echo 'rescl bench: error: no peak here' >&2 && exit 3 ;;
"bench model") printf '[\n  {\n    "input": "device",\n    "img_s": 200.0,\n    "median_ms": 20.0\n  }\n]\n' ;;
"bench op") exec sleep 60 ;;
*) ;;
esac
SH
cat >"$dir/tools/python" <<'SH'
#!/bin/sh
case $1 in
*.py) echo '{"median_ms": 40.0, "img_s": 100.0, "precision": "fp32", "compiled": false}' ;;
esac
SH
chmod +x "$dir"/*/*
says() {
    grep -q -- "$1" "$dir/out/summary.txt" || { echo "no '$1' in:"; cat "$dir/out/summary.txt"; exit 1; }
}
session() {
    OUT=$dir/out RESCL=$dir/tools/rescl TESTS=$dir/tests PYTHON=$dir/tools/python LIMIT=$1 \
        sh "$RESCL_SOURCE_DIR/bench/gpu/session" >"$dir/log" 2>&1
}

mkdir "$dir/out"
echo mine >"$dir/out/notes.txt"
! session 11 || { echo "it went into a folder of other files"; exit 1; }
grep -q 'with other files in it' "$dir/log"
[ "$(cat "$dir/out/notes.txt")" = mine ]
rm -r "$dir/out"

begin=$(date +%s)
session 11
[ $(($(date +%s) - begin)) -lt 40 ] || { echo "it took longer than its limit"; exit 1; }
says '^Card, P, driver 1$'
says '^tests: 1 passed, 1 skipped, 1 others: test_memory failed(3);$'
says '^peak: .* failed (3): rescl bench: error: no peak here$'
says '^op: .* stopped after [0-9]* s$'
says '^step: .* done$'
says '^model  *device  *200.0  *20.00  *2.00$'
says '^torch  *fp32  *100.0  *40.00  *1.00$'
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

session 1
says '^torch: no time is left$'

# Where the driver lies that no .icd names.
mkdir "$dir/driver"
: >"$dir/driver/libnvidia-opencl.so.1"
eval "$(LD_LIBRARY_PATH=$dir/driver TMPDIR=$dir sh "$RESCL_SOURCE_DIR/bench/gpu/opencl-nvidia" 2>"$dir/log")"
[ "$(cat "$OCL_ICD_VENDORS"/*.icd)" = "$(readlink -f "$dir/driver/libnvidia-opencl.so.1")" ]
