# A run's page is there at its end, made again from the folder, and compared with that of another.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --name a
want_code 0
want_out "report    runs/a/report.html"
for file in report.html report.json results.jsonl predictions.csv evaluation.json \
    events.out.tfevents.rescl images/augmentation.png; do
    [ -s "runs/a/$file" ] || fail "expected $file in the run folder"
done
cp runs/a/report.html before
run report runs/a
want_code 0
want_out "runs/a/report.html"
cmp -s before runs/a/report.html || fail "expected the same page from the same folder"
run report runs/a -o page.html --json
want_code 0
want_out '"report": "page.html"'
[ -s page.html ] || fail "expected the page where --output says"

# shellcheck disable=SC2086
run train $tiny --name b --lr 0.004 --no-report --no-tensorboard
want_code 0
for file in report.html events.out.tfevents.rescl images; do
    [ ! -e "runs/b/$file" ] || fail "expected no $file in the run folder"
done
run report runs/a runs/b
want_code 0
want_out "report.html"
grep -q "Runs compared" report.html || fail "expected a page that compares"

run report
want_code 2
want_err "expected the folder of a run"
run report nowhere
want_code 4
want_err "no such folder"
