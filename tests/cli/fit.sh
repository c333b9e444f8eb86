# The size of the input, how images are fitted to it, and names of classes: what the weights record,
# what is usual for those that record nothing, what the flags give; and that all of it is said.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --val-resize-size 40 --interpolation bicubic
want_code 0
grep '^best' out | tr -s ' ' | cut -d ' ' -f 3,5 >trained
run eval --weights runs/resnet8-handsigns --data-path handsigns --samples 24 --batch-size 16 \
    --data-seed 0
want_code 0
want_err "size    32x32: as the weights say"
want_err "fit     shorter side to 40, bicubic, centre crop of 32: as the weights say"
echo "$(sed -n 's/^accuracy *//p' out) $(sed -n 's/^loss *//p' out)" | cmp -s - trained ||
    fail "expected what training reported: $(cat trained)"
run eval --weights runs/resnet8-handsigns --data-path handsigns --samples 24 --batch-size 16 \
    --val-resize-size 32 --interpolation bilinear
want_err "shorter side to 32, bilinear, centre crop of 32: by --val-resize-size"
run train --resume runs/resnet8-handsigns --epochs 2 --val-resize-size 48
want_code 2
want_err "resize size of 40, this run has 48"

# As a file of another library: without rescl's description.
run convert runs/resnet8-handsigns t.safetensors --names torchvision
want_code 0
LC_ALL=C sed 's/rescl_model/other_model/' t.safetensors >plain.safetensors
make_png >p.png
run predict --weights plain.safetensors --model resnet8 p.png
want_code 0
want_err "size    32x32: usual for resnet8; the weights do not say"
want_err "fit     shorter side to 36, bilinear, centre crop of 32 (images of 32x32 as they are): usual"
run predict --weights plain.safetensors --model resnet8 --size 56 --quiet p.png
want_code 0
[ ! -s err ] || fail "expected no notes with --quiet"
run predict --weights plain.safetensors --model resnet8 --size 56 p.png
want_err "size    56x56: by --size"
want_err "shorter side to 64"
run predict --weights plain.safetensors --model resnet8 --size 4 p.png
want_code 2
want_err "image size 4: expected 8 to 8192"

# What convert and export are told stays in the file.
printf 'zero\none\ntwo\nthree\nfour\nfive\n' >names.txt
run convert plain.safetensors sized.safetensors --model resnet8 --size 56 --class-index names.txt
want_code 0
run predict --weights sized.safetensors p.png
want_code 0
want_err "size    56x56: as the weights say"
want_err "shorter side to 64, bilinear, centre crop of 56 (images of 56x56 as they are): as the weights"
grep -qE '^p\.png: (zero|one|two|three|four|five) ' out || fail "expected the names of convert"
run export --weights plain.safetensors --model resnet8 --size 56 --class-index names.txt -o m.onnx
want_code 0
want_out "input (N, 3, 56, 56)"
grep -qa '"zero","one"' m.onnx || fail "expected the names in the ONNX file"
grep -qa 'resize_size' m.onnx || fail "expected how images are fitted in the ONNX file"

# eval takes the names that it is given for those of the weights, and matches the data by them.
mkdir -p data/test/four data/test/two
cp p.png data/test/four
cp p.png data/test/two
run eval --weights plain.safetensors --model resnet8 --data-path data --class-index names.txt --json
want_code 0
want_out '"samples": 2'
want_err "no images of 4 of the 6 classes of the model: zero, one, three, five"
mkdir data/test/seven
cp p.png data/test/seven
run eval --weights plain.safetensors --model resnet8 --data-path data --class-index names.txt
[ "$code" -ne 0 ] || fail "expected a class that the weights lack to be refused"
want_err "seven"
