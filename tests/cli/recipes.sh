# Each recipe of configs/ can be read, says what it reached or that it was not run, and starts: its first step
# is done by a small network on a few small images, for what a recipe's own would take.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

small="--model resnet8 --size 16 --data-path handsigns --samples 8 --eval-samples 6 --batch-size 4 --workers 0
    --max-steps 1 --no-report --no-tensorboard"

count=0
for recipe in "$RESCL_SOURCE_DIR"/configs/*.ini; do
    name=$(basename "$recipe" .ini)
    grep -qE '^; (Reached|Was not run here): ' "$recipe" ||
        fail "expected $name to say 'Reached: ...' or 'Was not run here: ...'"
    run train -c "$recipe" --print-config
    want_code 0
    # shellcheck disable=SC2086
    run train -c "$recipe" $small --name "$name"
    want_code 0
    [ -s "runs/$name/weights/last.safetensors" ] || fail "expected $name to do a step"
    count=$((count + 1))
done
[ "$count" -ge 7 ] || fail "expected more recipes than $count"
