# predict: one file, several, a folder; top-k; files that are no pictures.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet
want_code 0
make_png >p.png

run predict --weights runs/resnet8-handsigns p.png
want_code 0
grep -qE '^p\.png: [0-5] [0-9.]+ %, [0-5] [0-9.]+ %, [0-5] [0-9.]+ %$' out ||
    fail "expected three classes with probabilities"
run predict --weights runs/resnet8-handsigns/weights/best.safetensors --topk 99 p.png
want_code 0
sum=$(sed 's/^[^:]*://' out | tr ',' '\n' | awk '{ s += $2 } END { printf "%.1f", s }')
[ "$sum" = 100.0 ] || fail "expected six probabilities that sum up to 100 %, found $sum"
[ "$(tr -cd ',' <out | wc -c)" -eq 5 ] || fail "expected all six classes"

mkdir folder
for name in b a c; do cp p.png "folder/$name.png"; done
echo text >folder/notes.txt
run predict --weights runs/resnet8-handsigns --batch-size 2 folder p.png
want_code 0
cut -d: -f1 out >names
printf 'folder/a.png\nfolder/b.png\nfolder/c.png\np.png\n' | cmp -s - names ||
    fail "expected the pictures of the folder by name, then p.png"
[ "$(cut -d: -f2 out | sort -u | wc -l)" -eq 1 ] || fail "expected equal pictures to be equal"

# What cannot be read is reported, and the others are named.
echo nonsense >bad.png
run predict --weights runs/resnet8-handsigns bad.png p.png missing.png
want_code 4
want_out "p.png: "
want_err "bad.png"
want_err "missing.png"
mkdir none
run predict --weights runs/resnet8-handsigns none
want_code 4
want_err "none: found no picture"
