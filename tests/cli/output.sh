# Results on stdout, messages on stderr; NO_COLOR; a closed or full stdout; listing devices.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

run devices
want_code 0
want_out "device"
want_out "*"
want_err "is what --device"
run devices -v
want_code 0
want_out "sub-group"
want_out "not reported"
want_out "extensions"
want_out "quirks"
want_out "self-test"
RESCL_ENGINES=nonsense run devices --probe
[ "$code" -ne 0 ] || fail "expected the list of engines to be refused"
want_err "nv_bf16"
want_err "or none, alone; or emulate"
run devices --probe --device 7:7
want_code 3
want_no_out
run devices --probe
want_code 0
want_out "engine"
want_out "nv_bf16"
run devices --probe --json
want_code 0
want_out '"engines"'
want_out '"x86_bf16"'
want_out '"x86_amx"'
want_out '"arm_bf16"'
command="RESCL_ENGINES=emulate rescl devices --probe"
RESCL_ENGINES=emulate "$RESCL" devices --probe >out 2>err
code=$?
want_code 0
want_out "emulated by RESCL_ENGINES"
run devices --device no-such-device
want_code 3
want_out "device"
want_err "no-such-device"

# A reader that goes away is no failure, a full disk is.
for verb in "summary --model resnet8" "train --help" "devices --json"; do
    command="rescl $verb | true"
    # shellcheck disable=SC2086
    { "$RESCL" $verb 2>err; echo $? >code; } | true
    code=$(cat code)
    want_code 0
    [ "$(grep -c 'error' err)" -eq 0 ] || fail "expected silence about a closed pipe"
done
if [ -w /dev/full ]; then
    command="rescl summary >/dev/full"
    "$RESCL" summary --model resnet8 >/dev/full 2>err
    code=$?
    want_code 4
    want_err "standard output"
fi

# A limit on the size of files is an error of the write, which leaves nothing behind. (The compiler
# writes too: what it compiles is done before, and a limit that leaves it no room is named.)
# shellcheck disable=SC2086
run train $tiny --model resnet20 --quiet --name unlimited
command="(ulimit -f 4096; rescl train)"
# shellcheck disable=SC2086
(ulimit -f 4096 && exec "$RESCL" train $tiny --model resnet20 --name limited >out 2>err)
code=$?
want_code 4
want_err "File too large"
[ -z "$(find runs/limited -name '*.tmp-*')" ] || fail "expected no temporary file"
command="(ulimit -f 8; rescl train)"
# shellcheck disable=SC2086
(ulimit -f 8 && exec "$RESCL" train $tiny --name none >out 2>err)
code=$?
# Some compilers write a file first, others leave the first to the run.
[ "$code" -eq 3 ] || want_code 4
want_err "File too large"

run summary --model resnet50_signs --classes 6 --size 64
want_code 0
want_out 'Model: "resnet50_signs"'
want_out "Layer (type)"
want_out "[(None, 64, 64, 3)]"
want_out "Total params: 23,600,006"
want_out "Trainable params: 23,546,886"
want_out "Non-trainable params: 53,120"

# Colours only on a terminal, and not with NO_COLOR.
escape=$(printf '\033')
run train --nonsense
! grep -q "$escape" err || fail "expected no colours without a terminal"
need_terminal
on_terminal 100 train --nonsense
want_code 2
grep -q "$escape" out || fail "expected colours on a terminal"
NO_COLOR=1
export NO_COLOR
on_terminal 100 train --nonsense
! grep -q "$escape\[1" out || fail "expected no colours with NO_COLOR"
