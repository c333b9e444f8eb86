# Augmentations by their flags and by those of Keras, what does not go together, the sheet of --preview, and
# averages over several views.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --ratio 1.5
want_code 2
want_err "ratio changes nothing by itself; it is about scale"
[ ! -e runs/resnet8-handsigns ] || fail "expected no run folder"
run train $tiny --fill-mode wrap
want_code 2
want_err "fill_mode changes nothing by itself"
run train $tiny --auto-augment cifar10 --ra-magnitude 3
want_code 2
want_err "auto_augment is cifar10"
run train $tiny --auto-augment best
want_code 2
want_err "expected one of none, ra, ta_wide, imagenet, cifar10, svhn"

keras="--rotation-range 20 --width-shift-range 0.1 --height-shift-range 0.1 --zoom-range 0.2
    --shear-range 5 --fill-mode nearest"
ours="--degrees 20 --translate-x 0.1 --translate-y 0.1 --zoom 0.2 --shear 5 --fill-mode nearest"
# shellcheck disable=SC2086
run train $tiny $keras --preview keras.png
want_code 0
want_out "preview   keras.png"
# shellcheck disable=SC2086
run train $tiny $ours --preview ours.png --workers 3
want_code 0
cmp -s keras.png ours.png || fail "expected the same sheet"
# shellcheck disable=SC2086
run train $tiny $ours --cutmix 1 --preview mixed.png
want_code 0
cmp -s mixed.png ours.png && fail "expected mixed images"
[ "$(head -c 4 mixed.png | tail -c 3)" = PNG ] || fail "expected a PNG"
[ ! -e runs/resnet8-handsigns ] || fail "expected no run folder"
run train $tiny --preview sheet.jpg
want_code 2
want_err "expected a name that ends in .png"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --auto-augment ta_wide --mixup 0.2 --cutmix 1 --random-erase 0.5
want_code 0
grep -q 'auto-augment = ta_wide' runs/resnet8-handsigns/args.ini || fail "expected it in args.ini"
mkdir images && make_png >images/a.png && cp images/a.png images/b.png
run eval --weights runs/resnet8-handsigns --data-path handsigns --samples 24 --tta flip
want_code 0
run eval --weights runs/resnet8-handsigns --data-path handsigns --samples 24 --tta ten_crop
want_code 2
want_err "all crops of a square image are equal"
run predict --weights runs/resnet8-handsigns --tta ten_crop --val-resize-size 36 images
want_code 0
