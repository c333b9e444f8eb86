# profile: tables, forms, the time line, data.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

small="--model resnet8 --size 16 --batch-size 4 --warmup 0 --repeats 2 --no-peak"

# shellcheck disable=SC2086
run profile $small
if grep -qF "does not measure kernels" err; then
    want_code 3
    skip "$(cat err)"
fi
want_code 0
want_out "resnet8 train size 16 batch 4, fp32 on "
want_out "| gaps between commands"
grep -qE '^\| conv2d +\| bwd_params +\|' out || fail "expected a row for an operation and pass"
grep -qE '^\| layer[0-9.a-z]+ +\| conv2d +\|' out || fail "expected a row for a kernel of a layer"
grep -qE '^the longest 20 of [0-9]+ \(--top 0: all\)$' out || fail "expected a word on what is left out"
tail -n 1 out | grep -qE '\.$' || fail "expected a sentence at the end"

# shellcheck disable=SC2086
run profile $small --mode infer --csv --top 3 -o rows.csv
want_code 0
want_no_out
[ "$(head -n 1 rows.csv)" = "layer,op,pass,kernel,calls,ms,share_%,gflops,gbs,of_limit_%,bound" ] ||
    fail "expected a csv's head"
[ "$(wc -l <rows.csv)" -eq 4 ] || fail "expected three rows"
grep -q bwd rows.csv && fail "expected forward alone"

# shellcheck disable=SC2086
run profile $small --data-path handsigns --workers 1 --trace trace.json
want_code 0
want_err "trace.json: open it in ui.perfetto.dev"
for name in '"wait for data"' '"upload"' '"device: queue"' '"displayTimeUnit"'; do
    grep -q "$name" trace.json || fail "expected $name in the time line"
done

# A network of one class an image, and images of several.
make_png >one.png
printf 'path,labels\none.png,cat;dog\none.png,\n' >several.csv
# shellcheck disable=SC2086
run profile $small --data-path several.csv
want_code 2
want_err "any number of labels"

# Data by its keys, as training reads it.
# shellcheck disable=SC2086
run profile $small --data-path "$RESCL_SOURCE_DIR/tests/data/h5py_keys.h5" --workers 1 \
    --h5-images train/images --h5-labels train/labels
grep -q "built without HDF5" err || want_code 0

# What a run trains, in its page too.
# shellcheck disable=SC2086
run train $tiny --epochs 1 --name a --size 24
want_code 0
run profile --run runs/a --warmup 0 --repeats 2 --no-peak
want_code 0
want_out "resnet8 train size 24 batch 16, fp32 on "
want_err "the time of each layer is in runs/a/report.html"
grep -qF "Time of every layer" runs/a/report.html || fail "expected the time of each layer in the page"
grep -qF '"layer": "layer1.0.conv1"' runs/a/profile.json || fail "expected layers in profile.json"
run profile --run nowhere
want_code 4
want_err "--run: nowhere: No such file or directory"

# shellcheck disable=SC2086
run profile $small --trace missing/trace.json
want_code 4
want_err "missing/trace.json"
run profile extra
want_code 2
