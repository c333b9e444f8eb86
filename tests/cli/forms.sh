# --channels 4 and --bit-depth 16: networks for four channels and for 16 bits are trained, resumed, recorded,
# evaluated and exported as those for 8-bit colours; weights of three channels are repeated for them; what is not
# made for such images is refused by name.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

for i in 1 2 3 4; do
    mkdir -p set/a set/b
    cp "$RESCL_SOURCE_DIR/tests/data/images/rgba16.png" set/a/$i.png
    cp "$RESCL_SOURCE_DIR/tests/data/images/alpha.bmp" set/b/$i.bmp
done
set="--model resnet8 --size 16 --epochs 2 -b 4 --data-path set"
form="--channels 4 --bit-depth 16 --mean 0.4,0.4,0.5,0.6 --std 0.3"
augment="--scale 0.5 --hflip 0.5 --color-jitter 0.4 --hue 0.1 --degrees 20 --grayscale 0.5 --random-erase 0.5 --mixup 1"

# loss FILE: the whole number after the word loss.
loss() {
    sed -n 's/.*loss *\([0-9.e-]*\).*/\1/p' "$1" | head -n 1
}

# shellcheck disable=SC2086
run train $set $form $augment --name whole
want_code 0
want_err "model   resnet8, 16x16, four channels of 16 bits, 2 classes"
want_err "inputs  normalize (mean 0.4,0.4,0.5,0.6, std 0.3,0.3,0.3,0.3): by --mean and --std"
grep '^best' out >best
sed -n 's/^evaluate  rescl //p' out >command
# shellcheck disable=SC2086
run train $set $form $augment --name part --epochs 1 --cache ram
want_code 0
run train --resume runs/part --epochs 2
want_code 0
cmp -s runs/whole/weights/best.safetensors runs/part/weights/best.safetensors ||
    fail "expected the same weights from a run that went on"
run train --resume runs/part --epochs 3 --bit-depth 8
want_code 2
want_err "--bit-depth does not go with --resume"

eval "run $(cat command)"
want_code 0
want_err "model   resnet8, 16x16, four channels of 16 bits"
[ "$(loss out)" = "$(loss best)" ] || fail "expected eval to repeat the figure of training"
run predict --weights runs/whole set/a/1.png set/b/1.bmp --csv --saliency maps --sheet sheet.png
want_code 0
[ -s sheet.png ] || fail "expected a sheet"
cp out asis
run convert runs/whole torch.safetensors --names torchvision
want_code 0
run predict --weights torch.safetensors set/a/1.png set/b/1.bmp --csv
want_code 0
cut -d, -f1-4 out >back
cut -d, -f1-4 asis | cmp -s - back || fail "expected the same numbers by way of torchvision's names"
run export --weights runs/whole -o four.onnx
want_code 0
want_out "input (N, 4, 16, 16)"
grep -qa "RGBA, 0 to 1, minus 0.4, 0.4, 0.5, 0.6, divided by 0.3" four.onnx ||
    fail "expected the mean and std in the metadata"
run summary --weights runs/whole --json
want_code 0
want_out '"channels": 4'
want_out '"bit_depth": 16'
# shellcheck disable=SC2086
run train $set $form --preview four.png
want_code 0
[ -s four.png ] || fail "expected a sheet"

# What the weights say counts where nothing is asked for; those of three channels are repeated.
# shellcheck disable=SC2086
run train $set --weights runs/whole --name again --epochs 1
want_code 0
want_err "input   four channels: as the weights say"
want_err "depth   16 bits a sample: as the weights say"
# shellcheck disable=SC2086
run train $set --name three --epochs 1
want_code 0
run eval --weights runs/three --channels 4 --data-path set
want_code 0
want_err "each of four gets three quarters of red's, green's, blue's and red's weights"
run eval --weights runs/three --channels 1 --bit-depth 16 --data-path set
want_code 0
want_err "model   resnet8, 16x16, grey of 16 bits"

# shellcheck disable=SC2086
run train $set --channels 2
want_code 2
want_err "channels 2: expected those of a network: 1, 3 or 4"
# shellcheck disable=SC2086
run train $set --bit-depth 12
want_code 2
want_err "bit_depth 12: expected 8 or 16"
# shellcheck disable=SC2086
run train $set --bit-depth 16 --auto-augment ra --name none
want_code 2
want_err "auto_augment takes images of 8 bits, and bit_depth is 16"
[ ! -e runs/none ] || fail "expected no folder of a run that cannot begin"
# shellcheck disable=SC2086
run train $set --bit-depth 16 --gaussian-blur 1 --name none
want_code 2
want_err "gaussian_blur takes images of 8 bits"
# shellcheck disable=SC2086
run train $set --channels 4 --mean 0.4,0.5,0.6
want_code 2
want_err "--mean: found '0.4,0.5,0.6', expected R,G,B,A: numbers from 0 to 1"
