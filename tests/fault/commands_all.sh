# commands.sh with the first, the middle and the last call of each function, for each verb.
exec sh "$RESCL_SOURCE_DIR/tests/fault/commands.sh" all
