# Which images train, which choose the best epoch, which are measured at the end; classes by name; what
# is left out is told.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

train() {
    run train --model resnet8 --size 16 --epochs 2 -b 4 "$@"
}

# put FOLDER COUNT: so many images.
put() {
    mkdir -p "$1"
    i=0
    while [ $i -lt "$2" ]; do
        { make_png; printf '%s' "$1/$i"; } >"$1/$i.png" # no two alike
        i=$((i + 1))
    done
}

# loss FILE: the whole number after the word loss.
loss() {
    sed -n 's/.*loss *\([0-9.e-]*\).*/\1/p' "$1" | head -n 1
}

# Train, val and test: val chooses, test is measured once, and eval repeats both.
for split in train:4 val:2 test:3; do
    put "three/${split%:*}/a" "${split#*:}"
    put "three/${split%:*}/b" "${split#*:}"
done
train --data-path three --name three
want_code 0
want_err "split   4 images of val choose the best epoch; 6 of test measure it at the end"
grep -q '^best  .*, on val$' out || fail "expected the best epoch on val"
grep -q '^test  .* on 6 images (best epoch [12])$' out || fail "expected test to be measured"
grep '^best' out >best
grep '^test' out >tested
sed -n 's/^evaluate  rescl //p' out >command
grep -q -e '--split val' command || fail "expected --split val in the advice"
eval "run $(cat command)"
want_code 0
[ "$(loss out)" = "$(loss best)" ] || fail "expected eval to repeat the figure of val"
run eval --weights runs/three --data-path three -b 4
want_err "split   test, 6 images"
[ "$(loss out)" = "$(loss tested)" ] || fail "expected eval to repeat the figure of test"
run eval --weights runs/three --data-path three --split train
want_out "training accuracy"
train --data-path three --json -q
grep -q '"split": "val"' out || fail "expected the split in JSON"
grep -A1 '"test": {' out | grep -q '"samples": 6' || fail "expected test in JSON"
train --data-path three --validation-split 0.3
want_code 2
want_err "has a split val of its own"

# The classes of test are held against the model's before the first step.
mv three/test/b three/test/B
train --data-path three --name other
want_code 4
want_err "split \"test\" of 'three' has the class 'B'"
want_err "did you mean 'b'"
grep -q epoch err && fail "expected no step"
[ ! -e runs/other ] || fail "expected no run"
mv three/test/B three/test/b

run summary --weights runs/three
want_out "classes     2: a, b"
run summary --weights runs/three --json
tr -d ' \n' <out | grep -qF '"class_names":["a","b"]' || fail "expected the names of the classes"

# Only test: as ever, and said.
put two/Train/a 4
put two/Train/b 4
put two/testing/b 2
train --data-path two
want_code 0
want_err "the best epoch is chosen on test"
want_err "no images of 1 of the 2 classes of the model: a"
[ "$(grep -c 'no images of' err)" -eq 1 ] || fail "expected to be told once"
put two/testing/B 1
train --data-path two
want_code 4
want_err "has the class 'B'"
want_err "did you mean 'b' (it differs in the case of letters)?"
rm -r two/testing/B
train --data-path two --validation-split 0.5 --name half
want_code 0
want_err "4 images, 50 % of each class, are held out as val"
want_err "2 of test measure it at the end"

# Neither: a share is held out, recorded, and found again by eval and --resume.
put flat/a 10
put flat/b 5
echo '{}' >flat/a/notes.json
echo x >flat/b/9.heic
ln -s nowhere flat/c
train --data-path flat --name flat --data-seed 7
want_code 0
want_err "flat has neither val nor test: 3 images, 20 % of each class, are held out as val"
want_err "--validation-split 0.2, --data-seed 7"
want_err "flat: left out: 1 .heic, 1 .json, 1 link that leads nowhere (c)"
grep -q '^validation-split = 0.2' runs/flat/args.ini || fail "expected the share in args.ini"
grep '^best' out >best
sed -n 's/^evaluate  rescl //p' out >command
eval "run $(cat command)"
want_code 0
[ "$(loss out)" = "$(loss best)" ] || fail "expected eval to repeat the figure of val"
run eval --weights runs/flat --data-path flat -b 4
want_err "split   val, 3 images"
[ "$(loss out)" = "$(loss best)" ] || fail "expected the weights to know what was held out"
run eval --weights runs/flat --data-path flat --split train
want_out "samples   12"
want_out "training accuracy"
run train --resume runs/flat --epochs 3
want_code 0
run train --resume runs/flat --epochs 4 --data-seed 8
want_code 2
want_err "another share of them is held out"
cp -r flat moved
run train --resume runs/flat --epochs 4 --data-path moved
want_code 0
mv moved/b moved/bee
run train --resume runs/flat --epochs 5 --data-path moved
want_code 2
want_err "class 1 was called 'b', this run calls it 'bee'"
mv moved/bee moved/B
run train --resume runs/flat --epochs 5 --data-path moved
want_code 2
want_err "called 'a', this run calls it 'B'"
mv moved/a moved/A
run train --resume runs/flat --epochs 5 --data-path moved
want_code 2
want_err "called 'a', this run calls it 'A' (it differs in the case of letters)"
mv moved/A moved/a
mv moved/B moved/bee
mv moved/bee moved/b
for i in 3 4 5; do printf x >>moved/a/$i.png; done
run train --resume runs/flat --epochs 5 --data-path moved
want_code 2
want_err "images or classes differ"

# The same figures, to the last digit.
train --data-path flat --json -q
grep -o '"loss": [0-9.e-]*' out | head -n 1 >best
run eval --weights runs/resnet8-flat --data-path flat -b 4 --json
grep -o '"loss": [0-9.e-]*' out >again
cmp -s best again || fail "expected the digits of training"

# A split of a whole set, given by itself.
train --data-path three/train
want_code 0
want_err "three/train is one split of"
want_err "has 'val' too"

# A class may be called train.
put vehicles/bus 3
put vehicles/train 3
train --data-path vehicles
want_code 0
want_err "resnet8, 16x16, 2 classes"

# A run that held out nothing has no val, and what another share or seed holds out was trained on.
train --data-path two --name none
want_code 0
run eval --weights runs/none --data-path two -b 4 --split val
want_code 4
want_err 'has folders of other splits but none named "val"'
run eval --weights runs/none --data-path two -b 4 --split val --validation-split 0.5
want_code 0
want_err "the network was trained on these 4 images"
want_out "training accuracy"
train --data-path flat --validation-split 0.4 --data-seed 7 --name other
want_code 0
run eval --weights runs/other --data-path flat -b 4 --split val --validation-split 0.6
want_code 0
want_err "the network was trained on 3 of these 9 images: the accuracy is better than that of others"
run eval --weights runs/other --data-path flat -b 4 --split val --data-seed 8 --json
want_out '"trained_on": true'
run eval --weights runs/other --data-path flat -b 4 --split val --data-seed 7
! grep -q "was trained on" err || fail "expected no warning for what training held out"
cp -r flat fresh
for image in fresh/?/*.png; do printf x >>$image; done
run eval --weights runs/other --data-path fresh -b 4 --split val --validation-split 0.2
want_code 0
! grep -q "was trained on" err || fail "expected no warning for other images"

# A network of one class is always right.
put lone/bus 4
train --data-path lone
want_code 0
want_err "all images are of one class, 'bus'"

# Images beside each other have no classes.
mkdir bare
make_png >bare/1.png
train --data-path bare
want_code 4
want_err "has no folders of classes, but 1 image in"

# Images that were trained on are recognised in any folder and split.
for class in a b; do
    mkdir -p leak/train leak/test
    cp -r flat/$class leak/train/
    put leak/val/$class 4
    cp -r flat/$class leak/test/
done
cp flat/a/0.png leak/val/a/copy.png
train --data-path leak --name leak
want_code 0
want_err "the network is trained on 1 of the 9 images of val: its accuracy there is better than"
[ "$(grep -c 'images of val: its accuracy' err)" -eq 1 ] || fail "expected to be told once"
want_err "the network is trained on 15 of the 15 images of test: its accuracy there is training"
grep -q '^best  *accuracy' out || fail "expected the accuracy of val"
grep -q '^test  *training accuracy' out || fail "expected training accuracy of test"
run eval --weights runs/leak --data-path leak -b 4 --json
want_out '"trained_on": true'
want_out '"trained_on_images": 15'
cp -r flat less
rm less/a/0.png
printf x >>less/b/0.png
run eval --weights runs/leak --data-path less -b 4
want_err "the network was trained on 13 of these 14 images: this is training accuracy"
want_out "training accuracy"
run eval --weights runs/leak --data-path leak -b 4 --split val
want_err "the network was trained on 1 of these 9 images: the accuracy is better than that of others"
grep -q '^accuracy' out || fail "expected an accuracy"
run eval --weights runs/leak --data-path three -b 4 --json
want_out '"trained_on": false'
want_out '"trained_on_images": 0'
