# predict: one file, several, a folder, standard input, a list; top-k; forms of output; names of
# classes; files that are no images.
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
    fail "expected the images of the folder by name, then p.png"
[ "$(cut -d: -f2 out | sort -u | wc -l)" -eq 1 ] || fail "expected equal images to be equal"

# Files with a flaw after their pixels are read, and one line tells of all of them.
mkdir cut
for name in a b c; do head -c -12 p.png >"cut/$name.png"; done
cp p.png cut/whole.png
run predict --weights runs/resnet8-handsigns -j 0 cut
want_code 0
[ "$(cut -d: -f2 out | sort -u | wc -l)" -eq 1 ] || fail "expected the same of cut files"
want_err 'cut/a.png and 2 more: read, for the pixels are all there, but the file ends early'
[ "$(grep -c 'the file ends early' err)" -eq 1 ] || fail "expected one line about cut files"
run predict --weights runs/resnet8-handsigns --max-pixels 2 p.png
want_code 4
want_err 'too large; the most are 2 pixels; --max-pixels'
run predict --weights runs/resnet8-handsigns --sample-bits 20 p.png
want_code 2

# Weights that are not finite are a file's fault: no training diverged.
run convert runs/resnet8-handsigns plain.safetensors
want_code 0
{ head -c -4 plain.safetensors && printf '\000\000\300\177'; } >nan.safetensors
run predict --model resnet8 --weights nan.safetensors p.png
want_code 4
want_err 'not finite'

# Standard input, and lists of paths.
"$RESCL" predict --weights runs/resnet8-handsigns - <p.png >out 2>err
code=$? command="rescl predict - <p.png"
want_code 0
cut -d: -f2 out >as_stdin
run predict --weights runs/resnet8-handsigns p.png
cut -d: -f2 out | cmp -s - as_stdin || fail "expected the same from standard input"
printf 'p.png\n\nfolder\n' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 0
[ "$(cut -d: -f1 out | tr '\n' ' ')" = "p.png folder/a.png folder/b.png folder/c.png " ] ||
    fail "expected the four images of the list"
"$RESCL" predict --weights runs/resnet8-handsigns --files-from - <list >out 2>err
code=$? command="rescl predict --files-from - <list"
want_code 0
[ "$(wc -l <out)" -eq 4 ] || fail "expected the four images of the list"
printf '\357\273\277p.png\r\n\r\nfolder/b.png\r\n' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 0
[ "$(cut -d: -f1 out | tr '\n' ' ')" = "p.png folder/b.png " ] ||
    fail "expected the two images of a list with a byte order mark and CRLF"
printf '\377\376p\000.\000' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 4
want_err "list: is UTF-16, expected UTF-8"
printf 'p\000\000\000.\000\000\000' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_err "list: is UTF-32, expected UTF-8"
printf '\377\376\000\000p\000\000\000' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_err "list: is UTF-32, expected UTF-8"
printf 'p.png\n\357\273\277folder/b.png\n\357\273\277none.png\n' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 4
[ "$(cut -d: -f1 out | tr '\n' ' ')" = "p.png folder/b.png " ] ||
    fail "expected the two images of joined lists"
printf 'a\nb\nc\nb\ne\nf\n' >names
run predict --weights runs/resnet8-handsigns --class-index names p.png
want_code 0
want_err "names: 1 of the 6 classes have the name of another, such as 'b'"
: >empty
"$RESCL" predict --weights runs/resnet8-handsigns - <empty >out 2>err
code=$? command="rescl predict - <empty"
want_code 4
want_err "standard input: is empty"
"$RESCL" predict --weights runs/resnet8-handsigns - p.png <empty >out 2>err
code=$? command="rescl predict - p.png <empty"
want_code 4
want_out "p.png: "
run predict --weights runs/resnet8-handsigns empty
want_code 4
grep -q '^1 image, 1 not read$' err || fail "expected no speed where nothing was read"
printf 'p.png\np.p\000ng\n' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 4
want_err "list:2: found a NUL byte"
printf 'p.png\rfolder/b.png\r' >list
run predict --weights runs/resnet8-handsigns --files-from list
want_code 4
want_err "list:1: found a carriage return within the line"
run predict --weights runs/resnet8-handsigns --files-from /dev/zero
want_code 4
run predict --weights runs/resnet8-handsigns --files-from - -
want_code 2
want_err "only once"
run predict --weights runs/resnet8-handsigns --files-from /dev/null
want_code 4
want_err "names no image"
run predict --weights runs/resnet8-handsigns --files-from absent
want_code 4
want_err "absent: No such file or directory"
"$RESCL" predict --weights runs/resnet8-handsigns - </dev/null >out 2>err
code=$? command="rescl predict - </dev/null"
want_code 4
want_err "standard input: "
head -c 40 p.png | "$RESCL" predict --weights runs/resnet8-handsigns - >out 2>err
code=$? command="head -c 40 p.png | rescl predict -"
want_code 4
want_err "standard input: corrupted PNG"

# JSON: one document, or a line for each image.
run predict --weights runs/resnet8-handsigns --output-format json --topk 2 folder
want_code 0
mv out document
run predict --weights runs/resnet8-handsigns --json --topk 2 folder
cmp -s out document || fail "expected --json to be --output-format json"
run predict --weights runs/resnet8-handsigns --output-format jsonl --topk 2 --batch-size 2 folder p.png
want_code 0
[ "$(wc -l <out)" -eq 4 ] || fail "expected a line for each image"
line='^{"file":"p\.png","predictions":\[{"class":"[0-5]","index":[0-5],"probability":[0-9.e-]*},'
tail -n 1 out | grep -qE "$line" || fail "expected an object with two predictions"

# Only what is probable enough.
run predict --weights runs/resnet8-handsigns --threshold 1 --csv --topk 2 p.png
want_code 0
want_out "p.png,,,,,,"
run predict --weights runs/resnet8-handsigns --threshold 1 --json p.png
want_code 0
grep -q '"predictions": \[\]' out || fail "expected no class"

# Names of classes.
printf 'zero\none\ntwo\nthree\nfour\nfive\n' >names.txt
run predict --weights runs/resnet8-handsigns --class-index names.txt p.png
want_code 0
grep -qE '^p\.png: (zero|one|two|three|four|five) ' out || fail "expected a name of the list"
printf '["zero", "one"]' >names.json
run predict --weights runs/resnet8-handsigns --class-index names.json p.png
want_code 4
want_err "names.json: names no class 2"

# The image's margin is cut off where the shorter side is longer than the input.
run predict --weights runs/resnet8-handsigns --val-resize-size 40 --interpolation nearest p.png
want_code 0
cut -d: -f2 out | cmp -s - as_stdin && fail "expected other probabilities than without a margin"
run predict --weights runs/resnet8-handsigns --val-resize-size 31 p.png
want_code 2
want_err "at least 32"
run predict --weights runs/resnet8-handsigns --interpolation lanczos p.png
want_code 2
want_err "bilinear, bicubic, nearest"

# What speaks for the class: a file for each image, none lost where names come again.
run predict --weights runs/resnet8-handsigns --output-format jsonl --saliency a/b p.png folder folder/a.png
want_code 0
[ "$(echo a/b/*)" = "a/b/a-saliency-2.png a/b/a-saliency.png a/b/b-saliency.png \
a/b/c-saliency.png a/b/p-saliency.png" ] || fail "expected five images, found $(echo a/b/*)"
want_out '"saliency":"a/b/a-saliency-2.png","saliency_layer":"'
want_err "map     8x8, of layer '"
run predict --weights runs/resnet8-handsigns a/b
want_code 0
[ "$(wc -l <out)" -eq 5 ] || fail "expected images that can be read"
"$RESCL" predict --weights runs/resnet8-handsigns --saliency c - <p.png >out 2>err
code=$? command="rescl predict --saliency c - <p.png"
want_code 0
[ -f c/stdin-saliency.png ] || fail "expected c/stdin-saliency.png"
# A sheet shows the images with their classes; names from outside stay text.
mkdir sheet
for i in 1 2 3; do cp p.png "sheet/$i.png"; done
cp p.png 'sheet/<i>&"4".png'
run predict --weights runs/resnet8-handsigns sheet --sheet s.html
want_code 0
want_err "sheet   s.html: 4 of 4 images, the least sure first"
[ "$(grep -c '<figure>' s.html)" -eq 4 ] || fail "expected four images"
grep -q 'sheet/&lt;i&gt;&amp;&quot;4&quot;.png; [0-9.]* % [0-5]' s.html || fail "expected the name as text"
! grep -q '<i>' s.html || fail "expected no name as markup"
! grep -qE '(src|href)="?(http|//|[a-z0-9/]*\.png)' s.html || fail "expected no reference to others"
run predict --weights runs/resnet8-handsigns sheet --sheet s.html --saliency sal
want_code 0
[ "$(grep -c '<figure>' s.html)" -eq 8 ] || fail "expected four images with their overlays"
run predict --weights runs/resnet8-handsigns sheet --sheet s.png
want_code 0
run predict --weights runs/resnet8-handsigns s.png
want_code 0
run predict --weights runs/resnet8-handsigns sheet --sheet s.gif
want_code 2
want_err "expected a name that ends with .png or .html"
run predict --weights runs/resnet8-handsigns p.png --sheet p.png
want_code 2
want_err "p.png is read as well"
run predict --weights runs/resnet8-handsigns --saliency p.png p.png
want_code 4
want_err "p.png"

# What cannot be read is reported, and the others are named.
echo nonsense >bad.png
run predict --weights runs/resnet8-handsigns bad.png p.png missing.png
want_code 4
want_out "p.png: "
want_err "bad.png"
want_err "missing.png"
grep -qE '^3 images, 2 not read, [0-9.e+]+ img/s$' err || fail "expected a summary"
mkdir none
run predict --weights runs/resnet8-handsigns none
want_code 4
want_err "none: found no image"
run predict --weights runs/resnet8-handsigns none folder absent/
want_code 4
want_err "none: found no image"
[ "$(grep -c '^folder/' out)" -eq 3 ] || fail "expected the other folder's images"
if [ "$(id -u)" -ne 0 ]; then
    mkdir shut && chmod 0 shut
    run predict --weights runs/resnet8-handsigns shut folder
    chmod 700 shut
    want_code 4
    want_err "shut: Permission denied"
    [ "$(grep -c '^folder/' out)" -eq 3 ] || fail "expected the other folder's images"
fi
run predict --weights runs/resnet8-handsigns --files-from - </dev/null
want_code 4
want_err "--files-from: -: names no image"

# Folders below folders; a link back to one of them is no way down.
mkdir -p tree/x/y
cp p.png tree/b.png
cp p.png tree/x/y/a.png
echo text >tree/notes.txt
ln -s .. tree/x/up
run predict --weights runs/resnet8-handsigns tree
want_code 0
[ "$(cut -d: -f1 out)" = tree/b.png ] || fail "expected one image"
want_err "tree: 1 image; left out: 1 sub-folder (--recursive reads them), 1 other file"
run predict --weights runs/resnet8-handsigns -r tree
want_code 0
[ "$(cut -d: -f1 out | tr '\n' ' ')" = "tree/b.png tree/x/y/a.png " ] || fail "expected both images"
want_err "2 images, "

# Threads change neither results nor order, and failures keep their place.
mkdir many
for i in 1 2 3 4 5 6 7 8 9; do cp p.png many/$i.png; done
echo nonsense >many/4.png
run predict --weights runs/resnet8-handsigns -j 0 --batch-size 4 many
want_code 4
mv out serial
run predict --weights runs/resnet8-handsigns -j 1000 --batch-size 4 many
want_code 4
cmp -s out serial || fail "expected the same with threads"
[ "$(wc -l <out)" -eq 8 ] || fail "expected eight images"
want_err "9 images, 1 not read, "

# CSV, and a file that is written whole or not at all.
cp p.png 'a, "b".png'
nl=$(printf 'c\nd.png')
cp p.png "$nl"
run predict --weights runs/resnet8-handsigns --topk 2 --csv p.png 'a, "b".png' "$nl"
want_code 0
[ "$(head -n 1 out)" = file,class_1,index_1,probability_1,class_2,index_2,probability_2 ] ||
    fail "expected a head"
grep -qE '^p\.png,[0-5],[0-5],0\.[0-9]+,[0-5],[0-5],[0-9.e-]+$' out || fail "expected a row"
want_out '"a, ""b"".png",'
[ "$(sed -n 4p out)" = '"c' ] || fail "expected a quoted line break"
mv out rows
run predict --weights runs/resnet8-handsigns --topk 2 --output-format csv -o out.csv p.png \
    'a, "b".png' "$nl"
want_code 0
want_no_out
cmp -s rows out.csv || fail "expected the same rows in the file"
run predict --weights runs/resnet8-handsigns -o out.csv bad.png missing.png
want_code 4
[ ! -s out.csv ] || fail "expected an empty list of results"
for form in json jsonl csv text; do
    run predict --weights runs/resnet8-handsigns -o $form p.png
    want_code 2
    want_err "--output-format $form"
done
run predict --weights runs/resnet8-handsigns -o ./json --json p.png
want_code 0
grep -q '"file": "p.png"' json || fail "expected JSON in a file called json"
run predict --weights runs/resnet8-handsigns -o nowhere/r.csv p.png
want_code 4
want_err "nowhere/r.csv: No such file or directory"
run predict --weights runs/resnet8-handsigns -o folder p.png
want_code 4
want_err "folder: Is a directory"
run predict --weights runs/resnet8-handsigns -o /dev/full p.png
want_code 4
want_err "/dev/full: No space left on device"
# Standard output by any name stays what it is, a link leads to the file, and no input is lost.
for name in - /dev/stdout stdout; do
    [ $name = stdout ] && ln -s /proc/self/fd/1 stdout
    run predict --weights runs/resnet8-handsigns --topk 2 --csv -o $name p.png
    want_code 0
    want_out 'p.png,'
done
[ -L stdout ] || fail "expected the link"
ln -s linked.csv link.csv
: >linked.csv
run predict --weights runs/resnet8-handsigns --csv -o link.csv p.png
want_code 0
[ -L link.csv ] && grep -q '^p.png,' linked.csv || fail "expected rows behind the link"
for name in p.png runs/resnet8-handsigns/weights/best.safetensors; do
    run predict --weights runs/resnet8-handsigns -o $name p.png
    want_code 2
    want_err "$name is read as well"
done
[ "$(echo ./*.tmp-*)" = './*.tmp-*' ] || fail "expected nothing to be left behind"
