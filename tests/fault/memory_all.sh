# Every allocation fails once: see memory.sh.
MEMORY_STEP=1
. "$RESCL_SOURCE_DIR/tests/fault/memory.sh"
