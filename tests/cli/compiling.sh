# While kernels compile a line says so; an interrupt there ends at once, says what it did, and leaves
# no folder.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

RESCL_CACHE_DIR=$dir/cache POCL_CACHE_DIR=$dir/pocl
export RESCL_CACHE_DIR POCL_CACHE_DIR
command="rescl train (with a cold cache), interrupted"
# shellcheck disable=SC2086
"$RESCL" train $tiny --name cold >out 2>err &
pid=$!
code=0
while ! grep -q '^compiling kernels' err; do
    kill -0 $pid 2>/dev/null || skip "kernels compile too quickly here to say so"
    sleep 0.1
done
[ "$(grep -c '^compiling kernels' err)" -eq 1 ] || fail "expected one line"
[ -d runs/cold ] || fail "expected the run's folder"
kill -s INT $pid
wait $pid
code=$?
want_code 130
want_err "interrupted before the first step; nothing was saved, and the new folder runs/cold was removed"
[ ! -e runs/cold ] || fail "expected no folder of a run without a step"
want_no_out

# start ARG...: runs rescl with a cold cache until it says that kernels compile. $pid
start() {
    rm -rf "$dir/cache" "$dir/pocl"
    command="rescl $*"
    "$RESCL" "$@" >out 2>err &
    pid=$!
    while ! grep -q '^compiling kernels' err; do
        kill -0 $pid 2>/dev/null || skip "kernels compile too quickly here to say so"
        sleep 0.1
    done
}

# end SIGNAL
end() {
    kill -s "$1" $pid
    wait $pid
    code=$?
}

# A verb that saves nothing says that it was interrupted.
start bench model --model resnet8 --size 32 --batch-size 8 --mode train
end TERM
want_code 130
grep -q '^interrupted$' err || fail "expected a word about the signal"

# tune keeps what it measured, and ends at once when asked again.
start tune --model resnet20 --size 32 -b 4 -o x.tune
kill -s INT $pid
while ! grep -q '^stopping after this kernel; press Ctrl-C again to end at once$' err; do
    kill -0 $pid || fail "expected a word about the signal"
    sleep 0.1
done
end INT
want_code 130
