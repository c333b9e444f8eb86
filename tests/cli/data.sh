# Looking through a data set, and dividing one.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# Gray with 16 bits, 3x1.
make_gray() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\003\000\000\000\001\020\000\000'
    printf '\000\000n\033\227+\000\000\000\017IDATx\234c\070\301\020\305\300\305\000\000\006\063\001'
    printf '\055\227\313=/\000\000\000\000IEND\256B`\202'
}

# RGBA, 1x2.
make_rgba() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\001\000\000\000\002\010\006\000'
    printf '\000\000\231\201\266\047\000\000\000\022IDATx\234c\340\344`\377\317\300\031\300\376\037'
    printf '\000\010\347\002wz)\354l\000\000\000\000IEND\256B`\202'
}

# RGB, 4x3.
make_rgb() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\004\000\000\000\003\010\002\000'
    printf '\000\000;\226\071\221\000\000\000/IDATx\234c``dbfaec\347\340\344\342f\340\341\345\343'
    printf '\027\020\024\022\026\021\025\023g\220\220\224\222\226\221\225\223WPTR\006\000\037\327'
    printf '\002w\315\035\255\255\000\000\000\000IEND\256B`\202'
}

# Nothing is wrong: exit code 0, and what there is is told.
mkdir -p good/train/cat good/train/dog good/test/cat
make_png >good/train/cat/1.png
make_gray >good/train/dog/1.png
make_rgba >good/test/cat/1.png
run data check good
want_code 0
want_out "train       2 images"
want_out "test        1 images"
want_out "width       1 to 3, median 2"
want_out "PNG, gray, 16 bits: 1"
want_out "PNG, RGBA, 8 bits: 1"
want_out "copies      none"
want_out "unreadable  none"
grep -q '^dog  *1  *0$' out || fail "expected the images of each class"

# Copies that splits share, and that lie in several classes; files that cannot be read.
cp -r good bad
make_gray >bad/test/cat/2.png
make_rgb >bad/train/cat/2.png
{ make_rgb; printf x; } >bad/train/cat/3.png
make_rgb | head -c 60 >'bad/train/dog/sho,rt.png'
run data check bad --sheet sheet.png -j 3
want_code 7
want_out "copies      2 images are exact copies of others"
want_out "1 of 2 images of test are in train too"
want_out "1 group of the same pixels is of several classes"
want_out "unreadable  1 of 7 images"
want_out "bad/train/dog/sho,rt.png: corrupted PNG"
head -c 4 sheet.png | grep -q PNG || fail "expected a sheet"
run data check bad --json -o found.json
want_code 7
want_no_out
for text in '"copies": 2' '"contradictions": 1' '"shared": true' '"path": "bad/test/cat/2.png"' \
    '"reason": "corrupted PNG' '"colour": "gray"' '"bits": 16'; do
    grep -qF "$text" found.json || fail "expected $text in $(cat found.json)"
done
# An image without labels is of no class.
mkdir unlabelled
printf 'path,labels\n../good/train/cat/1.png,\n../good/train/cat/1.png,cat;dog\n' >unlabelled/train.csv
run data check unlabelled --json
grep -q '"class": null' out || fail "expected no class"
run data check nowhere
want_code 4
want_err "no such file or folder"
run data check
want_code 2
want_err "expected rescl data check PATH"
run data
want_code 2
want_err "expected check or split"
run data check bad --sheet sheet.jpg
want_code 2
want_err "a name that ends with .png"

run data check bad --group-copies
want_code 2
want_err "--group-copies changes nothing of data check"
run data split good --sheet sheet.png
want_code 2
want_err "--sheet changes nothing of data split"

# A split as CSV: names as seen from its folder, the same for the same seed, each class in each split.
mkdir -p flat/a 'flat/b,c'
for i in 0 1 2 3 4 5 6 7 8 9; do
    make_png >"flat/a/$i.png"
    make_gray >"flat/b,c/$i.png"
done
run data split flat --validation-split 0.2 --test-split 0.1 --data-seed 4 -o flat/split.csv
want_code 0
grep -q '^a  *7  *2  *1$' out || fail "expected shares of each class"
[ "$(head -n 1 flat/split.csv)" = "path,label,split" ] || fail "expected the head of the CSV"
[ "$(wc -l <flat/split.csv)" -eq 21 ] || fail "expected a row for each image"
grep -q '^"b,c/3.png","b,c",[a-z]*$' flat/split.csv || fail "expected quotes, and names from there"
[ "$(grep -c ',val$' flat/split.csv)" -eq 4 ] || fail "expected 2 images of each class in val"
run data split flat --validation-split 0.2 --test-split 0.1 --data-seed 4
want_code 0
sed "s|^\"*$dir/flat/|&|" out | sed "s|$dir/flat/||" >again.csv
cmp -s again.csv flat/split.csv || fail "expected the same split again"
run data split flat --data-seed 5 -q
[ "$(grep -c ',val$' out)" -eq 4 ] || fail "expected a fifth of the images in val"

# Names that a table would read as others.
mkdir -p 'odd/a;b' 'blank/ a' blank/b
for at in 'odd/a;b' 'blank/ a' blank/b; do
    make_png >"$at/1.png"
    make_gray >"$at/2.png"
done
run data split odd
want_code 4
want_err "'a;b': a semicolon"
run data split blank -o blank.csv
want_code 0
run data check blank.csv --json
want_out '"class": " a"'

# All images of a class are the same here, so it stays whole.
run data split flat --group-copies -q
grep -q ',val$' out && fail "expected copies to stay together"

# What has a split keeps it.
run data split good --test-split 0.5
want_code 2
want_err "has a split test of its own"
run data split good
want_code 0
[ "$(grep -c ',test$' out)" -eq 1 ] || fail "expected the split of the data"
run data split handsigns
want_code 4
want_err "have no files of their own"

# The photos of SIGNS, which have 12 of the test set in the training set.
if [ -n "${RESCL_DATA_DIR:-}" ] && [ -e "$RESCL_DATA_DIR/signs/folder" ]; then
    run data check "$RESCL_DATA_DIR/signs/folder"
    want_code 7
    want_out "12 of 120 images of test are in train too"
fi

# What was divided is read back as it was.
run data check flat/split.csv --json
want_code 7
for text in '"train": 7' '"val": 2' '"test": 1'; do
    [ "$(grep -cF "$text" out)" -eq 2 ] || fail "expected $text of both classes"
done
