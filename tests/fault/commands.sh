# Each verb while an OpenCL call fails: an exit code that says so, a message that names what failed, no
# crash, no hang, no half-written file; and where the call was not needed, the right result.
#
#   commands.sh        some calls of each verb
#   commands.sh all    the first, the middle and the last call of each function, for each verb
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

[ -f "$RESCL_FAULT" ] || skip "there is no fault shim in this build"
command -v timeout >/dev/null || skip "timeout is not installed"
ln -s "$RESCL_FAULT" fault.so # blanks and colons would divide a path that is preloaded
# A library that is preloaded comes before that of a sanitizer.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"
all=$1

# faulty FUNCTION CALL CODE ARG...: the CALL-th call of a function ("": of all) fails with CODE ("":
# the function's own).
faulty() {
    fault="${1:-any function}, call $2, code ${3:-its own}"
    FAULT_AT=$2 FAULT_REPORT=$dir/report
    export FAULT_AT FAULT_REPORT
    [ -z "$1" ] || export "FAULT_FUNCTION=$1"
    [ -z "$3" ] || export "FAULT_CODE=$3"
    shift 3
    command="rescl $* ($fault)"
    rm -f report
    timeout 1800 env LD_PRELOAD=./fault.so "$RESCL" "$@" >out 2>err
    code=$?
    unset FAULT_FUNCTION FAULT_AT FAULT_CODE FAULT_REPORT
    [ -f report ] || fail "expected it to end in its own way"
    ! grep -q '^live ' report || fail "expected every object to be released: $(cat report)"
}

# What every command that a call failed in has to leave.
want_sound() {
    case $code in
    0) ;;
    1 | 3) grep -q "error: .*CL_[A-Z_]*" err || grep -q "CL_[A-Z_]* (-" err ||
        fail "expected an error that names the code" ;;
    *) fail "expected exit code 0, 1 or 3" ;;
    esac
    [ -z "$(find . -name '*tmp*' -print)" ] || fail "expected no temporary file: $(find . -name '*tmp*')"
    failed=$((failed + 1))
    [ "$code" -eq 0 ] || reported=$((reported + 1))
}

small="--model resnet8 --size 32 --batch-size 2"
once="--warmup 0 --repeats 1 --min-seconds 0"
training="--model resnet8 --data-path handsigns --size 32 --samples 4 --eval-samples 2
    --batch-size 2 --epochs 1 --workers 0 --seed 3 --output-dir runs --name x"

# Each verb: how it is run, and what it has to leave.
do_train() {
    rm -rf runs
    # shellcheck disable=SC2086
    faulty "$1" "$2" "$3" train $training
}
check_train() {
    best=runs/x/weights/best.safetensors
    [ "$code" -eq 0 ] && { cmp -s "$best" right.train || fail "expected the same weights"; }
    for file in runs/x/weights/*.safetensors; do
        [ ! -f "$file" ] || "$RESCL" summary --weights "$file" >/dev/null 2>err ||
            fail "expected $file to be whole"
    done
}
do_predict() {
    echo old >answers.csv
    faulty "$1" "$2" "$3" predict --weights right.train image.png image.png --batch-size 1 --csv \
        -o answers.csv
}
check_predict() {
    if [ "$code" -eq 0 ]; then
        cmp -s answers.csv right.predict || fail "expected the same answers"
    else
        [ "$(cat answers.csv)" = old ] || grep -q '^file,' answers.csv ||
            fail "expected the answers to be as they were"
    fi
}
do_eval() {
    faulty "$1" "$2" "$3" eval --weights right.train --data-path handsigns --samples 4 \
        --batch-size 2 --json
}
check_eval() {
    [ "$code" -ne 0 ] || [ "$(grep -o '"loss": *[0-9.e-]*' out)" = "$(cat right.eval)" ] ||
        fail "expected the same loss"
}
do_bench() {
    # shellcheck disable=SC2086
    faulty "$1" "$2" "$3" bench model $small --mode train,infer $once --json
}
check_bench() { :; }
do_bench_op() {
    # shellcheck disable=SC2086
    faulty "$1" "$2" "$3" bench op $small --mode infer --impl preferred --no-peak $once --json
}
check_bench_op() { :; }
do_profile() {
    rm -f trace.json
    # shellcheck disable=SC2086
    faulty "$1" "$2" "$3" profile $small --warmup 0 --repeats 1 --no-peak --json --trace trace.json
}
check_profile() {
    [ ! -f trace.json ] || grep -q '"traceEvents"' trace.json || fail "expected a whole trace"
}
do_tune() {
    rm -f x.tune
    # shellcheck disable=SC2086
    faulty "$1" "$2" "$3" tune $small --mode infer --impl direct --repeats 1 --min-seconds 0 \
        --no-params -o x.tune
}
check_tune() {
    [ ! -f x.tune ] || grep -q '^format = ' x.tune || fail "expected x.tune to be whole"
}
do_devices() {
    faulty "$1" "$2" "$3" devices --json
}
check_devices() { :; }

# The shim has every OpenCL function that rescl and CLBlast call.
if command -v nm >/dev/null && command -v ldd >/dev/null; then
    nm -D --defined-only "$RESCL_FAULT" | sed 's/.* //' >entries
    ldd "$RESCL" | sed -n 's|.*=> \(/.*\(rescl\|clblast\)[^/]*\) (.*|\1|p' >libraries
    echo "$RESCL" >>libraries
    while read -r library; do
        nm -D --undefined-only "$library" | sed -n 's/.* U \(cl[A-Z][A-Za-z]*\).*/\1/p' >called
        while read -r function; do
            grep -qx "$function" entries || fail "expected $function of $library in the fault shim"
        done <called
    done <libraries
fi

# Without a failure: the right results, and how often each function is called.
make_png >image.png
do_train "" 0 ""
want_code 0
cp runs/x/weights/best.safetensors right.train
for verb in predict eval; do
    do_$verb "" 0 ""
    want_code 0
done
cp answers.csv right.predict
grep -o '"loss": *[0-9.e-]*' out >right.eval || fail "expected a loss"

for verb in devices predict eval train bench bench_op profile tune; do
    do_$verb "" 0 ""
    if [ "$verb" = profile ] && grep -qF "does not measure kernels" err; then
        want_code 3
        echo "without profile: $(cat err)"
        continue
    fi
    want_code 0
    failed=0 reported=0 quick=0
    calls=$(sed -n 's/^calls //p' report)
    sed -n 's/^called //p' report >functions
    while read -r function count; do
        for n in 1 $(((count + 1) / 2)) "$count"; do
            [ -n "$all" ] || break
            do_$verb "$function" "$n" ""
            want_sound
            check_$verb
        done
    done <functions
    # Few, far apart, and of different functions.
    for n in 7 $((calls / 3)) $((calls * 2 / 3)); do
        [ -z "$all" ] || break
        do_$verb "" "$n" ""
        want_sound
        check_$verb
    done
    echo "$verb: $calls calls, $failed failed, $reported of them were reported"
done

# What a failing driver is, and is not, reported as.
device_failure() {
    do_"$1" "$2" "$3" "$4"
    want_code 3
    want_sound
    grep -qE 'File exists|No such file|usage|Inappropriate' err && fail "expected the driver's failure alone"
    want_err "$5"
}
device_failure predict clSetKernelArg 1 -50 "argument 0"
device_failure predict clSetKernelArg 1 -51 "clSetKernelArg: CL_INVALID_ARG_SIZE (-51)"
device_failure predict clGetPlatformIDs 1 -5 "clGetPlatformIDs: CL_OUT_OF_RESOURCES (-5)"
device_failure predict clGetDeviceIDs 1 -5 "clGetDeviceIDs: CL_OUT_OF_RESOURCES (-5)"
device_failure predict clGetDeviceInfo 9 -5 "the driver does not answer: clGetDeviceInfo"
device_failure predict clFlush 1 -36 "CL_INVALID_COMMAND_QUEUE (-36)"
device_failure train clWaitForEvents 1 -14 "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST (-14)"
export FAULT_TIMES=1000000
device_failure predict clCreateKernel 1 -46 ".cl: clCreateKernel: CL_INVALID_KERNEL_NAME (-46)"
device_failure predict clEnqueueNDRangeKernel 1 -5 "clEnqueueNDRangeKernel: CL_OUT_OF_RESOURCES (-5)"
device_failure train clEnqueueNDRangeKernel 9 -5 "clEnqueueNDRangeKernel: CL_OUT_OF_RESOURCES (-5)"
device_failure bench clEnqueueNDRangeKernel 1 -5 "clEnqueueNDRangeKernel: CL_OUT_OF_RESOURCES (-5)"
device_failure tune clEnqueueNDRangeKernel 1 -5 "clEnqueueNDRangeKernel: CL_OUT_OF_RESOURCES (-5)"
device_failure predict "" 400 -36 "CL_INVALID_COMMAND_QUEUE (-36)"
device_failure train "" 3000 -36 "CL_INVALID_COMMAND_QUEUE (-36)"
device_failure tune "" 1500 -36 "CL_INVALID_COMMAND_QUEUE (-36)"
exit 0
