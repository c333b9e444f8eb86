# PNGs of 16 bits a sample of which fewer are used: --sample-bits, and that weights remember it.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# Grey PNGs of 2x2. The samples of two are below 4096, a third has larger ones.
make_dark() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\002\020\000'
    printf '\000\000\000\007M\216\273\000\000\000\022IDATx\234c\140d\340\140\140\140f\140b\000'
    printf '\000\000\133\000\017\370\206\174\211\000\000\000\000IEND\256B\140\202'
}

make_light() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\002\020\000'
    printf '\000\000\000\007M\216\273\000\000\000\022IDATx\234c\340g\340c\140\340d\340\377\017'
    printf '\000\0024\0015o\352\326\010\000\000\000\000IEND\256B\140\202'
}

make_full() {
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\002\020\000'
    printf '\000\000\000\007M\216\273\000\000\000\022IDATx\234c\020\140\370\377\237a\002\003\007'
    printf '\003\000\017\335\002\247\265\321\341P\000\000\000\000IEND\256B\140\202'
}

for i in 1 2 3 4; do
    mkdir -p scans/dark scans/light
    make_dark >scans/dark/$i.png
    make_light >scans/light/$i.png
done

# loss FILE: the whole number after the word loss.
loss() {
    sed -n 's/.*loss *\([0-9.e-]*\).*/\1/p' "$1" | head -n 1
}

run train --model resnet8 --size 16 --epochs 2 -b 4 --data-path scans --name scans --sample-bits 12
want_code 0
grep '^best' out >best
sed -n 's/^evaluate  rescl //p' out >command
eval "run $(cat command)"
want_code 0
want_err "bits    12 of 16-bit samples: as the weights say"
[ "$(loss out)" = "$(loss best)" ] || fail "expected eval to repeat the figure of training"
eval "run $(cat command) --sample-bits 16"
want_code 0
want_err "bits    16 of 16-bit samples: by --sample-bits; the weights say 12"
[ "$(loss out)" != "$(loss best)" ] || fail "expected another figure of darker images"

run predict --weights runs/scans scans --recursive --csv
want_code 0
want_err "bits    12 of 16-bit samples: as the weights say"
cp out own
run predict --weights runs/scans scans --recursive --csv --sample-bits 12
cmp -s out own || fail "expected the bits that the weights say"
run convert runs/scans converted.safetensors --names torchvision
run predict --weights converted.safetensors scans --recursive --csv
want_err "bits    12 of 16-bit samples: as the weights say"

run train --model resnet8 --size 16 --epochs 1 -b 4 --data-path scans --weights runs/scans --name next
want_code 0
want_err "bits    12 of 16-bit samples: as the weights say"
grep -q '^sample-bits = 12' runs/next/args.ini || fail "expected the bits in args.ini"
run train --resume runs/scans --epochs 3 --sample-bits 14
want_code 2
want_err "sample_bits: 12"
run train --resume runs/scans --epochs 3
want_code 0

# An image of a larger range among the others.
make_full >full.png
run predict --weights runs/scans scans/dark/1.png full.png
want_code 0
want_err "full.png: 16-bit samples are above the range that --sample-bits (sample_bits) says"
run predict --weights runs/scans scans/dark/1.png
! grep -q "above the range" err || fail "expected no warning for samples within the range"
