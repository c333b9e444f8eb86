# A network that was trained on drawn hands alone names photos of real ones: the 120 test photos of
# SIGNS, a sixth of which chance would name. Takes RESCL_DATA_DIR.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

photos=${RESCL_DATA_DIR:+$RESCL_DATA_DIR/signs/folder}
[ -n "$photos" ] || skip "RESCL_DATA_DIR is not set: no photos of hands (signs/folder)"
[ -d "$photos/test/5" ] || skip "$photos/test: no photos of hands"

run train --model resnet8 --size 32 --data-path handsigns --samples 800 --eval-samples 60 \
    --epochs 5 --lr 0.005 --lr-scheduler cosineannealinglr --seed 1 --workers 2 --quiet
want_code 0
run eval --weights runs/resnet8-handsigns --data-path "$photos" --split test --json
want_code 0
grep -q '"samples": 120' out || fail "expected the 120 photos"
accuracy=$(sed -n 's/.*"\(accuracy\|top1\)": \([0-9.]*\).*/\2/p' out | head -n 1)
awk "BEGIN { exit !($accuracy >= 0.3) }" || fail "expected 30 % of the photos, found $accuracy"
