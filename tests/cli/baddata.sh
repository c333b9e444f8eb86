# Images that cannot be read are named before the first step and left out; --strict-data stops there.
# Nothing waits for a FIFO, and an evaluation that fails costs no epoch.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

for split in train test; do
    mkdir -p data/$split/cat data/$split/dog
    for name in cat/1 cat/2 dog/1 dog/2; do make_png >"data/$split/$name.png"; done
done
: >data/train/cat/empty.png
mkfifo data/train/cat/fifo.png
ln -s nowhere 'data/train/dog/li,nk.jpg'
mkdir data/train/dog/folder.png
make_png | head -c 50 >data/test/dog/short.png

options="--model resnet8 --data-path data --size 32 --epochs 1 --batch-size 2 --seed 1"
# shellcheck disable=SC2086
run train $options
want_code 0
want_err "4 of 8 images of the split 'train' cannot be read"
want_err "data/train/cat/fifo.png: not a file but a FIFO"
want_err "1 of 5 images of the split 'test' cannot be read"
want_err "4 images to train"
list=runs/resnet8-data/skipped.csv
[ "$(head -n 1 $list)" = "split,class,file,reason" ] || fail "expected the head of $list"
[ "$(wc -l <$list)" -eq 6 ] || fail "expected five images in $list: $(cat $list)"
grep -q '^train,dog,"data/train/dog/li,nk.jpg",a link that leads' $list || fail "expected quotes"
run eval --weights runs/resnet8-data --data-path data
want_code 0
want_err "data/test/dog/short.png"
grep -qx 'samples   4' out || fail "expected four images"

# Strict: all of them are named, and no run folder is left behind.
# shellcheck disable=SC2086
run train $options --strict-data --output-dir strict
want_code 4
for name in cat/empty.png cat/fifo.png 'dog/li,nk.jpg' dog/folder.png; do
    want_err "data/train/$name"
done
[ -z "$(ls strict)" ] || fail "expected no run folder"
run eval --weights runs/resnet8-data --data-path data --strict-data
want_code 4
want_err "data/test/dog/short.png"

# A class of which nothing is left, and a set.
mv data/train/dog/1.png data/train/dog/2.png .
# shellcheck disable=SC2086
run train $options --output-dir lost
want_code 4
want_err "no image of the class 'dog' can be read"
want_err "take the class out of the data"
[ -z "$(ls lost)" ] || fail "expected no run folder"
mv 1.png 2.png data/train/dog

# A resume has what it had, also without what was left out; an image that was mended makes it another
# set.
# shellcheck disable=SC2086
run train $options --name again
want_code 0
run train --resume runs/again --epochs 2
want_code 0
[ "$(wc -l <runs/again/skipped.csv)" -eq 6 ] || fail "expected the same list"
[ "$(cut -d, -f1 runs/again/results.csv | tr '\n' ' ')" = "epoch 1 2 " ] ||
    fail "expected epochs from 1"
rm data/train/cat/empty.png data/test/dog/short.png # whoever clears them away has the same set
run train --resume runs/again --epochs 3
want_code 0
make_png >data/train/cat/empty.png
run train --resume runs/again --epochs 4
want_code 2
want_err "cannot resume"

# Damage in the middle shows at the end of training, when test is measured: with nothing left of it the
# training is complete all the same.
make_png >whole.png
for split in train val test; do
    for class in cat dog; do
        mkdir -p "middle/$split/$class"
        for i in 1 2 3 4; do cp whole.png "middle/$split/$class/$i.png"; done
    done
done
damage() {
    for png in "$@"; do printf 'XXXX' | dd of="$png" bs=1 seek=45 conv=notrunc 2>/dev/null; done
}
damage middle/test/*/*.png
options="--model resnet8 --data-path middle --size 16 --epochs 1 --batch-size 4 --seed 1"
# shellcheck disable=SC2086
run train $options --name unmeasured
want_code 0
want_err "warning: test was not measured: none of the images"
want_out "best      training accuracy"
want_out "weights   runs/unmeasured/weights/best.safetensors"
run train --resume runs/unmeasured --json
want_code 0
grep -q '"test": null' out || fail "expected no figures of test"
grep -q '"split": "val"' out || fail "expected the best epoch"
# shellcheck disable=SC2086
run train $options --name strict --strict-data
want_code 4
want_out "weights   runs/strict/weights/best.safetensors"

# The list is of all splits, of test too, whenever an image shows to be bad; few are named one by one.
cp whole.png middle/test/cat/1.png
cp whole.png middle/test/dog/1.png
for i in 1 2 3 4 5 6 7 8; do : >middle/test/cat/empty$i.png; done
: >middle/val/dog/empty.png
# shellcheck disable=SC2086
run train $options --name listed
want_code 0
want_err "8 of 16 images of the split 'test' cannot be read"
want_err "and 3 more"
want_err "all images that cannot be read are listed in runs/listed/skipped.csv"
[ "$(grep -c 'test/cat/empty' err)" -eq 5 ] || fail "expected five of test by name"
list=runs/listed/skipped.csv
[ "$(grep -c '^test,cat,middle/test/cat/empty' $list)" -eq 8 ] || fail "expected all of test: $(cat $list)"
[ "$(grep -c '^test,' $list)" -eq 14 ] || fail "expected those damaged in the middle: $(cat $list)"
[ "$(grep -c '^val,dog,' $list)" -eq 1 ] || fail "expected that of val: $(cat $list)"
cp $list before
run train --resume runs/listed --epochs 2
want_code 0
cmp -s $list before || fail "expected the same list: $(cat $list)"

# A run that cannot begin leaves no list behind, and points to none.
rm middle/train/dog/*
for i in 1 2 3 4 5 6 7 8; do : >middle/train/dog/$i.png; done
# shellcheck disable=SC2086
run train $options --name never
want_code 4
want_err "and 3 more"
want_err "no image of the class 'dog' can be read"
want_err "--strict-data names all"
grep -q 'skipped.csv' err && fail "expected no word of a list that is gone"
[ ! -e runs/never ] || fail "expected no run folder"
