# --precision and --amp of train, eval, predict, bench and tune; what they say of it, and what it costs.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --amp --print-config
want_code 0
want_out "precision = bf16"

# shellcheck disable=SC2086
run train $tiny --amp --json
want_code 0
want_out '"precision": "bf16"'
grep -q loss_scale out && fail "expected no loss scale in bf16"
want_err "compute bf16"
w=runs/resnet8-handsigns
grep -q '^precision = bf16' $w/args.ini || fail "expected the precision in args.ini"
grep -q '"precision": "bf16"' $w/env.json || fail "expected the precision in env.json"
run summary --weights $w
want_code 0
want_out "F32"
# A run goes on in its precision, and in no other.
run train --resume $w --epochs 3 --precision fp16
want_code 2
want_err 'precision "bf16"'
run train --resume $w --epochs 3 --output-format text
want_code 0
want_out "--precision bf16" # in the command that evaluates

# shellcheck disable=SC2086
run train $tiny --precision fp16 --name half --json
want_code 0
want_out '"loss_scale": '
want_out '"skipped_steps": '
head -n 1 runs/half/results.csv | grep -q 'loss_scale,skipped$' || fail "expected the scale's columns"
# shellcheck disable=SC2086
run train $tiny --precision tf32 --name tf32 --quiet
want_code 0
run eval --weights runs/tf32 --data-path handsigns --samples 24 --precision tf32 --against tf32
want_code 0
[ "$(grep -c 'tf32: ' err)" -le 1 ] || fail "expected one line about tf32"

# What was trained in one precision is evaluated in any, with nearly the same result.
for precision in fp32 bf16 fp16; do
    run eval --weights $w --data-path handsigns --samples 24 --precision $precision --json
    want_code 0
    want_out "\"precision\": \"$precision\""
    cp out $precision.json
done
cmp -s fp32.json bf16.json && fail "expected other digits in bf16"

make_png >a.png
run predict --weights $w --amp a.png
want_code 0

for precision in fp32 bf16 fp16; do
    run bench model --model resnet8 --size 32 --batch-size 4 --precision $precision --repeats 1 \
        --warmup 0 --min-seconds 0 --csv
    want_code 0
    want_out ",$precision,"
done
run bench op --model resnet8 --size 32 --batch-size 2 --precision bf16 --impl preferred --repeats 1 \
    --warmup 0 --min-seconds 0 --no-peak --json
want_code 0
want_out ',bf16"'
run bench product --m 64 --precision bf16 --impl preferred --repeats 1 --warmup 0 --min-seconds 0 \
    --no-peak --json
want_code 0
run tune --model resnet8 --size 32 --batch-size 2 --mode infer --precision bf16 --no-params \
    --repeats 1 --min-seconds 0 -o own.tune
want_code 0
grep -q 'bf16' own.tune || fail "expected problems of bf16 in the file"
run summary --model resnet8 --size 32 --batch-size 64 --amp --json
want_code 0
want_out '"precision": "bf16"'
want_out '"activations": '
run summary --model resnet8 --size 32 --batch-size 64
want_code 0
want_out "a training step: "
run eval --weights $w --data-path handsigns --samples 24 --amp --against fp32
want_code 0
want_out "against   fp32: accuracy "
run eval --weights $w --data-path handsigns --samples 24 --amp --against fp32 --json
want_code 0
want_out '"against": {'
