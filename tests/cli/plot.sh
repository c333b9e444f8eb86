# Networks are drawn as SVG and PNG: each layer, blocks with their shortcuts, equal ones as one.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# dimensions FILE: "WIDTHxHEIGHT" of a PNG's header
dimensions() {
    od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'
}

run plot resnet50
want_code 0
want_out "resnet50.svg: "
grep -q '<title>resnet50</title>' resnet50.svg || fail "expected a title"
grep -q 'layer3.1 to layer3.5: 5 equal blocks' resnet50.svg || fail "expected equal blocks as one"
grep -q '>25,557,032\|25,610,152 parameters' resnet50.svg || fail "expected the parameters"
grep -q '>56x56x256<' resnet50.svg || fail "expected shapes"
grep -q '>MaxPooling2D /2<' resnet50.svg || fail "expected the stride of pooling"
grep -q '>Conv2D 3x3 /2<' resnet50.svg || fail "expected filters and strides"
[ "$(grep -c '>identity<' resnet50.svg)" -eq 4 ] || fail "expected 4 blocks with identity shortcuts"
[ "$(grep -c '>downsample.0<' resnet50.svg)" -eq 4 ] || fail "expected 4 with a projection"
if command -v xmllint >/dev/null; then
    xmllint --noout resnet50.svg || fail "expected well-formed XML"
fi

run plot resnet50 --expand --no-show-shapes --no-show-params -o all.svg
want_code 0
[ "$(grep -c '>add<' all.svg)" -eq 16 ] || fail "expected each block"
! grep -q '>56x56x256<' all.svg || fail "expected no shapes"
! grep -q 'parameters each' all.svg || fail "expected no parameters"

# A picture in pixels has the size that is told, and more with --zoom.
run plot resnet152 -o net.png
want_code 0
size=$(sed -n 's/^net.png: //p' out)
[ "$(dimensions net.png)" = "$size" ] || fail "expected a PNG of $size"
run plot resnet8 --freeze stage1 --hidden 32 -o small.svg
want_code 0
grep -q '>2,304 frozen<' small.svg || fail "expected frozen layers"
grep -q '>hidden_relu<' small.svg || fail "expected the hidden layer"
run plot resnet8 --zoom 2 -o large.png --json
want_code 0
want_out '"kind": "block"'
width=$(sed -n 's/ *"width": \([0-9]*\),*/\1/p' out)
[ "$(dimensions large.png)" = "$((2 * width))x$((2 * $(sed -n 's/ *"height": \([0-9]*\),*/\1/p' out)))" ] ||
    fail "expected twice the pixels"
run plot resnet110 --expand --zoom 8 -o huge.png
want_code 2
want_err "--zoom"
[ ! -e huge.png ] || fail "expected no file"

# Weights say which network they are of, and its size and classes.
# shellcheck disable=SC2086
run train $tiny --epochs 1 --max-steps 1 --name r
want_code 0
run plot runs/r -o -
want_code 0
want_out '<title>resnet8</title>'
want_out '32x32, 6 classes'

run plot resnet5 -o x.svg
want_code 4
want_err "did you mean"
run plot resnet8 -o x.jpg
want_code 2
want_err "ends with .svg or .png"
run plot
want_code 2
want_err "rescl plot resnet50"
make_png >not-weights.png
run plot not-weights.png
want_code 4
