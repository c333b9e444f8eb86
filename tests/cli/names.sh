# Names from outside are shown so that a terminal obeys nothing in them, and files keep them as they are.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

escape=$(printf '\033')
title=$(printf 'a\033]0;owned\007b')
forged=$(printf 'x.png: cat 99.99 %%\r')
lines=$(printf 'p\nq.png')

want_escaped() {
    ! cat out err | grep -q "$escape" || fail "expected no escape characters"
    ! cat out err | grep -q "$(printf '\r')" || fail "expected no carriage returns"
    ! cat out err | grep -q "$(printf '\007')" || fail "expected no bells"
}

# shellcheck disable=SC2086
run train $tiny --epochs 1 --quiet --name n
want_code 0
make_png >"$title.png"
make_png >"$forged.png"
make_png >"$lines"
run predict --weights runs/n --topk 1 "$title.png" "$forged.png" "$lines"
want_code 0
want_escaped
[ "$(wc -l <out)" -eq 3 ] || fail "expected a line for each image"
want_out 'a\x1b]0;owned\x07b.png: '
want_out 'x.png: cat 99.99 %\r.png: '
want_out 'p\nq.png: '
run predict --weights runs/n --topk 1 --csv "$title.png"
grep -qF "$title.png," out || fail "expected the raw name in CSV"

echo text >"$title.png"
for command in "predict --weights runs/n" "eval --weights runs/n --data-path" "train -c" \
    "summary --weights" "train --resume" "train --data-path"; do
    # shellcheck disable=SC2086
    run $command "$title.png"
    [ "$code" -ne 0 ] || fail "expected a failure"
    want_escaped
    want_err '\x1b]0;owned\x07'
done
run "$title"
want_escaped
run train "--$title" 3
want_escaped
run train --name "$title" --data-path handsigns
want_code 2
want_escaped
run bench peak --device "$(printf 'no\nsuch')"
want_code 3
want_err 'no\nsuch'

# A class whose name would not be loaded again is refused, a data folder of that name is not.
mkdir -p "$title/train/$title" "$title/train/b"
make_png >"$title/train/$title/1.png"
make_png >"$title/train/b/1.png"
run train --model resnet8 --size 32 --data-path "$title"
want_code 4
want_escaped
want_err "holds a control character"
mv "$title/train/$title" "$title/train/c"
run train --model resnet8 --size 32 --epochs 1 --data-path "$title"
want_code 0
want_escaped
[ -d runs/resnet8-a_]0\;owned_b ] || fail "expected a run folder with a plain name"
want_out "--data-path \$'a\\x1b]0;owned\\x07b'"

# Runs are named after the data's folder however it is written.
mkdir photos
mv "$title/train" photos/
cd photos || exit 1
for path in . ./ train/..; do
    rm -rf runs
    # shellcheck disable=SC2086
    run train --model resnet8 --size 32 --epochs 1 --data-path $path
    want_code 0
    [ -d runs/resnet8-photos ] || fail "expected runs/resnet8-photos for $path"
done
