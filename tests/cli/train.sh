# Training makes a run folder; eval repeats its report to the last digit; predict names images.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --print-freq 2
want_code 0
want_err "resnet8, 32x32, 6 classes"
want_err "epoch 1/2 step 2/3: loss"
want_err "epoch 2/2 done: loss"
want_err "val_accuracy"
! grep -q "$(printf '\r')" err || fail "expected plain lines without a terminal"
want_out "weights   runs/resnet8-handsigns/weights/best.safetensors"
want_out "evaluate  rescl eval --weights"
best=$(sed -n 's/^best *accuracy \([^ ]*\) loss \([^ ]*\) .*/\1 \2/p' out)
[ -n "$best" ] || fail "expected a line with the best accuracy"
for file in args.ini env.json results.csv weights/best.safetensors weights/last.safetensors; do
    [ -s "runs/resnet8-handsigns/$file" ] || fail "expected $file in the run folder"
done
want="epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib"
[ "$(head -n 1 runs/resnet8-handsigns/results.csv)" = "$want" ] || fail "expected the csv's head"
[ "$(wc -l <runs/resnet8-handsigns/results.csv)" -eq 3 ] || fail "expected two epochs in the csv"

# The command that training printed, run as it stands, with the program's path.
sed -n 's/^evaluate  rescl //p' out >command
eval "run $(cat command)"
want_code 0
found=$(sed -n 's/^loss *//p' out)
[ "$(sed -n 's/^accuracy *//p' out) $found" = "$best" ] || fail "expected eval to repeat: $best"
eval "run $(cat command) --workers 3 --device \"\$RESCL_DEVICE\" --quiet"
[ "$(sed -n 's/^loss *//p' out)" = "$found" ] || fail "expected the loss for any --workers"
[ ! -s err ] || fail "expected no messages with --quiet"
eval "run $(cat command) --batch-size 5"
[ "$(sed -n 's/^accuracy *//p' out)" = "${best% *}" ] ||
    fail "expected the accuracy for any --batch-size"

# A taken name gets a number; the same seed gives the same numbers.
# shellcheck disable=SC2086
run train $tiny --quiet
want_code 0
want_out "runs/resnet8-handsigns-2/weights/best.safetensors"
[ ! -s err ] || fail "expected no messages with --quiet"
cut -d, -f1,3-7 runs/resnet8-handsigns/results.csv >one
cut -d, -f1,3-7 runs/resnet8-handsigns-2/results.csv >two
cmp -s one two || fail "expected equal results of equal runs"

# Starting from weights, under a name.
# shellcheck disable=SC2086
run train $tiny --epochs 1 --weights runs/resnet8-handsigns --output-dir deep/runs --name 'my run'
want_code 0
want_out "predict   rescl predict --weights 'deep/runs/my run/weights/best.safetensors'"
[ -s "deep/runs/my run/weights/best.safetensors" ] || fail "expected the named run folder"
# shellcheck disable=SC2086
run train $tiny --name ../x
want_code 2
# shellcheck disable=SC2086
run train $tiny --classes 3
want_code 2
want_err "--classes: found 3, expected at least the 6 of the data"

# A learning rate that diverges: code 5, and what was saved stays.
# shellcheck disable=SC2086
run train $tiny --opt sgd --lr 1000 --weight-decay 1 --epochs 30 --name wild
if [ "$code" -ne 0 ]; then
    want_code 5
    want_err "not finite"
fi
grep -qE 'loss [0-9]{6}' err && fail "expected large losses as 1.234e+06"

# Images of one's own, without any to test with.
mkdir -p photos/train/cat photos/train/dog
for file in cat/1 cat/2 dog/1; do make_png >"photos/train/$file.png"; done
run train --model resnet8 --data-path photos --size 16 --epochs 1 --validation-split 0
want_code 0
[ "$(grep -c 'nothing measures the network but the 3 images' err)" -eq 1 ] ||
    fail "expected one warning"
want_out "best      training accuracy"
sed -n 's/^evaluate  rescl //p' out >command
eval "run $(cat command)"
want_code 0
grep -qx 'samples   3' out || fail "expected the three images"
want_out "training accuracy"
want_err "the network was trained on these 3 images"
run predict --weights runs/resnet8-photos photos/train/dog
want_code 0
grep -qE '^photos/train/dog/1.png: (cat|dog) [0-9.]+ %, (cat|dog) [0-9.]+ %$' out ||
    fail "expected the names of the folders"
