# On a terminal training draws a bar in the manner of Keras, in place, and no line is too long.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

need_terminal
bar='\[=*>?\.*\]'
number='[0-9]+\.[0-9]{4}'
# on_terminal, and what came line by line, redrawn ones too, in `lines`.
lines_on_terminal() {
    on_terminal "$@"
    tr '\r' '\n' <out | sed "s/$(printf '\033')\[K//g" >lines
}

# shellcheck disable=SC2086
lines_on_terminal 90 train $(echo $tiny)
want_code 0
grep -qx 'Epoch 1/2' lines || fail "expected 'Epoch 1/2'"
grep -qx 'Epoch 2/2' lines || fail "expected 'Epoch 2/2'"
grep -qE "^[123]/3 $bar - ETA: [0-9:]+s? - [0-9]+ img/s - loss: $number - accuracy: $number" lines ||
    fail "expected a bar with ETA, img/s, loss and accuracy"
grep -qE "^evaluating [12]/2 .*val_loss: $number - val_accuracy: $number" lines ||
    fail "expected the numbers of the evaluation while it runs"
done='^3/3 \[=+\] - [0-9:]+s? - [0-9]+ img/s - loss: '$number' - accuracy: '$number
grep -qE "$done" lines || fail "expected the finished bar of an epoch"
grep -qE "^  val_loss: $number - val_accuracy: $number" lines || fail "expected its evaluation below"
grep -qE "best *accuracy $number loss $number after" lines ||
    fail "expected the report, in four digits, after the bar"
lines_on_terminal 130 train "$(echo $tiny)"
grep -qE "$done - val_loss: $number - val_accuracy: $number" lines ||
    fail "expected all of an epoch on a line that has room"

# No line that is drawn is longer than the terminal, and none loses its numbers.
for columns in 40 60 80; do
    lines_on_terminal $columns train "$(echo $tiny)"
    want_code 0
    grep -vE '^(best|report|weights|evaluate|predict) ' lines |
        awk -v most=$columns 'length($0) > most { bad = 1 } END { exit bad }' ||
        fail "expected lines within $columns columns"
    grep -qE "^3/3 .*loss: $number - accuracy: $number\$" lines || fail "expected the epoch's numbers"
    grep -qE "^  val_loss: $number" lines || fail "expected those of its evaluation"
    grep -qE "val_accuracy: $number" lines || fail "expected those of its evaluation"
    grep -q '^evaluating' lines || fail "expected to see the evaluation"
done
lines_on_terminal 60 devices
grep -qE '^device +[0-9]+:[0-9]+ ' lines || fail "expected a line for each property"
lines_on_terminal 50 train --help
awk 'length($0) > 50 { bad = 1 } END { exit bad }' lines || fail "expected help within 50 columns"
COLUMNS=60
export COLUMNS
lines_on_terminal 0 train "$(echo $tiny)"
grep -a ETA lines | awk 'length($0) > 63 { bad = 1 } END { exit bad }' ||
    fail "expected COLUMNS where the terminal has no size"
