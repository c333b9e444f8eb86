# --channels 1: networks for grey images are trained, resumed, recorded, evaluated and exported as those
# for colours; weights of three channels are summed for them.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

grey="$tiny --channels 1 --color-jitter 0.4 --hue 0.1 --grayscale 0.5 --mean 0.4 --std 0.3"
# shellcheck disable=SC2086
run train $grey --name whole
want_code 0
want_err "model   resnet8, 32x32, grey, 6 classes"
want_err "inputs  normalize (mean 0.4, std 0.3): by --mean and --std"
[ -s runs/whole/images/mistake-1.png ] || fail "expected images of what went wrong"
# shellcheck disable=SC2086
run train $grey --name part --epochs 1
want_code 0
run train --resume runs/part --epochs 2
want_code 0
cmp -s runs/whole/weights/best.safetensors runs/part/weights/best.safetensors ||
    fail "expected the same weights from a run that went on"

hands="--data-path handsigns --samples 24"
# shellcheck disable=SC2086
run eval --weights runs/whole $hands
want_code 0
want_err "model   resnet8, 32x32, grey"
want_err "inputs  normalize (mean 0.4, std 0.3): as the weights say"
grep -v speed out >asis
run convert runs/whole torch.safetensors --names torchvision
want_code 0
# shellcheck disable=SC2086
run eval --weights torch.safetensors $hands
want_code 0
grep -v speed out >back
cmp -s asis back || fail "expected the same numbers by way of torchvision's names"
run export --weights runs/whole -o grey.onnx
want_code 0
want_out "input (N, 1, 32, 32)"
grep -qa "grey, 0 to 1, minus 0.4, divided by 0.3" grey.onnx ||
    fail "expected the mean and std in the metadata"
run summary --weights runs/whole --json
want_code 0
want_out '"channels": 1'

# shellcheck disable=SC2086
run train $tiny --channels 1 --preview grey.png
want_code 0
[ -s grey.png ] || fail "expected a sheet"

# Weights of the other number of channels; what they say counts where nothing is asked for.
# shellcheck disable=SC2086
run train $tiny --epochs 1 --name colour
want_code 0
# shellcheck disable=SC2086
run train $tiny --epochs 1 --channels 1 --weights runs/colour --name summed
want_code 0
want_err "'conv1.weight' is made for images of three channels: grey gets the sum of their weights"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --weights runs/summed --name again
want_code 0
want_err "model   resnet8, 32x32, grey"
run train --resume runs/again --epochs 2
want_code 0
run train --resume runs/again --epochs 3 --channels 3
want_code 2
want_err "--channels does not go with --resume"
# shellcheck disable=SC2086
run eval --weights runs/colour --channels 1 $hands
want_code 0
want_err "grey gets the sum of their weights"

# shellcheck disable=SC2086
run train $tiny --channels 1 --mean 0.4,0.5,0.6
want_code 2
want_err "--mean: found '0.4,0.5,0.6', expected the number of the one channel, from 0 to 1"
