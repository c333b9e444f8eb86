# On a terminal training draws a bar in the manner of Keras, in place, and no line is too long.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

command -v script >/dev/null || skip "script (util-linux) is not installed"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "no pseudo-terminal is to be had"
TERM=xterm
export TERM
command="rescl train (on a terminal of 90 columns)"
# shellcheck disable=SC2086
script -qec "stty cols 90; $RESCL train $(echo $tiny)" /dev/null </dev/null >out 2>&1
code=$?
: >err
want_code 0
tr '\r' '\n' <out | sed "s/$(printf '\033')\[K//g" >lines
grep -qx 'Epoch 1/2' lines || fail "expected 'Epoch 1/2'"
grep -qx 'Epoch 2/2' lines || fail "expected 'Epoch 2/2'"
bar='\[=*>?\.*\]'
number='[0-9]+\.[0-9]{4}'
grep -qE "^[123]/3 $bar - ETA: [0-9:]+s? - [0-9]+ img/s - loss: $number - accuracy: $number" lines ||
    fail "expected a bar with ETA, img/s, loss and accuracy"
done='^3/3 \[=+\] - [0-9:]+s? - [0-9]+ img/s - loss: '$number' - accuracy: '$number
grep -qE "$done - val_loss: $number - val_accuracy: $number" lines ||
    fail "expected the finished bar of an epoch"
grep 'ETA' lines | awk 'length($0) > 89 { bad = 1 } END { exit bad }' ||
    fail "expected bars within 89 columns"
grep -q 'best *accuracy' lines || fail "expected the report after the bar"
