# A device that computes NaN is named by every verb that meets it, and no result is printed. Kernels
# that write NaN take its place.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet
want_code 0
make_png >p.png

mkdir kernels
sed 's/store_part(/store_part(NAN * /' "$RESCL_SOURCE_DIR/cl/avgpool.cl" >kernels/avgpool.cl
cmp -s "$RESCL_SOURCE_DIR/cl/avgpool.cl" kernels/avgpool.cl && fail "expected another kernel"
export RESCL_KERNEL_DIR="$PWD/kernels"

want_blame() {
    want_code 3
    want_err "computes wrong numbers: its avgpool of layer 'avgpool', fwd by '"
    want_err "of its output where the host gets"
    want_err "choose another device (--device)"
}

run predict --weights runs/resnet8-handsigns p.png
want_blame
want_no_out
run eval --weights runs/resnet8-handsigns --data-path handsigns --samples 8 --batch-size 4
want_blame
want_no_out
# shellcheck disable=SC2086
run train $tiny --name wrong
want_blame
want_no_out
for mode in infer train; do
    run bench model --model resnet8 --size 32 --batch-size 2 --mode $mode --repeats 1 \
        --min-seconds 0
    want_blame
    want_out "| wrong |"
done

# One number in backward, of which the loss tells nothing: found in the step that makes it.
sed 's/src_put_part(sum,/src_put_part(u == 1 ? sum + NAN : sum,/' "$RESCL_SOURCE_DIR/cl/avgpool.cl" \
    >kernels/avgpool.cl
# shellcheck disable=SC2086
run train $tiny --name backward --check-numerics
want_code 3
want_err "computes wrong numbers: its avgpool of layer 'avgpool', bwd_data by '"
want_err "gives NaN at [n 0, h 0, w 1, c 0] of the gradient of its input where the host gets"

# Training that diverges is not the device's fault.
rm kernels/avgpool.cl
# shellcheck disable=SC2086
run train $tiny --name diverged --opt sgd --lr 1000 --epochs 30 --check-numerics
want_code 5
want_err "the device is not to blame"

# What is finite is as it is without.
# shellcheck disable=SC2086
run train $tiny --name checked --epochs 1 --quiet --check-numerics
want_code 0
cut -d, -f3-6 runs/resnet8-handsigns/results.csv >plain
cut -d, -f3-6 runs/checked/results.csv | cmp -s plain - || fail "expected the same results"
