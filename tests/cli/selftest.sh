# What a run selects is checked before anything is trained on it: a kernel that was broken on purpose is found,
# named and replaced, and where nothing is left the run stops.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
RESCL_SELFTEST=on
# Nothing is known of the kernels from an earlier run of this test.
RESCL_CACHE_DIR="$PWD/cache"
export RESCL_SELFTEST RESCL_CACHE_DIR

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
want_err "checks in a process apart, which compiles them the first time"
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

# What a driver prints between the lines does not spoil them.
rm kernels/*
break_kernel avgpool avgpool_fwd 'if (get_global_id(0) == 0) printf("a driver speaks ");'
run selftest --op avgpool
want_code 0
want_err "are right"

# Other ends, by a program that stands for the one beside the library: it is found beside a copy of that.
cp "$(dirname "$RESCL")"/librescl.so* . 2>/dev/null || exit 0
LD_LIBRARY_PATH=$dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH RESCL
stands_for() {
    printf '#!/bin/sh\n%s\n' "$1" >rescl
    chmod +x rescl
}
rm kernels/*
break_kernel avgpool avgpool_fwd ";"
# The first process goes down at its second check, for which another has to prove that it is its own fault.
stands_for '[ -e again ] && exec "$RESCL" "$@"
: >again
echo "rescl-selftest: 0 begins"
echo "rescl-selftest: 0 is 0 "
echo "rescl-selftest: 1 begins"
kill -s SEGV $$'
run selftest --op avgpool
want_code 0
want_err "are right"
# A signal that comes from outside is not remembered, and one of its own is.
for signal in ABRT SEGV; do
    stands_for "echo 'rescl-selftest: 0 begins'; kill -s $signal \$\$"
    run selftest --op avgpool
    want_code 3
    want_err "failed; what fails is not used"
    run devices -v
    want_code 0
    if grep -qF 'avgpool fwd by' out; then remembered=SEGV; else remembered=ABRT; fi
    [ $remembered = $signal ] || fail "expected SEGV alone to be remembered"
done
# One that tells nothing says nothing of the kernels.
stands_for 'exit 0'
run selftest --op avgpool
[ "$code" -ne 0 ] || fail "expected a failure"
want_err "did not tell of all its checks"
