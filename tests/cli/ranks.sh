# Processes that mpirun starts train one model: with the same bits however many they are, also where a run goes
# on with other ones; a process that dies ends the run, and what was saved is whole.
. "$RESCL_SOURCE_DIR/tests/cli/mpi.inc"

same_best() {
    cmp -s runs/one/weights/best.safetensors "runs/$1/weights/best.safetensors" ||
        fail "expected the weights of one process"
}

# Shards of 5 and of 4 images, and a last batch of fewer images than shards.
options="$tiny --batch-size 18 --samples 38 --shards 4 --no-report --no-tensorboard"
# shellcheck disable=SC2086
ranks 2 train $options --name two
want_code 0
[ "$(grep -c '^best ' out)" -eq 1 ] || fail "expected the result once"
want_err "2 processes"
# shellcheck disable=SC2086
run train $options --name one
want_code 0
same_best two
# shellcheck disable=SC2086
ranks 4 train $options --name four
want_code 0
same_best four

# shellcheck disable=SC2086
ranks 2 train $options --name part --max-steps 4
want_code 0
ranks 4 train --resume runs/part --max-steps 0
want_code 0
grep -q "will not end with the bits" err && fail "expected no warning of other bits"
same_best part

# Normalised as one batch: the losses of one process, but for rounding, also of what travels.
losses() {
    cut -d, -f3,5 "runs/$1/results.csv"
}
near() {
    losses "$1" >a && losses "$2" >b
    paste -d, a b | awk -F, -v most="$3" 'NR > 1 && (($1 - $3) ^ 2 > most ^ 2 || ($2 - $4) ^ 2 > most ^ 2) {
        exit 1
    }' || fail "expected the losses of $2 within $3"
}
more="--no-report --no-tensorboard"
# shellcheck disable=SC2086
run train $tiny $more --name whole
want_code 0
# shellcheck disable=SC2086
ranks 2 train $tiny $more --sync-bn --name synced
want_code 0
near synced whole 0.0001
# shellcheck disable=SC2086
ranks 3 train $tiny $more --sync-bn --wire bf16 --name narrow
want_code 0
near narrow whole 0.01
ranks 3 train --resume runs/narrow --epochs 3 # of whose parts the first is larger
want_code 0
grep -q "will not end with the bits" err && fail "expected no warning of other bits"
# shellcheck disable=SC2086
run train $options --wire bf16 --name refused
want_code 2
want_err "wire bf16 with shards 4"

# Parts that follow the speed of the processes: of shards with the same bits.
# shellcheck disable=SC2086
ranks 2 train $options --shares 3,1 --name follow --epochs 3 --max-steps 2
want_code 0
ranks 2 train --resume runs/follow --shares epoch --max-steps 0
want_code 0
run train --resume runs/two --epochs 3
want_code 0
losses follow >a && losses two >b
cmp -s a b || fail "expected the losses of one process"

# What four processes cannot share.
# shellcheck disable=SC2086
ranks 4 train $tiny $more --shards 3 --name refused
want_code 2
want_err "device 4 of 4 (of all processes) would have 0 of the 3 shards of a batch"
want_err "give more shards"
# shellcheck disable=SC2086
ranks 4 train $tiny $more --batch-size auto --name refused
want_code 2
want_err "--batch-size auto: it is not known what fits 4 processes; give a number"
[ ! -e runs/refused ] || fail "expected no run"

# Who fails alone in an evaluation takes the others along: rank 0 alone counts what was read.
make_png >whole.png
for split in train val; do
    for class in cat dog; do
        mkdir -p "data/$split/$class"
        for i in 1 2 3 4; do cp whole.png "data/$split/$class/$i.png"; done
    done
done
for png in data/val/*/*.png; do
    printf 'XXXX' | dd of="$png" bs=1 seek=45 conv=notrunc 2>/dev/null
done
ranks 2 train --model resnet8 --data-path data --size 32 --epochs 1 --batch-size 4 --name unread
want_code 4
want_err "none of the images of the evaluation can be read"
want_err "another process could not do its part, and says why"

# Ranks that do not train the same.
command="mpirun -n 1 rescl train --lr 0.002 : -n 1 rescl train --lr 0.004"
# shellcheck disable=SC2086
mpirun -n 1 "$RESCL" train $options --name unlike : -n 1 "$RESCL" train $options --name unlike --lr 0.004 \
    >out 2>err
code=$?
want_code 2
want_err "rank 1 has other options than rank 0"

# The same teacher, wherever each finds it.
cp runs/one/weights/best.safetensors teacher.safetensors
command="mpirun -n 1 rescl train --teacher runs/one : -n 1 rescl train --teacher teacher.safetensors"
# shellcheck disable=SC2086
mpirun -n 1 "$RESCL" train $options --name taught --max-steps 1 --teacher runs/one : \
    -n 1 "$RESCL" train $options --name taught --max-steps 1 --teacher teacher.safetensors >out 2>err
code=$?
want_code 0

# In the background, until it has saved; $pid[12] are the processes.
start() {
    name=$1
    shift
    command="mpirun -n 2 rescl train, $name"
    # shellcheck disable=SC2086
    mpirun -n 2 "$@" "$RESCL" train $options --name "$name" --epochs 100000 --save-freq 1 >out 2>err &
    starter=$!
    turns=0
    until [ -f "runs/$name/weights/last.safetensors" ]; do
        turns=$((turns + 1))
        [ "$turns" -lt 600 ] || fail "expected a checkpoint"
        sleep 0.1
    done
    # shellcheck disable=SC2046
    set -- $(ps -o pid= --ppid "$starter" | sort -n)
    pid1=$1 pid2=$2
}

# One is asked to stop: all do, and rank 0 saves in peace.
start stops
kill -TERM "$pid2"
wait "$starter"
code=$?
want_code 130
want_err "resume with: rescl train --resume runs/stops"
run train --resume runs/stops --max-steps 1
want_code 0

# One hangs.
start hangs -x RESCL_RANK_TIMEOUT=3
kill -STOP "$pid2"
wait "$starter"
code=$?
kill -KILL "$pid2" 2>/dev/null
want_code 70
want_err "rank 1, process $pid2 on "
want_err "has not answered for 3 seconds: all ranks end"

# One dies.
start dies
kill -KILL "$pid2"
wait "$starter"
code=$?
[ "$code" -ne 0 ] || fail "expected an exit code above 0"
run eval --weights runs/dies/weights/last.safetensors --data-path handsigns --samples 24
want_code 0

# The environment of a launcher whose MPI is another one.
command="OMPI_COMM_WORLD_SIZE=2 rescl train"
# shellcheck disable=SC2086
OMPI_COMM_WORLD_SIZE=2 "$RESCL" train $options --name apart >out 2>err
code=$?
want_code 3
want_err "2 processes were started, and the MPI of this rescl sees 1"
[ ! -e runs/apart ] || fail "expected no run"
