# Images of any number of labels: training, resume, evaluation, prediction, what is refused; Kaggle's tables.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

mkdir -p photos
i=0
while [ $i -lt 16 ]; do
    { make_png; printf '%s' "$i"; } >"photos/img$i.png"
    i=$((i + 1))
done
{
    echo 'image_id,labels'
    for i in 0 3 6 9; do echo "img$i,cat; dog"; done
    for i in 1 4 7 10; do echo "img$i,dog;dog"; done
    for i in 2 5; do echo "img$i,emu;cat;dog"; done
    echo 'img8,'
} >train.csv
{
    echo 'image_id,labels' # one label each: several as train.csv has them
    echo 'img11,cat'
    echo 'img12,dog'
    echo 'img13,emu'
} >val.csv
head -c 40 photos/img1.png >photos/half.png
echo 'half,emu;cat' >>train.csv
printf 'image_id\nimg14\nimg15\n' >test.csv

train() {
    run train --data-path . --images photos --model resnet8 --size 16 -b 4 "$@"
}

train --epochs 2 --name whole
want_code 0
want_err "labels  any number of each image: each of the 3 classes is a question of its own (loss bce)"
want_out "best      mAP"
# What several labels refuse is no advice.
want_err "more images of the rare ones act against it"
grep -q 'train,cat;emu,photos/half.png,' runs/whole/skipped.csv || fail "expected all labels of what is skipped"
grep -q '^photos/img11.png,' runs/whole/predictions.csv || fail "expected names as they are written"
head -n 1 runs/whole/results.csv | grep -q ',eval_map,eval_f1_micro,eval_f1_macro$' ||
    fail "expected the columns of several labels"
head -n 1 runs/whole/predictions.csv | grep -q '^path,labels,predictions,probabilities,exact,loss$' ||
    fail "expected the predictions of several labels"
grep -q 'There is no confusion matrix' runs/whole/report.html || fail "expected the report to say why"
grep -q 'Precision and recall' runs/whole/report.html || fail "expected curves"
grep -q '^loss = bce' runs/whole/args.ini || fail "expected the loss in args.ini"

# Stopped within an epoch and gone on: the same bits.
train --epochs 2 --name parts --max-steps 4
want_code 0
run train --resume runs/parts --max-steps 0
want_code 0
cut -d, -f1,3-7,11- runs/whole/results.csv >a.csv
cut -d, -f1,3-7,11- runs/parts/results.csv >b.csv
cmp a.csv b.csv || fail "expected the resumed run to measure the same"

# eval and predict know it from the weights.
run eval --weights runs/whole --data-path . --images photos --split val
want_code 0
want_out "mAP "
want_out "all labels at once"
run eval --weights runs/whole --data-path . --images photos --split val --csv
want_code 0
want_out "class,index,precision,recall,f1,average_precision"
run predict --weights runs/whole --images photos test.csv --threshold 0
want_code 0
want_out "photos/img14.png: "
grep -q 'img15.png: .*, .*, ' out || fail "expected all three classes above 0"
run predict --weights runs/whole --images photos test.csv --threshold 0 --csv
want_code 0
want_out "file,classes,probabilities"
# The image of the least sure answer first.
run predict --weights runs/whole --images photos test.csv --sheet sheet.html
want_code 0
grep -q 'least sure: [0-9.]* % [cde]' sheet.html || fail "expected the answer that is least sure"
grep -q 'Unsure: below 70 %' sheet.html || fail "expected answers below 70 % to be unsure"
run predict --weights runs/whole test.csv
want_code 4
want_err "none of the 2 names of its images, such as 'img14', is that of an image in .; give their folder by --images DIR"
[ "$(grep -c error err)" -eq 1 ] || fail "expected one error"
run data check . --images photos
want_out "labels      any number of each image: 0 to 3, 1.53 on average; 1 image without any"
run data check . --images photos --json
want_out '"images_without": 1'
printf 'id,label\nimg11,;\nimg12,\n' >nothing.csv
run eval --weights runs/whole --data-path nothing.csv --images photos
want_code 4
want_err "nothing.csv: none of its 2 images has a label"
run predict --weights runs/whole photos/img1.png --images photos
want_code 2
want_err "there is no table"

# What goes by one class of an image.
train --epochs 1 --loss cross_entropy
want_code 2
want_err "expected bce or focal"
train --epochs 1 --bce-target-thresh 0.3
want_code 2
want_err "--bce-target-thresh is of targets between 0 and 1"
train --epochs 1 --label-smoothing 0.1
want_err "label smoothing of 0.1 and multi_label"
train --epochs 1 --sampler balanced
want_err "sampler balanced and multi_label"
train --epochs 1 --class-weights balanced
want_err "class_weights and multi_label"
run eval --weights runs/whole --data-path . --images photos --confusion c.csv
want_code 2
want_err "no class of an image is taken for another"
run train --data-path test.csv --images photos --model resnet8 --size 16
want_err 'none "label"'

# Nothing to find in val: 0 is a figure, too.
printf 'id,label,split\nimg0,cat;dog,train\nimg1,dog,train\nimg2,cat,train\nimg3,;,val\n' >empty.csv
run train --data-path empty.csv --images photos --model resnet8 --size 16 -b 4 --epochs 1 --name empty
want_code 0
want_err "no image of the split \"val\" has a label"
want_out "best      mAP 0.0000 accuracy"
run train --resume runs/empty
want_out "best      mAP 0.0000 accuracy"

# A fine-tune chooses the loss anew, in either direction.
printf 'id,class\nimg0,cat\nimg1,dog\nimg2,cat\nimg3,dog\nimg4,cat\n' >one.csv
one="--data-path one.csv --images photos --model resnet8 --size 16 -b 4 --epochs 1"
# shellcheck disable=SC2086
run train $one --weights runs/whole --loss cross_entropy --name one
want_code 0
grep -q '^loss = cross_entropy' runs/one/args.ini || fail "expected cross-entropy"
run train --data-path . --images photos --weights runs/one --model resnet8 --size 16 -b 4 --epochs 1 --loss focal --name back
want_code 0
grep -q '^loss = focal' runs/back/args.ini || fail "expected focal loss"
run eval --weights runs/one --data-path train.csv --images photos
want_err "any number of labels, and the model chooses one class"
