# compare: files of bench, and devices.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# row WHAT SAMPLES [MORE]: a row as bench writes it, and what else it holds.
row() {
    printf '{"schema": 1, "kind": "op", "what": "%s", "model": "resnet8", "pass": "fwd", ' "$1"
    printf '"impl": "direct", "mode": null, "precision": "fp32", "size": 32, "batch": 4, '
    printf '"input": null, "opt": null, "status": "ok", "version": "%s", "device": "a device", ' "${version:-1}"
    printf '"driver": "3", "unknown": [1], "samples_ms": [%s]%s}\n' "$2" "$3"
}
fast="1.01, 1.03, 1, 1.02, 1.04, 1.015, 1.005, 1.03"
slow="1.21, 1.23, 1.2, 1.22, 1.24, 1.215, 1.205, 1.23"

{ row one "$fast" && row two "$fast" && row three "$fast"; } >a.jsonl
{ row one "$fast" && version=2 row two "$slow" && row four "$fast"; } >b.jsonl
{ printf '[' && row one "$fast" && printf ',' && row two "$fast" && printf ']'; } >c.json

run compare a.jsonl c.json
want_code 0
want_out "A: a.jsonl, B: c.json"
[ "$(grep -c '| same' out)" -eq 2 ] || fail "expected two rows that are the same"
want_out "0 slower, 0 faster, 2 the same within 5 %, 0 too noisy"
want_out "only in a.jsonl: three resnet8 fwd direct fp32 32 4"
run compare a.jsonl b.jsonl
want_code 0
want_out "1 slower"
grep -qE '\| two .*\| 1\.018 \| 1\.218 \| 1\.195 .*\| slower' out || fail "expected the slower row"
want_out "op: model resnet8, pass fwd, impl direct, precision fp32, size 32, batch 4"
want_out "differs in version: 1 | 1, 2"
want_out "only in b.jsonl: four"
run compare a.jsonl b.jsonl --fail-above 5%
want_code 6
want_err "1 of 2 rows are slower by more than 5 %; the worst, 1.19"
want_out "slower"
run compare a.jsonl b.jsonl --fail-above 30
want_code 0
want_out "2 the same within 30 %"
run compare b.jsonl a.jsonl --fail-above 5%
want_code 0
want_out "1 faster"
run compare a.jsonl a.jsonl b.jsonl --csv
want_code 0
[ "$(wc -l <out)" -eq 6 ] || fail "expected five rows and a head"
[ "$(grep -c ',slower$' out)" -eq 1 ] || fail "expected one slower row"
run compare a.jsonl b.jsonl --json -o out.json
want_code 0
want_no_out
grep -q '"verdict": "slower"' out.json || fail "expected a verdict in the file"
grep -q '"what": "version"' out.json || fail "expected the difference in the file"

run compare a.jsonl b.jsonl --report page.html
want_code 0
want_out "1 slower"
for text in '<!DOCTYPE html>' 'B beside A' 'B / A' 'All rows of a kind: op: model' '1 of 2 rows are slower'; do
    grep -qiF "$text" page.html || fail "expected '$text' in the page"
done
grep -qE '(src|href)="?http|<script' page.html && fail "expected a page that stands alone"
run compare a.jsonl b.jsonl --report a.jsonl
want_code 2
grep -q samples_ms a.jsonl || fail "expected the input to be left alone"

# What was measured while others had the processors says nothing of what became slower.
row one "$slow" ', "others": 0.4' >d.jsonl
run compare a.jsonl d.jsonl --fail-above 5%
want_code 0
want_out "1 too noisy"
want_out "while other processes took more than 20 % of the processors' time"
want_err "1 of 1 rows are too noisy to tell"
# Few samples say nothing either, and what failed is no success.
row one "1, 2" >e.jsonl
run compare e.jsonl e.jsonl
want_code 0
want_out "too few samples"
row one "" | sed 's/"ok"/"wrong"/' >f.jsonl
run compare a.jsonl f.jsonl --fail-above 5%
want_code 6
want_out "| wrong"
run compare a.jsonl f.jsonl
want_code 0
# Runs of one file are joined.
{ row one "1.0, 1.1, 1.0, 1.1" && row one "1.0, 1.1, 1.0, 1.1"; } >g.jsonl
run compare g.jsonl g.jsonl --json
want_out '"a_samples": 8'

# A run that went wrong is not made good by another of the same file.
{ row one "$fast" && row one "" | sed 's/"ok"/"wrong"/'; } >g.jsonl
run compare a.jsonl g.jsonl --fail-above 5%
want_code 6
want_out "| wrong"
# A target that was missed fails, too; what A has no times of is shown, and no failure of B.
row one "" | sed 's/"ok"/"missed"/' >m.jsonl
run compare a.jsonl m.jsonl --fail-above 5%
want_code 6
want_out "| missed"
want_err "2 rows of A are missing in B"
run compare m.jsonl a.jsonl --fail-above 5%
want_code 0
want_out "| missed"
want_out "1 not measured in A"
# Nothing in common is no success.
row other "$fast" >o.jsonl
run compare a.jsonl o.jsonl --fail-above 5%
want_code 4
want_err "no row of A is in B"
run compare a.jsonl b.jsonl -o b.jsonl
want_code 2
want_err "would be lost"
grep -q samples_ms b.jsonl || fail "expected the input to be left alone"

# What is no file of bench is an error with its place.
run compare a.jsonl
want_code 2
want_err "found 1 file, expected two or more"
run compare a.jsonl no-such-file
want_code 4
want_err "no-such-file"
printf '[]' >bad
run compare a.jsonl bad
want_code 4
want_err "bad: holds no rows"
{ row one 1 && printf '{"kind": \n'; } >bad
run compare bad a.jsonl
want_code 4
want_err "bad:3: "
{ row one 1 && row two 1 | sed 's/"driver": "3", //'; } >bad
run compare bad a.jsonl
want_code 4
want_err "bad: row 2: driver is missing, expected a text"
row one '"x"' >bad
run compare bad a.jsonl
want_code 4
want_err "bad: row 1: samples_ms is not a list of times above 0"
row one 1 | sed 's/"schema": 1/"schema": 99/' >bad
run compare bad a.jsonl
want_code 4
want_err "schema is that of a newer rescl"
# What a row has to say, and what it may leave out.
refuse() { # refuse SED MESSAGE: the row, edited, is refused with the file and the row
    row one "$fast" ', "others": 0.1' | sed "$1" >bad
    run compare bad a.jsonl
    want_code 4
    want_err "bad: row 1: $2"
}
refuse 's/"schema": 1/"schema": "1"/' "schema is a text, expected a whole number"
refuse 's/"schema": 1/"schema": 1.5/' "schema is a number, expected a whole number"
refuse 's/"schema": 1, //' "schema is missing"
refuse 's/"ok"/"fine"/' "status is 'fine', expected ok"
refuse 's/"ok"/"failed"/' "status is 'failed', but samples_ms has times"
refuse 's/"samples_ms": .*/"samples_ms": []}/' "status is 'ok' without samples_ms"
refuse 's/"samples_ms": .*/"samples_ms": [1e308, 1e308]}/' "samples_ms is not a list of times"
refuse 's/"batch": 4/"batch": 4.5/' "batch is a number, expected a whole number"
refuse 's/"others": 0.1/"others": 1.1/' "others is not in [0,1]"
refuse 's/"others": 0.1/"others": "much"/' "others is a text"
row one "$fast" | sed 's/"batch": 4/"batch": 4.0/; s/"mode": null, //' >like.jsonl
run compare like.jsonl a.jsonl
want_code 0
want_out "1 the same"

# A training is compared by its epochs, and says how long it takes in all.
train() { row "resnet8:handsigns,90%" "$fast" ", \"epochs\": $1, \"seconds\": $2" | sed 's/"op"/"train"/'; }
train 3 7.5 >short.jsonl
train 4 9.25 >long.jsonl
run compare short.jsonl long.jsonl --report train.html
want_code 0
want_out "A takes 7.5 s and 3 epochs, B 9.25 s and 4 epochs"
grep -q '9\.25' train.html || fail "expected the seconds of the training in the page"
run compare short.jsonl short.jsonl
[ "$(grep -c epochs out)" -eq 0 ] || fail "expected nothing of equal trainings"

run compare a.jsonl b.jsonl --fail-above ''
want_code 2
want_err "--fail-above: found ''"
run compare a.jsonl b.jsonl --fail-above 100%
want_code 0
run compare a.jsonl b.jsonl --report nowhere/page.html
want_code 4
want_err "nowhere/page.html: No such file"
grep -q -e --output err && fail "expected --output not to be blamed"
run compare a.jsonl b.jsonl --fail-above 5x
want_code 2
want_err "--fail-above: found '5x', expected a share such as 5%"
run compare a.jsonl b.jsonl --fail-above 5 --margin 3
want_code 2
want_err "exclude each other"

# A file of bench itself.
run bench model --model resnet8 --size 8 --batch-size 2 --mode infer --warmup 1 --repeats 8 \
    --min-seconds 0 --json -o real.json
want_code 0
if grep -q samples_ms real.json; then
    run compare real.json real.json --fail-above 5%
    want_code 0
    want_out "resnet8"
fi

# The history of a device: the last run beside the earlier ones.
RESCL_HISTORY_DIR="$PWD/history"
export RESCL_HISTORY_DIR
run compare --history
want_code 4
want_err "rescl bench ... --history"
quick="--warmup 1 --repeats 8 --min-seconds 0 --max-noise 0"
mkdir history && : >history/notes.txt
for i in 1 2 3; do
    # shellcheck disable=SC2086
    run bench model --model resnet8 --size 8 --batch-size 2 --mode infer --history $quick
    want_code 0
    want_err "history $RESCL_HISTORY_DIR/"
    [ $i -gt 1 ] && continue
    run compare --history
    want_code 0
    want_out "nothing to compare it with"
done
[ "$(find history -name '*.jsonl' | wc -l)" -eq 3 ] || fail "expected a file for each run"
[ "$(find history -mindepth 1 -type d | wc -l)" -eq 1 ] || fail "expected a folder for the device"
run compare --history
want_code 0
want_out "2 earlier runs, B: "
want_out "| resnet8 |"
run compare --history no-such-device
want_code 4
want_err "found no device whose name holds no-such-device"
cp -r "$(find history -mindepth 1 -maxdepth 1 -type d)" history/another-device
run compare --history another "$(basename "$(find history -mindepth 1 -type d | grep -v another)")" --json
want_code 0
[ "$(grep -c '"a": ".*run' out)" -eq 3 ] || fail "expected three pairs"

# Devices: one that is wrong is named with the layer.
run compare --devices "$RESCL_DEVICE,$RESCL_DEVICE" --model resnet8 --size 32 --batch-size 2
want_code 0
want_out "| layer1.0.conv1"
want_out "the classes of 2 of 2 images are those of"
want_out "no pass is further from the host's numbers than"
run compare --devices "$RESCL_DEVICE" --model resnet8 --size 32 --batch-size 2 --csv
want_code 0
grep -q '^conv1,conv2d,eval,' out || fail "expected a row for each pass"
grep -q ',bwd_params,' out || fail "expected backward passes"
mkdir kernels
sed 's|dst_store_part(sum / |dst_store_part(1.01f * sum / |' "$RESCL_SOURCE_DIR/cl/avgpool.cl" >kernels/avgpool.cl
cmp -s "$RESCL_SOURCE_DIR/cl/avgpool.cl" kernels/avgpool.cl && fail "expected another kernel"
RESCL_KERNEL_DIR=kernels run compare --devices "$RESCL_DEVICE" --model resnet8 --size 32 --batch-size 2 --json
want_code 3
want_out '"agrees": false'
want_out '"layer": "avgpool"'
run compare --devices "$RESCL_DEVICE" a.jsonl
want_code 2
want_err "expected files or devices"
run compare --devices no-such-device
want_code 3
