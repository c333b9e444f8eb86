# export: an ONNX file from trained weights; what is missing is said.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet
want_code 0
run export --weights runs/resnet8-handsigns --output model.onnx
want_code 0
want_out "model.onnx: resnet8, input (N, 3, 32, 32), logits (N, 6), images prepared as 'unit'"
grep -qa "layer3.0.downsample.0.weight" model.onnx || fail "expected torchvision's names"
run export --weights runs/resnet8-handsigns -o again.onnx --json
want_code 0
want_out '"preprocess": "unit"'
cmp -s model.onnx again.onnx || fail "expected the same bytes again"

run export --weights runs/resnet8-handsigns
want_code 2
want_err "--output FILE is required"
run export --output model.onnx
want_code 2
want_err "--weights FILE is required"
run export --weights runs/resnet8-handsigns --output nowhere/model.onnx
want_code 4
want_err "nowhere/model.onnx: cannot create the file: No such file or directory"
run export --weights runs/resnet8-handsigns --output model.onnx more
want_code 2
want_err "more"
for name in json model.safetensors; do
    run export --weights runs/resnet8-handsigns --output $name
    want_code 2
    want_err "expected a name that ends in .onnx"
done
