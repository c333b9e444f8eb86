# --preprocess, --mean and --std: recorded in what is written, honoured by every verb; what is assumed
# of files that do not say is said.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --mean 0.5 --std 0.25,0.5,0.75 --name own
want_code 0
how="normalize (mean 0.5,0.5,0.5, std 0.25,0.5,0.75)"
want_err "inputs  $how: by --mean and --std"
hands="--data-path handsigns --samples 24"
# shellcheck disable=SC2086
run eval --weights runs/own $hands
want_code 0
want_err "inputs  $how: as the weights say"
grep -v speed out >asis
# shellcheck disable=SC2086
run eval --weights runs/own $hands --preprocess caffe
want_code 0
want_err "inputs  caffe: by --preprocess"
grep -v speed out >other
! cmp -s asis other || fail "expected other numbers with another preprocessing"

# By way of another library's names, and as ONNX.
run convert runs/own torch.safetensors --names torchvision
want_code 0
# shellcheck disable=SC2086
run eval --weights torch.safetensors $hands
want_code 0
grep -v speed out >back
cmp -s asis back || fail "expected the same numbers by way of torchvision's names"
run export --weights runs/own -o own.onnx
want_code 0
grep -qa "RGB, 0 to 1, minus 0.5, 0.5, 0.5, divided by 0.25, 0.5, 0.75" own.onnx ||
    fail "expected the mean and std in the metadata"
run export --weights runs/own -o own.onnx --json --preprocess torch
want_code 0
want_out '"preprocess": "torch"'
run convert runs/own unit.safetensors --preprocess unit
want_code 0
# shellcheck disable=SC2086
run eval --weights unit.safetensors $hands
want_err "inputs  unit: as the weights say"

# A file that does not say: torchvision's names imply its preprocessing, for whatever network.
LC_ALL=C sed 's/"rescl_model"/"other_model"/' torch.safetensors >foreign.safetensors
# shellcheck disable=SC2086
run eval --model resnet8 --weights foreign.safetensors $hands
want_code 0
want_err "inputs  torch: assumed, as weights with names of torchvision usually take it"
# shellcheck disable=SC2086
run eval --model resnet8 --weights foreign.safetensors $hands --mean 0.5 --std 0.25,0.5,0.75
want_code 0
grep -v speed out >said
cmp -s asis said || fail "expected the same numbers with the same mean and std"

# A run goes on as it was.
# shellcheck disable=SC2086
run train --resume runs/own --epochs 2 --mean 0.4
want_code 2
want_err "--mean does not go with --resume"
run train --resume runs/own --epochs 2
want_code 0
run eval --weights runs/own/weights/last.safetensors --data-path handsigns --samples 8
want_err "inputs  $how: as the weights say"

for wrong in 123.7 0.5,0.5 0.5,x,0.5 0.5,0.5,0.5,0.5 ,; do
    run predict --weights runs/own --mean $wrong asis
    want_code 2
    want_err "--mean: found '$wrong', expected R,G,B: numbers from 0 to 1, of x / 255"
done
run predict --weights runs/own --std 0 asis
want_code 2
run predict --weights runs/own --preprocess caffe --std 0.5 asis
want_code 2
want_err "--preprocess caffe does not go with --mean and --std"
