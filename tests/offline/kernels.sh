# Every program that the host builds for a GPU, compiled for those of the table and held against it.
LIST_KERNELS=$(dirname "$RESCL")/tests/list_kernels exec "$RESCL_SOURCE_DIR/scripts/offline-gpu-check"
