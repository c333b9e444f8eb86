# Ctrl-C finishes the step, saves and exits with 130; --resume alone goes on and ends with the same
# weights as a run that was never stopped.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

long="$tiny --epochs 4000 --name long"
# Starts a training in the background and waits until it has done a step. The files are emptied first:
# what an earlier training left in them would pass for its lines.
start() {
    command="rescl $*"
    : >out
    : >err
    "$RESCL" "$@" >out 2>err &
    pid=$!
    until grep -q '^epoch .* step' err; do
        if ! kill -0 $pid 2>/dev/null; then
            wait $pid
            code=$?
            fail "expected a line of progress"
        fi
        sleep 0.1
    done
}

for signal in INT TERM HUP; do
    # A shell starts background commands with SIGINT ignored; train has to catch it all the same.
    # shellcheck disable=SC2086
    start train $long --print-freq 1 --output-dir "$signal"
    kill -s $signal $pid
    wait $pid
    code=$?
    want_code 130
    want_err "resume with: rescl train --resume $signal/long"
    [ -s "$signal/long/weights/last.safetensors" ] || fail "expected a checkpoint"
    rows=$(wc -l <"$signal/long/results.csv")
    [ "$rows" -lt 4001 ] || fail "expected the run to be unfinished"
done

# A terminal that closes sends SIGHUP twice, and a service's end TERM and HUP. Several times, for the
# signals also come while one is handled.
for run in 1 2 3 4; do
    # shellcheck disable=SC2086
    start train $long --print-freq 1 --output-dir twice$run
    kill -s TERM $pid
    kill -s HUP $pid
    kill -s HUP $pid
    wait $pid
    code=$?
    want_code 130
    want_err "resume with: rescl train --resume twice$run/long"
done

# Under nohup SIGHUP stays ignored.
(
    trap '' HUP
    # shellcheck disable=SC2086
    start train $long --print-freq 1 --output-dir nohup
    kill -s HUP $pid
    sleep 0.3
    kill -0 $pid || fail "expected SIGHUP to be ignored"
    kill -s TERM $pid
    wait $pid
    code=$?
    want_code 130
) || exit 1

# --resume takes every other option from args.ini; a flag changes it.
run train --resume INT/long --print-config
want_code 0
grep -q '^model = resnet8 ' out || fail "expected the model of args.ini"
grep -qE '^samples = 48 +; run INT/long/args.ini:' out || fail "expected the samples of args.ini"
done_rows=$(wc -l <INT/long/results.csv)
total=$((done_rows + 2))
run train --resume INT/long/ --epochs $total
want_code 0
want_err "INT/long, resumed"
want_out "weights   INT/long/weights/best.safetensors"
[ ! -e INT/long-2 ] || fail "expected --resume to stay in its folder"
[ "$(wc -l <INT/long/results.csv)" -eq $((total + 1)) ] || fail "expected $total epochs in the csv"
# shellcheck disable=SC2086
run train $long --epochs $total --name whole --output-dir INT
want_code 0
cut -d, -f1,3-7 INT/long/results.csv >one
cut -d, -f1,3-7 INT/whole/results.csv >two
cmp -s one two || fail "expected the resumed run to give the same results as a whole one"

# Nothing left to do; a checkpoint instead of a folder; things that are no runs.
run train --resume INT/long/weights/last.safetensors
want_code 0
want_err "nothing was left to do"
want_out "best      accuracy"
grep -q 'evaluate .* --max-pixels' out && fail "expected no flag that has its default"
run train --resume nowhere
want_code 4
want_err "nowhere"
mkdir empty
run train --resume empty
want_code 4
want_err "empty/args.ini"
echo x >file
run train --resume file
want_code 4
want_err "expected a run folder"
run train --resume INT/long --name other
want_code 2
want_err "--name does not go with --resume"
run train --resume INT/long --model resnet50
want_code 2
want_err "cannot resume"

# Stopped while it still plans, with nothing to save: no folder is left behind, but for a file of the
# user's own.
for kept in '' args.ini.tmp-mine; do
    command="rescl train --model resnet50"
    : >err
    "$RESCL" train --model resnet50 --data-path handsigns --size 64 --output-dir new >out 2>err &
    pid=$!
    until grep -q '^run ' err || ! kill -0 $pid; do sleep 0.02; done
    : >new/resnet50-handsigns/env.json.tmp-1-1 # as if it was in the middle of writing that file
    [ -z "$kept" ] || : >new/resnet50-handsigns/$kept
    kill -s TERM $pid
    wait $pid
    code=$?
    want_code 130
    if ! grep -q 'interrupted in epoch' err; then
        [ "$(ls new/resnet50-handsigns 2>/dev/null)" = "$kept" ] ||
            fail "expected nothing of a training that never began, but '$kept'"
        [ -n "$kept" ] || [ -z "$(ls new)" ] || fail "expected no run folder"
    fi
    rm -rf new
done

# Stopped while the best weights are measured on test: the run is whole, and stays as it is.
command="rescl train with val and test, interrupted at the end"
: >err
# shellcheck disable=SC2086
"$RESCL" train $tiny --epochs 1 --size 96 --validation-split 0.1 --name measured >out 2>err &
pid=$!
until grep -q '^epoch 1/1 done' err || ! kill -0 $pid; do sleep 0.02; done
sleep 0.2
kill -s INT $pid 2>/dev/null
wait $pid
code=$?
for file in args.ini env.json results.csv weights/best.safetensors weights/last.safetensors; do
    [ -s runs/measured/$file ] || fail "expected $file of a run that had ended"
done
[ "$code" -eq 0 ] || grep -q '^test ' out ||
    want_err "interrupted while test was measured; the run is saved"
