# Kills training at random moments (SIGKILL), COUNT times (the first argument; 5), and resumes it each
# time. No checkpoint may ever be damaged, no more steps be lost than --save-freq, and the run ends
# with the same bits as one that was left alone.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

count=${1:-5}
save_freq=2
batches=4
options="--model resnet8 --data-path handsigns --size 16 --samples 60 --eval-samples 20
    --batch-size 16 --dropout 0.2 --seed 3 --epochs 1000 --save-freq $save_freq --print-freq 1
    --output-dir killed --name run"
last=killed/run/weights/last.safetensors
best=killed/run/weights/best.safetensors

random_below() {
    echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}

# The steps done in all, as the first or last line of progress says; nothing if there is none.
steps_at() {
    sed -n 's|^epoch \([0-9]*\)/[0-9]* step \([0-9]*\)/.*|\1 \2|p' err | "$1" -n 1 | {
        read -r epoch step && echo $(((epoch - 1) * batches + step))
    }
}

# Every checkpoint there is must be whole.
check_weights() {
    for file in "$last" "$best"; do
        [ -e "$file" ] || continue
        "$RESCL" eval --weights "$file" --data-path handsigns --samples 20 >eval 2>&1 ||
            fail "$file is damaged: $(cat eval)"
    done
}

kills=0
lost_most=0
reached=0 # steps seen before the last kill
while [ "$kills" -lt "$count" ]; do
    if [ -e "$last" ]; then
        set -- train --resume killed/run
    else
        rm -rf killed # killed before the first checkpoint: there is nothing to resume
        reached=0
        # shellcheck disable=SC2086
        set -- train $options
    fi
    command="rescl $*"
    : >err # what the last run left would pass for this one's lines
    "$RESCL" "$@" >out 2>err &
    pid=$!
    # Every third dies at any time from its start, the others up to half a second after a step.
    while kill -0 $pid 2>/dev/null; do
        [ $((kills % 3)) -eq 2 ] || grep -q '^epoch .* step ' err && break
        sleep 0.1
    done
    sleep "0.$(random_below 5)$(random_below 10)$(random_below 10)"
    kill -KILL $pid 2>/dev/null || { code=0; fail "expected the run to be alive"; }
    wait $pid
    code=$?
    [ "$code" -eq 137 ] || fail "expected to have killed it"
    kills=$((kills + 1))
    first=$(steps_at head)
    if [ -n "$first" ]; then
        lost=$((reached - first + 1))
        [ "$lost" -le "$save_freq" ] || fail "lost $lost steps: $reached done, resumed at $first"
        [ "$lost" -gt "$lost_most" ] && lost_most=$lost
        reached=$(steps_at tail)
    fi
    check_weights
done
echo "killed $kills times, $reached steps, at most $lost_most lost at once"

# To the end of an epoch, and the same run in one go.
epochs=$((reached / batches + 2))
if [ -e "$last" ]; then
    set -- --resume killed/run
else
    rm -rf killed
    # shellcheck disable=SC2086
    set -- $options
fi
run train "$@" --epochs $epochs
want_code 0
# shellcheck disable=SC2086
run train $options --output-dir whole --epochs $epochs
want_code 0
cut -d, -f1,3-7 killed/run/results.csv >one
cut -d, -f1,3-7 whole/run/results.csv >two
cmp -s one two || fail "expected the same results: $(diff one two)"

# The data of a safetensors file, without its header (which holds times).
data_of() {
    tail -c +$((9 + $(od -An -N8 -tu8 "$1"))) "$1"
}
for name in last best; do
    data_of killed/run/weights/$name.safetensors >one
    data_of whole/run/weights/$name.safetensors >two
    [ -s one ] && cmp -s one two || fail "expected the same bits in $name.safetensors"
done
left=$(find killed/run/weights -type f | wc -l)
[ "$left" -eq 2 ] || fail "expected two files in weights, found $left"
