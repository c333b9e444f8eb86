# What a run selects is checked before anything is trained on it: a kernel that was broken on purpose is found,
# named and replaced, and where nothing is left the run stops.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
RESCL_SELFTEST=on
export RESCL_SELFTEST

run selftest --op avgpool
want_code 0
want_out "avgpool  fwd"
want_out "right"
want_err "are right"
run selftest --op avgpool --json
want_code 0
want_out '"verdict": "right"'
run selftest --op avgpol
want_code 2
want_err "did you mean 'avgpool'"
RESCL_SELFTEST=sometimes run selftest --op avgpool
[ "$code" -ne 0 ] || fail "expected RESCL_SELFTEST to be refused"
want_err "expected on, off, or the seconds"

mkdir kernels
RESCL_KERNEL_DIR="$PWD/kernels"
export RESCL_KERNEL_DIR

# One implementation alone: the next takes its place, and that is said once.
break_kernel avgpool avgpool_fwd "if (!SPREAD) return;"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --name replaced
want_code 0
want_err "avgpool fwd of f32: 'chunked' fails its self-test on this device and is left out"
[ "$(grep -c "'chunked' fails its self-test" err)" -eq 1 ] || fail "expected one warning"
run selftest --op avgpool --model resnet8
want_code 3
want_out "FAILED"
want_err "what fails is not used"

# It was remembered: asked for by name it is refused.
# shellcheck disable=SC2086
RESCL_IMPL=avgpool=chunked run train $tiny --epochs 1 --name forced
want_code 3
want_err "'chunked' was asked for but fails its self-test"

# A kernel that ends the process ends another one.
rm kernels/*
break_kernel avgpool avgpool_fwd "if (!SPREAD) *(volatile global int *)16 = 1;"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --name crashed
want_code 0
want_err "it ended its process (signal"

# All of them: nothing is trained.
rm kernels/*
break_kernel avgpool avgpool_fwd "return;"
# shellcheck disable=SC2086
run train $tiny --epochs 1 --name none
want_code 3
want_err "layer 'avgpool': avgpool fwd: nothing can serve"
[ ! -e runs/none/weights/last.safetensors ] || fail "expected no weights"
# shellcheck disable=SC2086
RESCL_SELFTEST=off run train $tiny --epochs 1 --name unchecked
want_code 0
