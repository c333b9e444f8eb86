# convert: weights in the forms of other libraries and back; summary --weights and --strict say what
# a file holds.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet
want_code 0
w=runs/resnet8-handsigns

run convert $w own.safetensors
want_code 0
for names in torchvision timm; do
    run convert $w $names.safetensors --names $names
    want_code 0
    run convert $names.safetensors back.safetensors
    want_code 0
    cmp -s own.safetensors back.safetensors || fail "expected the same bytes by way of $names"
done
grep -qa "layer3.0.downsample.0.weight" torchvision.safetensors || fail "expected torchvision's names"
run convert torchvision.safetensors again.safetensors --names torchvision
want_code 0
cmp -s torchvision.safetensors again.safetensors || fail "expected the same bytes again"

# 16-bit values are read as they were rounded.
for dtype in f16 bf16 fp16; do
    run convert $w half.safetensors --names torchvision --dtype $dtype
    want_code 0
    run convert half.safetensors again.safetensors --names torchvision --dtype $dtype
    want_code 0
    cmp -s half.safetensors again.safetensors || fail "expected the same bytes of $dtype again"
done

run summary --weights torchvision.safetensors
want_code 0
want_out "size        32x32"
want_out "classes     6"
want_out "safetensors, names of torchvision"
want_out "47 matched, 0 missing, 0 reshaped, 0 unexpected"
run summary --weights torchvision.safetensors --model resnet20 --json
want_code 0
want_out '"missing"'
run summary --weights torchvision.safetensors --model resnet20 --strict
want_code 4

run convert $w body.safetensors --names torchvision --no-top
want_code 0
run eval --weights body.safetensors --data-path handsigns --samples 8
want_code 4
want_err "holds no tensor 'fc.weight'"
run train --weights body.safetensors --strict --model resnet8 --data-path handsigns --size 32 --samples 16
want_code 4

# What was written, as JSON; what no library takes; a name of another format.
run convert $w body.safetensors --names torchvision --dtype f16 --json
want_code 0
want_out '"output": "body.safetensors"'
want_out '"names": "torchvision"'
want_out '"dtype": "f16"'
want_out '"classes": 6'
want_err "no model of torchvision takes these tensors, as it has no resnet8"
for name in x.pth x.onnx x.weights.h5; do
    run convert $w $name
    want_code 2
    want_err "$name: "
    [ ! -e $name ] || fail "expected no $name"
done
run convert $w x.pth
want_err "x.pth: rescl writes no '.pth' files"

run convert $w
want_code 2
want_err "expected two: rescl convert IN OUT"
run convert $w x.safetensors --names keras
want_code 2
want_err "HDF5 goes with keras"
run convert $w nowhere/x.safetensors
want_code 4
want_err "nowhere/x.safetensors"
printf 'abc' >bad.h5
run convert bad.h5 x.safetensors
want_code 4
want_err "bad.h5"
[ ! -e x.safetensors ] || fail "expected no file after a failure"

run convert $w keras.h5
if grep -q "built without HDF5" err; then
    exit 0
fi
want_code 0
# A full disk is an error of the write, whoever writes the format.
for limited in limited.h5 limited.safetensors; do
    command="(ulimit -f 8; rescl convert to $limited)"
    (ulimit -f 8 && exec "$RESCL" convert $w $limited >out 2>err)
    code=$?
    want_code 4
    want_err "$limited"
    want_err "File too large"
    [ "$(echo $limited*)" = "$limited*" ] || fail "expected nothing of $limited"
done
run convert $w x.h5 --dtype bf16
want_code 2
want_err "HDF5 has no bf16"
for names in keras keras1; do
    run convert $w $names.h5 --names $names
    want_code 0
    run convert $names.h5 from.safetensors
    want_code 0
    sleep 1 # a file that tells the time would differ
    run convert from.safetensors again.h5 --names $names
    want_code 0
    cmp -s $names.h5 again.h5 || fail "expected the same HDF5 again with names of $names"
    run convert again.h5 back.safetensors
    want_code 0
    cmp -s from.safetensors back.safetensors || fail "expected the same bytes by way of $names"
done
run eval --weights keras.h5 --data-path handsigns --samples 24 --strict
want_code 0
head -c 3000 keras.h5 >cut.h5
run convert cut.h5 x.safetensors
want_code 4
want_err "cut.h5"
