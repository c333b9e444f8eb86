# Kernels that are no operation's are checked before a run, too, and where one is wrong nothing takes its place.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
RESCL_SELFTEST=on
RESCL_KERNEL_DIR="$PWD/kernels"
export RESCL_SELFTEST RESCL_KERNEL_DIR
mkdir kernels

# They are listed.
run selftest --op optimiser --model resnet8
want_code 0
want_out "optimiser  update  adamw"
run selftest --op fold --model resnet8
want_code 0
want_out "fold_batchnorm"

# Nothing can take their place: what launches them is refused.
sed 's/(-step_size)/(step_size)/' "$RESCL_SOURCE_DIR/cl/optim_adam.cl" >kernels/optim_adam.cl
cmp -s kernels/optim_adam.cl "$RESCL_SOURCE_DIR/cl/optim_adam.cl" && fail "expected another optimiser"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --opt adam --name upwards
want_code 3
want_err "optimiser adam of f32: the kernel optim_adam of optim_adam.cl fails its self-test"
want_err "parameters: "
[ ! -e runs/upwards/weights/last.safetensors ] || fail "expected no weights"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --opt sgd --name downwards
want_code 0
run selftest --op optimiser --model resnet8
want_code 3
want_out "FAILED"
rm kernels/*
break_kernel fold fold_batchnorm "return;"
run eval --weights runs/downwards --data-path handsigns --samples 24
want_code 3
want_err "fold fold_batchnorm of f32: the kernel fold_batchnorm of fold.cl fails its self-test"
