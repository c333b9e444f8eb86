# Ten steps by one, two and four processes keep to those of PyTorch on the whole batch in float64
# (tests/golden/make_ranks.py): as far away as three times what its own float32 scatters, and no further.
. "$RESCL_SOURCE_DIR/tests/cli/mpi.inc"

# P3 of 32x32.
make_ppm() {
    awk -v i="$1" 'BEGIN {
        print "P3 32 32 255"
        for (y = 0; y < 32; y++)
            for (x = 0; x < 32; x++)
                for (c = 0; c < 3; c++)
                    print (37 * i + 61 * c + (i + 3) * y * y + (c + 2) * x * (y + 5)) % 256
    }'
}

for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    class=class$((i % 4))
    mkdir -p data/train/$class data/val/$class
    make_ppm $i >data/train/$class/$i.ppm
done
for class in 0 1 2 3; do
    cp data/train/class$class/$class.ppm data/val/class$class/
done

# keeps_to_pytorch CASE RUN
keeps_to_pytorch() {
    golden=$RESCL_SOURCE_DIR/tests/golden/ranks.csv
    awk -F, -v name="$1" '
        NR == FNR && FNR == 1 { for (k = 2; k <= NF; k++) if ($k == name) column = k; next }
        NR == FNR && $1 == "scatter" { most = 3 * $column + 1e-6; next }
        NR == FNR { exact[$1] = $column; next }
        FNR > 1 {
            far = $3 > exact[$1] ? $3 - exact[$1] : exact[$1] - $3
            if (far > most)
                bad = bad " step " $1 ": " $3 ", " far " away from " exact[$1] "; at most " most "."
            steps++
        }
        END {
            if (!column || steps != 10 || bad) {
                print "losses of " name ":" bad, steps " steps"
                exit 1
            }
        }' "$golden" "runs/$2/results.csv" >>err || fail "expected the losses of PyTorch"
}

options="--data-path data --model resnet8 --size 32 --batch-size 16 --epochs 10 --eval-freq 10 --seed 3
    --opt sgd --momentum 0.9 --no-report --no-tensorboard"
synced="$options --lr 0.02 --sync-bn"
frozen="$options --lr 0.002 --norm-eval --shards 8"
for processes in 1 2 4; do
    # shellcheck disable=SC2086
    ranks $processes train $synced --name synced$processes
    want_code 0
    keeps_to_pytorch synced synced$processes
    # shellcheck disable=SC2086
    ranks $processes train $frozen --name frozen$processes
    want_code 0
    keeps_to_pytorch frozen frozen$processes
    cmp -s runs/frozen1/weights/best.safetensors runs/frozen$processes/weights/best.safetensors ||
        fail "expected the weights of one process"
done
