# What Keras does by callbacks, by options: an early end, kept epochs, rates from a table.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# column N FILE: the Nth column of a table, without its head, on one line
column() {
    tail -n +2 "$2" | cut -d, -f"$1" | tr '\n' ' '
}

# Nothing is better by 100: the first epoch is the best, and two more are waited.
# shellcheck disable=SC2086
run train $tiny --epochs 9 --name r --patience 2 --min-delta 100 --save-period 2
want_code 0
want_err "ends when the loss is no better for 2 epochs"
want_err "ended   after epoch 3 of 9: the loss was no better for 2 epochs (--patience)"
[ "$(column 1 runs/r/results.csv)" = "1 2 3 " ] || fail "expected 3 epochs"
[ -e runs/r/weights/epoch2.safetensors ] || fail "expected the weights of epoch 2"
[ ! -e runs/r/weights/epoch1.safetensors ] || fail "expected no weights of epoch 1"
want_out "run       runs/r"

# It is over until there is more patience.
run train --resume runs/r
want_code 0
want_err "nothing was left to do"
run train --resume runs/r --patience 3 --json
want_code 0
want_out '"stopped_early": true'
[ "$(column 1 runs/r/results.csv)" = "1 2 3 4 " ] || fail "expected a fourth epoch"

# The best epoch is that of the monitor.
# shellcheck disable=SC2086
run train $tiny --epochs 3 --name loss --monitor loss --lr-scheduler table --lr-table '2:0.01, 3:0.001'
want_code 0
[ "$(column 7 runs/loss/results.csv)" = "0.002 0.01 0.001 " ] || fail "expected the rates of the table"
best=$(tail -n +2 runs/loss/results.csv | sort -t, -g -k3 | head -n 1 | cut -d, -f1)
want_out "after epoch $best of 3"
run train --resume runs/loss --lr-table 2:0.02
want_code 2
want_err "lr_table"

# shellcheck disable=SC2086
run train $tiny --name bad --lr-scheduler table
want_code 2
want_err "1:0.1,31:0.01"
# shellcheck disable=SC2086
run train $tiny --name bad --lr-scheduler table --lr-table 3:0.1,2:0.2
want_code 2
want_err "expected growing epochs"
[ ! -e runs/bad ] || fail "expected no folder"
# shellcheck disable=SC2086
run train $tiny --epochs 2 --name k --lr-scheduler reducelronplateau_keras --lr-patience 1 \
    --lr-min-delta 100 --lr-cooldown 0 --monitor val_accuracy
want_code 0

# Classes are counted, and a warning tells of uneven ones.
mkdir -p uneven/train/a uneven/train/b
make_png >uneven/train/b/0.png
for i in 1 2 3 4 5 6; do
    cp uneven/train/b/0.png uneven/train/a/$i.png
done
run train --model resnet8 --size 32 --data-path uneven --validation-split 0 --epochs 1 --batch-size 7
want_code 0
want_err "classes a (6), b (1)"
want_err "the classes are uneven: 1 image of 'b' and 6 images of 'a'"
want_err "memory  "
run train --model resnet8 --size 32 --data-path uneven --validation-split 0 --epochs 1 --batch-size 7 \
    --class-weights a:0.5,b:3 --sampler balanced --cache ram
want_code 0
want_err "balance class weights: a:0.5,b:3"
want_err "balance as many images of each class"
grep -q "the classes are uneven" err && fail "expected no warning of what is acted against"
run train --model resnet8 --size 32 --data-path uneven --epochs 1 --class-weights A:2
want_code 2
want_err "there is no class 'A'; did you mean 'a'"
run train --model resnet8 --size 32 --data-path uneven --epochs 1 --focal-gamma 3
want_code 2
want_err "--focal-gamma is a number of --loss focal, and the loss is cross_entropy"
printf '[training]\nloss = bce\nfocal-alpha = 0.25\nbce-target-thresh = 0.9\nlabel-smoothing = 0.5\n' >bce.ini
run train -c bce.ini --model resnet8 --size 32 --data-path uneven --epochs 1
want_code 2
want_err "bce_target_thresh 0.9: label smoothing of 0.5 makes the targets of 2 classes 0.25 and 0.75"

# The best epochs by the monitor, in a list.
# shellcheck disable=SC2086
run train $tiny --epochs 3 --name top --monitor val_loss --save-top-k 2
want_code 0
[ "$(find runs/top/weights -name 'epoch*-val_loss=*.safetensors' | wc -l)" -eq 2 ] ||
    fail "expected the weights of 2 epochs"
top=$(sed -n 's/.*"file": *"\([^"]*\)".*/\1/p' runs/top/weights/top.json | head -n 1)
cmp -s "runs/top/weights/$top" runs/top/weights/best.safetensors || fail "expected the best weights"
run eval --weights "runs/top/weights/$top" --data-path handsigns --samples 24
want_code 0
run train --data-path handsigns --checkpoint-hist 2
want_code 2
want_err "--save-top-k"
