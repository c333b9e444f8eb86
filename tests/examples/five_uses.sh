# Each example of examples/ does what its head says, at a tiny size, and fails with a message.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
: "${RESCL_EXAMPLES:?set RESCL_EXAMPLES to the folder of the built examples}"

# example NAME ARG...: as `run`.
example() {
    command=$*
    name=$1
    shift
    "$RESCL_EXAMPLES/$name" "$@" >out 2>err
    code=$?
}

# Train with callbacks.
weights=trained.safetensors
example train_callbacks "$weights" handsigns 32 24
want_code 0
want_out "step 1 of 1: loss"
want_out "epoch 1: accuracy"
want_out " starts with "
[ -s "$weights" ] || fail "expected $weights"
example train_callbacks "$weights" nowhere
want_code 1
want_err "nowhere"

# Predict.
example draw_hands hands 6 1 32
want_code 0
first=$(find hands -name '*.png' | sort | head -n 1)
example predict_images "$weights" "$first" "$first"
want_code 0
want_out "$first: "
want_out " %)"
example predict_images $weights missing.png
want_code 1
want_err "missing.png"
example predict_images
want_code 2

# The caller's own arrays.
example train_arrays 2
want_code 0
want_out "accuracy"
example train_arrays 0
want_code 1
want_err "epochs"

# The caller's own loop.
example own_loop 3
want_code 0
want_out "step 3: loss"

# Devices.
example measure_device "$RESCL_DEVICE" resnet8 16 2
want_code 0
want_out "compute units"
want_out "peak:"
want_out "resnet8 16x16, batch 2:"
example measure_device "no such device"
want_code 1
want_err "no such device"
