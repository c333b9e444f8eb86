# A learning rate is found by steps at growing rates, and the curve is a page.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

small="--model resnet8 --data-path handsigns --size 32 --samples 48 --batch-size 16 --seed 3"

# shellcheck disable=SC2086
run lr-find $small --opt sgd --num-iter 24 --divergence 0
want_code 0
want_out "(valley)"
want_out "curve     lr-find.html"
grep -q "24 of 24" lr-find.html || fail "expected all steps"
[ ! -e runs ] || fail "expected no run folder"

# shellcheck disable=SC2086
run lr-find $small --num-iter 24 --suggest minimum --output-format json -o other.html
want_code 0
want_out '"rule": "minimum"'
want_out '"smoothed"'
# shellcheck disable=SC2086
run lr-find $small --num-iter 5 --csv
want_code 0
want_out "step,lr,loss,smoothed"
want_out "1,1e-07,"
# shellcheck disable=SC2086
run lr-find $small --num-iter 5
want_code 5
want_err "5 steps leave 0 points to choose a rate by: take more steps"

run lr-find --data-path handsigns -o curve.png
want_code 2
want_err "expected a name that ends in .html"
run lr-find --data-path handsigns --epochs-per-step 2
want_code 2
run lr_find --data-path handsigns
want_code 2
want_err "lr-find"
