# The self-test finds each operation's kernels of each pass where they do nothing, and a kernel without end.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
RESCL_SELFTEST=on
RESCL_KERNEL_DIR="$dir/kernels"
export RESCL_SELFTEST RESCL_KERNEL_DIR
mkdir kernels

# broken OP PASS FILE KERNEL [OPTION...]: the pass fails, and no other one that has a kernel of its own.
broken() {
    op=$1 pass=$2 file=$3 kernel=$4
    shift 4
    rm -f kernels/*
    break_kernel "$file" "$kernel" "return;"
    run selftest --op "$op" "$@"
    want_code 3
    grep -E "^$op +$pass +.* FAILED" out >/dev/null || fail "expected $op $pass to fail"
    want_err "what fails is not used"
}

for pass in fwd bwd_data; do
    broken add $pass add add_$pass --full
    broken relu $pass relu relu_$pass --full
    broken dropout $pass dropout dropout_$pass --full
    broken shortcut $pass shortcut shortcut_$pass --full
    broken avgpool $pass avgpool avgpool_$pass
    broken maxpool $pass maxpool maxpool_$pass
    broken softmax_xent $pass softmax_xent softmax_xent_$pass
    for op in conv2d dense; do
        broken $op $pass conv2d_packed conv2d_packed_product
    done
    broken conv2d $pass conv2d_winograd conv2d_winograd_product
done
broken conv2d bwd_params conv2d_packed conv2d_packed_bwd_params
broken conv2d bwd_params conv2d_winograd conv2d_winograd_bwd_params
broken dense bwd_params conv2d_packed conv2d_packed_bwd_params
for kernel in fwd_stats fwd_finish fwd_apply; do
    broken batchnorm fwd batchnorm batchnorm_$kernel
done
for kernel in bwd_sums bwd_finish; do
    broken batchnorm bwd_params batchnorm batchnorm_$kernel
done
broken batchnorm bwd_data batchnorm batchnorm_bwd_data

rm kernels/*
break_kernel avgpool avgpool_fwd "for (volatile int on = !SPREAD; on;) ;"
# shellcheck disable=SC2086
RESCL_SELFTEST=15 run train $tiny --epochs 1 --name endless
want_code 0
want_err "it did not end within 15 seconds"
