#!/bin/sh
# Builds the fuzzers of this folder with clang's libFuzzer, ASan and UBSan, and runs each over its
# corpus and on from there. The suite makes a short run; a long one:
#
#     tests/fuzz/run.sh 10000000 200000 10000000 10000000 10000000 10000000
#
# The numbers are executions of safetensors, of HDF5, of PyTorch, of images, of archives and tables, and of these
# as data sets.
#
# What is new goes to the folder that RESCL_FUZZ_DIR names, else is dropped with the programs. Exits
# with 77 (skipped) where there is no libFuzzer.
set -u
keep=${RESCL_FUZZ_DIR:+$(mkdir -p "$RESCL_FUZZ_DIR" && cd "$RESCL_FUZZ_DIR" && pwd)}
# Below the tree names are relative to it, and can be lists of words wherever the tree lies.
CDPATH='' cd -- "$(dirname -- "$0")/../.." || exit 1
root=$(pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/rescl-fuzz.XXXXXX") && dir=$(cd "$dir" && pwd) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

sanitizers="-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined"
echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' >"$dir/probe.c"
# shellcheck disable=SC2086
if ! clang $sanitizers "$dir/probe.c" -o "$dir/probe" 2>"$dir/probe.log"; then
    echo "skipped: no clang with libFuzzer here; scripts/setup --lint installs it"
    exit 77
fi

hdf5=$(pkg-config --cflags --libs hdf5 2>/dev/null || pkg-config --cflags --libs hdf5-serial 2>/dev/null)
jpeg=$(pkg-config --cflags --libs libjpeg 2>/dev/null)
zip=$(pkg-config --cflags --libs libzip 2>/dev/null)
webp=$(pkg-config --cflags --libs libwebp 2>/dev/null)
tiff=$(pkg-config --cflags --libs 'libtiff-4 >= 4.5' 2>/dev/null)
rooms=
for room in base file tensor device op nn model io data; do
    rooms="$rooms -Isrc/$room"
done
# Nothing is written; these know models or graphs, which would bring OpenCL along.
sources="$(find src/base src/file src/tensor src/io -name '*.c' \
    ! -name onnx.c ! -name exportfile.c ! -name modelfile.c ! -name misfit.c \
    ! -name kerasgraph.c) src/nn/naming.c"
images=
for file in image imageform imagerows png pngmeta jpeg webp tiff bmp pnm exif heavyturn; do
    images="$images src/data/$file.c"
done

# build NAME DEFINES MORE: $dir/NAME from fuzz_NAME.c and what else it needs
build() {
    # shellcheck disable=SC2086
    clang -std=gnu11 -O1 -g -DRS_FEATURES= $sanitizers -ffunction-sections -fdata-sections -Wl,--gc-sections $2 \
        -Iinclude $rooms -Itests/fuzz tests/fuzz/fuzz.c "tests/fuzz/fuzz_$1.c" $sources $3 \
        $hdf5 $zip -ljansson -lxxhash -lz -lm -lpthread -o "$dir/$1" || exit 1
}

# HDF5 asks for what a hostile file says; without names in its reports a crash of its own, which is no
# finding, costs little.
ASAN_OPTIONS=allocator_may_return_null=1:symbolize=0
export ASAN_OPTIONS

# fuzz NAME RUNS LENGTH CORPUS [CORPUS]
fuzz() {
    mkdir -p "$dir/new/$1" ${keep:+"$keep/$1"}
    echo "$1: $2 executions from $(find "tests/$4" ${5:+"tests/$5"} -type f | wc -l) files"
    (cd "$dir" && TMPDIR=$dir "./$1" -runs="$2" -max_len="$3" -seed=1 -print_final_stats=1 \
        "${keep:-new}/$1" "$root/tests/$4" ${5:+"$root/tests/$5"} >"$1.log" 2>&1)
    code=$?
    grep -E '^stat::|^Done' "$dir/$1.log"
    [ $code -eq 0 ] && return
    tail -n 60 "$dir/$1.log"
    if [ -n "$keep" ]; then
        find "$dir" -maxdepth 1 -name 'crash-*' -exec cp {} "$keep" \;
    fi
    exit 1
}

build safetensors "" ""
fuzz safetensors "${1:-20000}" 2048 fuzz/corpus/safetensors
build pytorch "${zip:+-DRS_HAVE_ZIP}" ""
fuzz pytorch "${3:-5000}" 8192 io/pytorch
build image "${jpeg:+-DRS_HAVE_JPEG} ${webp:+-DRS_HAVE_WEBP} ${tiff:+-DRS_HAVE_TIFF}" \
    "$images $(pkg-config --cflags --libs libpng) $jpeg $webp $tiff"
fuzz image "${4:-5000}" 4096 fuzz/corpus/image data/images
build table "" ""
fuzz table "${5:-2000}" 30720 data/shards fuzz/corpus/table
# All formats of data, of which two are opened; fuzz.c's stand-ins for the names of that room are not taken.
build dataset "${jpeg:+-DRS_HAVE_JPEG} ${webp:+-DRS_HAVE_WEBP} ${tiff:+-DRS_HAVE_TIFF} -Wl,--allow-multiple-definition" \
    "$(find src/data -name '*.c' | tr '\n' ' ') $(pkg-config --cflags --libs libpng) $jpeg $webp $tiff"
fuzz dataset "${6:-1000}" 30721 fuzz/corpus/dataset
if [ -z "$hdf5" ]; then
    echo "hdf5: left out, the library is not installed"
    exit 0
fi
build hdf5 -DRS_HAVE_HDF5 ""
fuzz hdf5 "${2:-200}" 40000 fuzz/corpus/hdf5
