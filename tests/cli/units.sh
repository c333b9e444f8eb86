# On CPUs the weights that training ends with do not depend by a bit on the number of compute units.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

for units in 1 3 8; do
    # PoCL's names of one setting, old and new.
    export POCL_MAX_PTHREAD_COUNT=$units POCL_CPU_MAX_CU_COUNT=$units
    # shellcheck disable=SC2086
    run train $tiny --dropout 0.3 --output-dir on$units --name run
    want_code 0
    grep -q "\"compute_units\": $units,*\$" on$units/run/env.json ||
        skip "the device cannot be told to have $units compute units"
    cmp -s on1/run/weights/best.safetensors on$units/run/weights/best.safetensors ||
        fail "expected the weights of one compute unit on $units too"
    cut -d, -f1,3-7 on$units/run/results.csv >losses$units
    cmp -s losses1 losses$units || fail "expected the losses of one compute unit on $units too"
done
