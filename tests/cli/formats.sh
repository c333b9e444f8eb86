# Images of every format and data of every form: training, evaluation and prediction read them.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"
files=$RESCL_SOURCE_DIR/tests/data
train() {
    run train --model resnet8 --size 16 --epochs 1 -b 4 --seed 1 "$@"
}

# A table with two splits, read again by eval; a file that is gone is left out.
cat >photos.csv <<END
file,class,split
$files/images/rgb.bmp,colour,train
$files/images/rgb.ppm,colour,train
"$files/images/grey.bmp",grey,train
$files/images/grey.pgm,grey,train
$files/images/gone.pgm,grey,train
$files/images/os2.bmp,colour,val
$files/images/plain_grey.pgm,grey,val
END
train --data-path photos.csv --name table
want_code 0
want_err "gone.pgm"
sed -n 's/^evaluate  rescl //p' out >command
eval "run $(cat command)"
want_code 0

printf 'path,label\na.png\n' >bad.csv
train --data-path bad.csv
want_code 4
want_err "bad.csv, line 2: has 1 column, expected the label in column 2"

# Archives: a pattern, of which a share is held out.
train --data-path "$files/shards/wds-{000..001}.tar" --name shards
want_code 0
train --data-path "$files/shards/wds-{000..002}.tar"
want_code 4
want_err "wds-002.tar: this archive is missing"

train --data-path synthetic --samples 16 --eval-samples 8 --name noise
want_code 0

run train --model resnet8 --size 16 --epochs 1 -b 4 --data-path "$files/h5py_keys.h5" --name keys \
    --h5-images '{split}/images' --h5-labels '{split}/labels'
if ! grep -q "built without HDF5" err; then
    want_code 0
    sed -n 's/^evaluate  rescl //p' out >command
    grep -q -- "--h5-images .*--h5-labels" command || fail "expected the keys in $(cat command)"
    eval "run $(cat command)"
    want_code 0
fi
train --data-path "$files/h5py_keys.h5" --h5-images grey
want_code 2
want_err "--h5-labels KEY"

run predict --weights runs/noise "$files/images/rgb.bmp" "$files/images/plain_rgb.ppm" --csv
want_code 0
for name in frames.webp pages.tif; do
    run predict --weights runs/noise "$files/images/$name" --csv
    grep -q "this rescl was built without" err && continue
    want_code 0
    want_err "$name: the file holds several images, such as pages or frames; the first is taken"
done

# What 'data split' writes is such a table.
grep -v 'gone\|,val$' photos.csv | sed 's/,train$//; s/,split$//' >flat.csv
run data split flat.csv --validation-split 0.5 --output divided.csv
want_code 0
train --data-path divided.csv --name divided
want_code 0
