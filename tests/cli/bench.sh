# bench: the three forms of its tables and the product of lists.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

quick="--warmup 1 --repeats 1 --min-seconds 0"
# shellcheck disable=SC2086
run bench model --model resnet8 --size 32 --batch-size 1,4 --mode train,infer $quick
want_code 0
[ "$(grep -c '^| resnet8' out)" -eq 4 ] || fail "expected four rows"
want_out "| model "
want_out "img_s"
# shellcheck disable=SC2086
run bench model --model resnet8 --size 8,32 --batch-size 2 --mode infer --output-format csv $quick
want_code 0
[ "$(head -n 1 out | cut -d, -f1-4)" = "schema,kind,what,model" ] || fail "expected a csv's head"
[ "$(wc -l <out)" -eq 3 ] || fail "expected two rows"
grep -q '^1,model,resnet8,resnet8,.*,infer,fp32,8,2,device,' out ||
    fail "expected the input to lie on the device"
# shellcheck disable=SC2086
run bench model --model resnet8 --size 8 --batch-size 2 --input device,host --json $quick
want_code 0
[ "$(grep -c '"input": "host"' out)" -eq 2 ] && [ "$(grep -c '"input": "device"' out)" -eq 2 ] ||
    fail "expected each mode with both inputs"
# shellcheck disable=SC2086
run bench op --model resnet8 --size 8 --batch-size 2 --no-peak --impl simt_gemm $quick
want_code 0
want_out "| fwd"
want_out "| bwd_data"
want_out "simt_gemm ms"
want_out "* is what a network uses here"
want_out "ms in all"
# How many times what a training consumes the loader delivers.
# shellcheck disable=SC2086
run bench load --model resnet8 --size 16 --batch-size 4 $quick
want_code 0
want_out "x_resnet8"
grep -q '^| jpeg.* [0-9.]* |$' out || fail "expected how many times the loader is faster"
# A problem as rows print it, from the command line.
# shellcheck disable=SC2086
run bench op 'conv2d:2x9x9x8->16,3x3/2' ' dense: 3x5 -> 7, bf16' --no-peak --impl preferred --mode infer \
    --precision fp32,bf16 --output-format jsonl $quick
want_code 0
[ "$(grep -c '"what":"conv2d:2x9x9x8->16,3x3/2","model":null,"op":"conv2d","pass":"fwd"' out)" -eq 1 ] ||
    fail "expected the problem back"
grep -q '"what":"conv2d:2x9x9x8->16,3x3/2,bf16".*"precision":"bf16"' out || fail "expected bf16 too"
[ "$(grep -c '"what":"dense:3x5->7,bf16"' out)" -eq 2 ] || fail "expected the type of the problem"
[ "$(grep -c '"status":"ok".*"checked":"numbers drawn.*"samples_ms":\[[0-9.e-]*\]' out)" -eq 4 ] ||
    fail "expected a checked line for each"
grep -q '"host":' out && fail "expected no name of this machine"
printf '# of a file\n\ndense:3x5->7 # a small one\n dense: 4x5 -> 7\n' >problems
# shellcheck disable=SC2086
run bench op @problems dense:5x5-\>7 --no-peak --impl preferred --mode infer --csv --host $quick
want_code 0
[ "$(grep -c '^1,op,dense:[345]x5->7,,dense,fwd,' out)" -eq 3 ] || fail "expected those of the file too"
grep -q ',others,host$' out || fail "expected the column of the name of this machine"
run bench op @no-such-file
want_code 4
want_err "no-such-file"
run bench op @
want_code 2
want_err "'@' alone"
printf '\357\273\277# marked\ndense:3x5->7\n' >problems
# shellcheck disable=SC2086
run bench op @problems --no-peak --impl preferred --mode infer --csv $quick
want_code 0
for problem in conv2d:0x9x9x8-\>16,3x3/1 conv2d:2x2x2x8-\>16,5x5/1,pad0 conv2d:2x9x9x8-\>16,3x3/1,3groups; do
    # shellcheck disable=SC2086
    run bench op "$problem" --no-peak $quick
    want_code 2
done
# shellcheck disable=SC2086
run bench op 'conv2d:99999999999x9x9x8->16,3x3/1' --no-peak $quick
want_code 2
want_err "found '99999999999x9x9x8->16,3x3/1'"
# shellcheck disable=SC2086
run bench op 'conv2d:2x9x9x8->16,3x3/1,pad1,pad0' --no-peak $quick
want_code 2
want_err "found ',pad0', expected"
# shellcheck disable=SC2086
run bench op 'dense:3x5->7,bf16,fp16' --no-peak $quick
want_code 2
want_err "type, pad and groups once each"
# shellcheck disable=SC2086
run bench op conv2d:2x9x9x8- --no-peak $quick
want_code 2
want_err "put it in quotes"
# shellcheck disable=SC2086
run bench product --m 3,40 --k 17 --no-peak $quick
want_code 0
grep -qE '^\| fwd +\| dense:3x17->3 ' out || fail "expected N to be as M"
grep -qE '^\| bwd_params +\| dense:40x17->40 ' out || fail "expected three products of each size"
want_out "clblast_gemm ms"
# shellcheck disable=SC2086
run bench product --m 3 --n 4,5 --k 6 --no-peak --mode infer --impl preferred --output-format csv $quick
want_code 0
[ "$(grep -c '^1,product,dense:3x6->[45],,dense,fwd,' out)" -eq 2 ] && [ "$(wc -l <out)" -eq 3 ] ||
    fail "expected a row for each product"
# shellcheck disable=SC2086
run bench product --m 3 --no-peak --impl winograd $quick
want_code 1
want_err "'winograd' can serve nothing"
run bench step --model resnet8
want_code 2
want_err "rescl profile"
# What is wrong stays as a row with its reason, and the others go on.
cp -r "$RESCL_SOURCE_DIR/cl" kernels
sed -i 's|dst_set(relu|if (to != 100) dst_set(relu|' kernels/conv2d_direct.cl
# shellcheck disable=SC2086
RESCL_KERNEL_DIR=kernels run bench op --model resnet8 --size 8 --batch-size 2 --no-peak --mode infer \
    --csv -o kept.csv $quick
want_code 3
want_err "direct: the result is wrong: 1 of 2048 numbers are NaN, infinite or were not written"
grep -q ',direct,0,.*,wrong,".*the result is wrong[^"]*",,,,,,,0,' kept.csv ||
    fail "expected a wrong row without times"
grep -q ',ok,,[0-9.e-]*,GFLOP/s,' kept.csv || fail "expected rows of the others"

# So does a network with such a layer: it has no time, whether its losses are numbers or not.
for value in 9.0f 'as_float(0x7fc00000)'; do
    cp "$RESCL_SOURCE_DIR/cl/conv2d_direct.cl" kernels
    sed -i "s|dst_set(relu|dst_set(to == 100 ? $value : relu|" kernels/conv2d_direct.cl
    # shellcheck disable=SC2086
    RESCL_SELFTEST=off RESCL_KERNEL_DIR=kernels RESCL_IMPL=conv2d=direct run bench model --model resnet8 --size 8 \
        --batch-size 2 --mode infer --output-format jsonl $quick
    want_code 3
    grep -q '"status":"wrong","reason":"[^"]*direct[^"]*".*"median_ms":null' out ||
        fail "expected no time of a network that computes wrong numbers"
done
# shellcheck disable=SC2086
RESCL_SELFTEST=off RESCL_KERNEL_DIR=kernels RESCL_IMPL=conv2d=direct run bench model --model resnet8 --size 8 --batch-size 2 \
    --mode infer $quick
want_code 3
grep -qE '^\| resnet8 .*\| wrong ' out || fail "expected its state"
# The cells of its numbers are empty.
grep -qE '\| *-?(nan|inf) *\|' out && fail "expected no nan"

# Time to an accuracy; one that is missed is no number.
# shellcheck disable=SC2086
run bench train --size 8 --batch-size 120 --epochs 1 --target-accuracy 100 --json $quick
want_code 1
want_err "after 1 epochs, not 100 %"
want_out '"status": "missed"'
want_out '"seconds": null'

# Energy by the counters of a machine that lies in a folder.
mkdir -p machine/sys/class/powercap/intel-rapl:0
echo package-0 >machine/sys/class/powercap/intel-rapl:0/name
echo 1000 >machine/sys/class/powercap/intel-rapl:0/energy_uj
# shellcheck disable=SC2086
RESCL_MACHINE_ROOT=$PWD/machine run bench model --model resnet8 --size 8 --batch-size 2 --mode infer --energy \
    --output-format jsonl $quick
want_code 0
want_out '"energy_j":null,"energy_by":"the counter did not move"'
want_err "--energy: the counter did not move"
rm -r machine/sys
# shellcheck disable=SC2086
RESCL_MACHINE_ROOT=$PWD/machine run bench model --model resnet8 --size 8 --batch-size 2 --mode infer --energy \
    --output-format jsonl $quick
want_code 0
want_out '"energy_j":null'
want_err "intel_rapl_msr"

# A time limit keeps what was measured.
# shellcheck disable=SC2086
run bench op --model resnet8,resnet20 --size 8 --batch-size 2 --no-peak --mode infer --json \
    --time-limit 0.001 $quick
want_code 0
want_err "problems were not measured"
want_err "--time-limit 0.001: the time limit is reached: 1 of 2 networks were not begun"
want_out '"status": "skipped"'
# shellcheck disable=SC2086
run bench model --model resnet8 --size 8 --batch-size 2,3 --mode infer --csv --time-limit 0.001 $quick
want_code 0
want_err "1 of 2 measurements were not begun"
[ "$(wc -l <out)" -eq 2 ] || fail "expected one row"
# shellcheck disable=SC2086
run bench op --model resnet8 --size 8 --batch-size 2 --no-peak --impl no-such-impl $quick
[ "$code" -ne 0 ] || fail "expected an unknown implementation to be refused"

# -o is a file here as everywhere, and the form has an option of its own.
run bench peak -o csv
want_code 2
want_err "--output names a file; for the form of the results: --output-format csv"
run bench peak --json --csv
want_code 2
want_err "exclude each other"
run bench peak --json --output-format csv
want_code 2
# shellcheck disable=SC2086
run bench model --model resnet8 --size 8 --batch-size 2 --mode infer --csv -o table.csv $quick
want_code 0
want_no_out
grep -q '^schema,kind,what' table.csv || fail "expected the table in the file"

# PoCL gives one processor as two devices; one device twice is none.
run bench scaling --device "$RESCL_DEVICE,$RESCL_DEVICE" --model resnet8
want_code 2
want_err "in the list already"
if POCL_DEVICES="pthread basic" "$RESCL" devices | grep -q ' basic-'; then
    POCL_DEVICES="pthread basic"
    export POCL_DEVICES
    run bench scaling --device pthread-,basic- --model resnet8 --size 8 --batch-size 2 \
        --warmup 0 --repeats 2 --min-seconds 0 --output-format csv
    unset POCL_DEVICES
    want_code 0
    want_out "model,size,precision,devices,batch"
    [ "$(grep -c '^resnet8,8,fp32,' out)" -eq 2 ] || fail "expected a row for one device and for two"
    want_out "resnet8,8,fp32,2,4,"
fi
