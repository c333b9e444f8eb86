# tune: measures, keeps, is taken, and is undone by the environment.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

small="--model resnet8 --size 16 --batch-size 2 --mode infer --repeats 1 --min-seconds 0"
unset RESCL_TUNE

# shellcheck disable=SC2086
run tune $small --no-params -o x.tune
want_code 0
want_out "| problem"
want_out "| conv2d fwd infer 2x16x16x"
want_out "| dense fwd infer"
want_out "kept in x.tune"
want_err "resnet8 infer size 16 batch 2"
for field in format rescl device platform driver platform_version type units width \
    local_bytes class; do
    grep -q "^$field = ." x.tune || fail "expected the field '$field' in the file"
done
problems=$(grep -c "^[a-z0-9]* fwd infer .* = " x.tune)
[ "$problems" -gt 4 ] || fail "expected a line for each problem, found $problems"

# Run again it measures what is left alone, and rows tell what was tried.
grep -v "dense fwd" x.tune >part.tune
# shellcheck disable=SC2086
run tune $small --no-params -o part.tune --csv
want_code 0
want_err "$((problems - 1)) of $problems problems were measured before (--force: again)"
[ "$(head -n 1 out)" = "model,problem,count,candidate,chosen,ms,error,status,reason" ] ||
    fail "expected a csv's head"
grep -q '^resnet8,.*dense fwd infer.*,default,[01],[0-9].*,ok,$' out || fail "expected the default's row"
grep -q 'conv2d' out && fail "expected rows of what was measured alone"
# shellcheck disable=SC2086
run tune $small --no-params -o part.tune --json
want_code 0
[ "$(grep -c '"kept": true' out)" -eq "$problems" ] || fail "expected all problems to be kept"
# shellcheck disable=SC2086
run tune $small --no-params -o part.tune --force --time-limit 0.001
want_code 0
want_err "--time-limit 0.001: the time limit is reached: $problems of $problems problems were not measured; the next run goes on there"

# Where nothing was measured there is nothing to prove, which is said as such.
# shellcheck disable=SC2086
run tune $small --no-params -o none.tune --time-limit 0.001 --json
want_code 0
want_out '"reason": "nothing was measured"'
want_err "nothing to prove in whole steps: nothing was measured"

# Choices that gain nothing in whole steps are dropped, and the report says what the step gains.
sed 's/^\(conv2d .*\) = .*/\1 = direct  # 0.001 ms; 1 ms: packed_gemm/' x.tune >step.tune
# shellcheck disable=SC2086
run tune $small --no-params --no-prove -o step.tune
want_code 0
grep -qE 'proven|no gain' step.tune && fail "expected no proof"
# shellcheck disable=SC2086
run tune $small --no-params -o step.tune
want_code 0
want_out "resnet8 infer size 16 batch 2: the step "
grep -qE ': a gain of -?[0-9.]+ % \(95 %: -?[0-9.]+ to -?[0-9.]+ %; [0-9]+ pairs\)' out ||
    fail "expected what the step gains"
grep -qE '^conv2d .*(; proven|= default  # .*; no gain in the step: direct)$' step.tune ||
    fail "expected what came of the proof in the file"
sed 's/^\(conv2d .*\) = .*/\1 = direct  # 0.001 ms; 1 ms: packed_gemm/' x.tune >step.tune
# shellcheck disable=SC2086
run tune $small --no-params -o step.tune --time-limit 0.001 --json
want_code 0
want_out '"not_proven": '
want_err "not proven in whole steps: not measured within the time limit"

# A folder that is missing is said before anything is measured.
# shellcheck disable=SC2086
run tune $small -o missing/x.tune
want_code 4
want_err "missing/x.tune: No such file or directory"
[ ! -e missing ] || fail "expected no new folder"

# Two runs at the same time add to one file.
# shellcheck disable=SC2086
"$RESCL" tune $small --no-params --quiet -o both.tune >/dev/null 2>&1 &
# shellcheck disable=SC2086
run tune $small --no-params --batch-size 3 -o both.tune
want_code 0
wait $! || fail "expected the other run to end well"
[ "$(grep -c "^[a-z0-9]* fwd infer .* = " both.tune)" -eq $((2 * problems)) ] ||
    fail "expected the problems of both runs in the file"

# Made to choose something that no default is, the file is taken.
sed 's/^\(conv2d .*pad [0-9x]*[^=]*\) = .*/\1 = simt_gemm rm=4/' x.tune >y.tune
rm x.tune
# shellcheck disable=SC2086
export RESCL_VERBOSE=dispatch
RESCL_TUNE=y.tune run bench model --model resnet8 --size 16 --batch-size 2 --mode infer \
    --warmup 1 --repeats 1 --min-seconds 0
want_code 0
want_err "simt_gemm rm=4 (tuned)"
want_err "tuning  $problems problems"
RESCL_TUNE=off run bench model --model resnet8 --size 16 --batch-size 2 --mode infer \
    --warmup 1 --repeats 1 --min-seconds 0
want_code 0
grep -q "(tuned)" err && fail "expected no tuning"
unset RESCL_VERBOSE

# What another compiler's file says is not applied, and that is said.
sed 's/^driver = .*/driver = another/' y.tune >z.tune
RESCL_TUNE=z.tune run bench model --model resnet8 --size 16 --batch-size 2 --mode infer \
    --warmup 1 --repeats 1 --min-seconds 0
want_code 0
want_err "no tuning: z.tune: it is for another compiler: its driver is 'another', this one's"

# A wrong line is named and costs no more than itself.
echo "conv2d fwd train nonsense" >>y.tune
lines=$(wc -l <y.tune)
# shellcheck disable=SC2086
RESCL_TUNE=y.tune run bench model --model resnet8 --size 16 --batch-size 2 --mode infer \
    --warmup 1 --repeats 1 --min-seconds 0
want_code 0
want_err "y.tune:$lines: expected 'problem = implementation'"

# A device with so little memory that some implementations, defaults among them, cannot run. Where
# vectors are too short for winograd, this class of devices may have one implementation alone.
if grep -qE '^width = [12]$' z.tune; then
    echo "without a default that cannot run: winograd is made for vectors of at least 4 floats"
else
    # shellcheck disable=SC2086
    RESCL_MAX_GLOBAL=1000000 run tune --model resnet8 --size 32 --batch-size 2 --mode infer \
        --repeats 1 --min-seconds 0 --no-params -o short.tune
    want_code 0
    want_err "the default cannot be taken; rejected default: "
    want_err "is short of memory: asked for"
    want_out "whose default cannot be taken"
    grep -q "ms; failed: winograd" short.tune ||
        fail "expected the file to say that the default failed"
fi
# shellcheck disable=SC2086
RESCL_MAX_GLOBAL=1000000 run bench op --model resnet8 --size 32 --batch-size 2 --mode infer --repeats 1 \
    --min-seconds 0 --no-peak
want_code 1
want_err "is short of memory: asked for"
grep -qE '^\|.*\| \*?failed' out || fail "expected a failed implementation"
want_out "| dense"
# shellcheck disable=SC2086
RESCL_MAX_GLOBAL=200000 run tune --model resnet8 --size 32 --batch-size 2 --mode infer --no-params \
    -o none.tune
want_code 1
want_err "warning: conv2d fwd infer"
want_err "of $problems problems could not be tuned"
want_out "| dense fwd infer"
# Problems whose own data do not fit: the others go on.
RESCL_MAX_ALLOC=100000 run bench op --model resnet8 --size 32 --batch-size 2 --mode infer --repeats 1 \
    --min-seconds 0 --no-peak
want_code 1
want_out "| dense"

# JSON, in the cache folder.
mkdir cache # of this test, with the programs that are compiled already
cp -r "$RESCL_CACHE_DIR/programs" cache
RESCL_CACHE_DIR=$dir/cache
export RESCL_CACHE_DIR
# shellcheck disable=SC2086
run tune $small --no-params --json --quiet
want_code 0
want_out '"choice":'
[ "$(find cache/tune -name '*.tune' | wc -l)" -eq 1 ] || fail "expected a file in the cache folder"

# What is no tuning file is not overwritten.
echo diary >d.tune
# shellcheck disable=SC2086
run tune $small -o d.tune
want_code 4
want_err "no tuning file"
[ "$(cat d.tune)" = diary ] || fail "expected the file to be left alone"
run tune extra
want_code 2
