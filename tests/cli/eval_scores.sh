# eval tells of each class: a table, CSV, JSON, and which classes are taken for which.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet
want_code 0
data="--weights runs/resnet8-handsigns --data-path handsigns --samples 24"

# shellcheck disable=SC2086
run eval $data --confusion c.csv
want_code 0
want_out "ece       0."
grep -qE '^class +precision +recall +F1 +images$' out || fail "expected a table of the classes"
for class in 0 1 2 3 4 5; do
    grep -qE "^$class +[01]\.[0-9]{4} +[01]\.[0-9]{4} +[01]\.[0-9]{4} +4$" out ||
        fail "expected a line of class $class"
done
grep -qE '^weighted +.* 24$' out || fail "expected the weighted mean"
accuracy=$(sed -n 's/^accuracy  //p' out)

# The matrix has the images of each class in its row, and the right ones in its diagonal.
[ "$(head -n 1 c.csv)" = "class,0,1,2,3,4,5" ] || fail "expected a head with the classes"
tail -n +2 c.csv | awk -F, -v want="$accuracy" '
    { right += $(NR + 1); for (i = 2; i <= NF; i++) { row += $i }; all += row; if (row != 4) bad = 1; row = 0 }
    END { got = sprintf("%.4f", right / all); exit bad || got != want }' ||
    fail "expected 4 images of each class, and $accuracy of them right"

# shellcheck disable=SC2086
run eval $data --csv -o classes.csv
want_code 0
want_no_out
[ "$(head -n 1 classes.csv)" = "class,index,precision,recall,f1,average_precision,images,predicted,correct" ] ||
    fail "expected the head of the table"
[ "$(wc -l <classes.csv)" -eq 7 ] || fail "expected a row for each class"
# Recall is the share of its images that are right.
awk -F, 'NR > 1 && ($4 - $9 / $7) ^ 2 > 1e-18 { bad = 1 } END { exit bad }' classes.csv ||
    fail "expected recall = correct / images"

# shellcheck disable=SC2086
run eval $data --json --confusion c.html
want_code 0
want_out '"macro": {'
want_out '"average_precision": '
grep -q '<title>Confusion matrix</title>' c.html || fail "expected a page"
grep -q 'The most confused pairs of classes' c.html || fail "expected the pairs as a table"

# Long names leave room for the numbers, and obey nothing.
long=$(printf '%0200d' 0)
printf '%s\n' "$long" "two$(printf '\342\200\256')" c d e f >names.txt
# shellcheck disable=SC2086
run eval $data --class-index names.txt
want_code 0
grep -qE '^0{37}\.\.\. +[01]\.' out || fail "expected a name that is cut"
grep -qF 'two\u202e' out || fail "expected the mark of direction by its code"
# shellcheck disable=SC2086
run eval $data --confusion c.txt
want_code 2
want_err "expected a name that ends with .csv or .html"
