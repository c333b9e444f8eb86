# What scripts/offline-gpu-check refuses and skips.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
check() { # expected exit status, arguments
    want=$1
    shift
    code=0
    "$RESCL_SOURCE_DIR/scripts/offline-gpu-check" -t "$dir/table" -l "$dir/list" "$@" >"$dir/out" 2>&1 || code=$?
    if [ "$code" -ne "$want" ]; then
        echo "expected $want, got $code: $*"
        cat "$dir/out"
        exit 1
    fi
}
says() {
    grep -q -- "$1" "$dir/out" || { echo "nothing says '$1':"; cat "$dir/out"; exit 1; }
}

echo 'relu -DSPREAD=1 -DWG=128' >"$dir/list"
echo '* * * 256 0 65536 50 - - -' >"$dir/table"
CLANG=/nowhere/clang check 77 amd:gfx1100
says 'amd:gfx1100 skipped: there is no /nowhere/clang'
check 2 amd-gfx1100
printf '#!/bin/sh\necho 14.0.6\n' >"$dir/clang"
chmod +x "$dir/clang"
printf 'clang 19\n* * * 256 0 65536 50 - - -\n' >"$dir/table"
CLANG=$dir/clang LIBCLC=$dir check 77 amd:gfx1100
says "skipped: there is no $dir/amdgcn--amdhsa.bc"
echo bitcode >"$dir/amdgcn--amdhsa.bc"
CLANG=$dir/clang LIBCLC=$dir check 77 amd:gfx1100
says "skipped: there is no clang of version 19 or later ($dir/clang is 14.0.6)"
echo '* * * 256 0 65536 50 - - -' >"$dir/table"
code=0
"$RESCL_SOURCE_DIR/scripts/offline-gpu-check" -t "$dir/table" -l "$dir/list" amd:gfx1100 >"$dir/out" || code=$?
[ "$code" -ne 77 ] || { cat "$dir/out"; exit 77; }

check 0 amd:gfx1100
says '^2 kernels, 0 mistakes'
printf '# bounds\n\n* relu_fwd * 1 0 65536 - - - -\n* * * 256 0 65536 - - - -\n' >"$dir/table"
check 1 amd:gfx1100
says 'line 3 of the table: registers [0-9]* > 1;'
says '^2 kernels, 1 mistakes'
printf '* * *WG=64* 256 0 65536 - - - -\n' >"$dir/table"
check 1 amd:gfx1100
says 'amd:gfx1100 relu_fwd: no line of the table is for it'
printf '* * * 256 0 65536 50 - -\n' >"$dir/table"
check 1 amd:gfx1100
says ':1: expected 10 columns, found 9'

# What does not compile, and a kernel that keeps an array in memory.
mkdir "$dir/cl"
echo 'kernel void k(global float *x) { x[0] = y; }' >"$dir/cl/broken.cl"
cat >"$dir/cl/spills.cl" <<'CL'
kernel void spills(global float *x, int n)
{
    float t[64];
    for (int i = 0; i < 64; i++)
        t[i] = x[i * n];
    for (int i = 0; i < n; i++)
        x[i] = t[(int)x[i] & 63];
}
CL
echo '* * * 256 0 65536 - - - -' >"$dir/table"
printf 'broken\nspills\n' >"$dir/list"
check 1 -k "$dir/cl" amd:gfx1100
says "^amd:gfx1100 broken .*error: use of undeclared identifier 'y'"
says 'private memory 2[0-9][0-9] > 0;'
says '^1 kernels, 2 mistakes'
