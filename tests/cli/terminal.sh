# On a terminal training draws a bar in the manner of Keras, in place, and no line is too long.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

command -v script >/dev/null || skip "script (util-linux) is not installed"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "no pseudo-terminal is to be had"
TERM=xterm
export TERM
bar='\[=*>?\.*\]'
number='[0-9]+\.[0-9]{4}'
# on_terminal COLUMNS ARG...: what the terminal got line by line, redrawn ones too, in `lines`.
on_terminal() {
    columns=$1
    shift
    command="rescl $* (on a terminal of $columns columns)"
    script -qec "stty cols $columns; $RESCL $*" /dev/null </dev/null >out 2>&1
    code=$?
    : >err
    tr '\r' '\n' <out | sed "s/$(printf '\033')\[K//g" >lines
}

# shellcheck disable=SC2086
on_terminal 90 train $(echo $tiny)
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
on_terminal 130 train "$(echo $tiny)"
grep -qE "$done - val_loss: $number - val_accuracy: $number" lines ||
    fail "expected all of an epoch on a line that has room"

# No line that is drawn is longer than the terminal, and none loses its numbers.
for columns in 40 60 80; do
    on_terminal $columns train "$(echo $tiny)"
    want_code 0
    grep -vE '^(best|weights|evaluate|predict) ' lines |
        awk -v most=$columns 'length($0) > most { bad = 1 } END { exit bad }' ||
        fail "expected lines within $columns columns"
    grep -qE "^3/3 .*loss: $number - accuracy: $number\$" lines || fail "expected the epoch's numbers"
    grep -qE "^  val_loss: $number" lines || fail "expected those of its evaluation"
    grep -qE "val_accuracy: $number" lines || fail "expected those of its evaluation"
    grep -q '^evaluating' lines || fail "expected to see the evaluation"
done
on_terminal 60 devices
grep -qE '^device +[0-9]+:[0-9]+ ' lines || fail "expected a line for each property"
on_terminal 50 train --help
awk 'length($0) > 50 { bad = 1 } END { exit bad }' lines || fail "expected help within 50 columns"
script -qec "COLUMNS=60 $RESCL train $(echo $tiny)" /dev/null </dev/null >out 2>&1
tr '\r' '\n' <out | grep -a ETA | awk 'length($0) > 63 { bad = 1 } END { exit bad }' ||
    fail "expected COLUMNS where the terminal has no size"
