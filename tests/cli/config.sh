# Config files: what wins over what, origins, the round trip, mistakes.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# The value and the origin of a key, as --print-config shows them.
want_value() { # KEY VALUE ORIGIN
    grep -qE "^$1 = $2 +; $3\$" out || fail "expected $1 = $2 from $3"
}

cat >x.ini <<'END'
# a recipe
[optimiser]
lr = 0.01   ; comment
opt: sgd
[training]
batch_size = 7
END

unset RESCL_DEVICE
run train --print-config
want_code 0
want_value lr 0.001 default
want_value device auto default
RESCL_DEVICE=0:0
export RESCL_DEVICE
run train -c x.ini --print-config
want_value lr 0.01 'config x.ini:3'
want_value opt sgd 'config x.ini:4'
want_value batch-size 7 'config x.ini:6'
want_value device 0:0 'environment RESCL_DEVICE'
want_value epochs 25 default
run train --lr=0.5 --config=x.ini --device gpu -b 9 --print-config
want_value lr 0.5 'flag --lr'
want_value device gpu 'flag --device'
want_value batch-size 9 'flag --batch-size'
printf '[run]\ndevice = cpu\n' >device.ini
run train -c device.ini --print-config
want_value device cpu 'config device.ini:2'

# The same file serves other verbs: keys of train are skipped there.
run eval -c x.ini --print-config
want_code 0
want_value batch-size 7 'config x.ini:6'
! grep -q '^lr ' out || fail "expected no lr in eval"

# What --print-config prints gives the same values again, long and odd ones too.
long=/a/folder/$(printf '%0300d' 0)/with\ blanks/and\;semicolons\#/end
run train --data-path "$long" --lr 0.125 --wd 1e-4 --name 'a b' --print-config
want_code 0
cp out first.ini
run train -c first.ini --print-config
want_code 0
for file in first.ini out; do
    sed -e 's/ *; .*//' "$file" | grep -v '^$' >"$file.values"
done
cmp -s first.ini.values out.values || fail "expected the same values from the printed config"
want_value weight-decay 1e-4 'config first.ini:[0-9]+'
grep -qxF "data-path = $long ; config first.ini:$(grep -n '^data-path' first.ini | cut -d: -f1)" out ||
    fail "expected the long path back"

# Values that would not survive as they are stand in quotes.
odd=$(printf ' x ;"y"\\\nz\033 ')
run train --data-path "$odd" --print-config
want_code 0
cp out odd.ini
run train -c odd.ini --print-config
want_code 0
for file in odd.ini out; do
    sed -e 's/ *; .*//' "$file" | grep '^data-path' >"$file.values"
done
cmp -s odd.ini.values out.values || fail "expected the odd path back"
run train -c odd.ini
want_err "\\nz\\x1b"
newline=$(printf 'a\nlr = 7.ini')
cp x.ini "$newline"
run train -c "$newline" --print-config
want_code 0
! grep -qx 'lr = 7.ini.*' out || fail "expected no lines from the name of a config file"

refused() { # TEXT LINE...
    text=$1
    shift
    printf '%s\n' "$@" >bad.ini
    run train -c bad.ini --print-config
    want_code 2
    want_no_out
    want_err "$text"
}
refused "bad.ini:2: unknown key 'epoch'; did you mean 'epochs'?" "[training]" "epoch = 3"
refused "bad.ini:1: unknown key 'zzzz'" "zzzz = 3"
refused "bad.ini:1: unknown section [optimizer], expected one of" "[optimizer]" "lr = 1"
refused "did you mean [optimiser]?" "[optimizer]" "lr = 1"
refused "bad.ini:3: lr: found 'fast', expected a number" "" "[optimiser]" "lr = fast"
refused "bad.ini:2: 'lr' was set in line 1 already" "lr = 1" "lr = 2"
refused "bad.ini:2: found 'nonsense', expected '[section]' or 'key = value'" "lr = 1" "nonsense"
refused "bad.ini:1: 'config' is only for the command line" "config = other.ini"
refused "bad.ini:1: 'resume' is only for the command line" "resume = runs/x"
refused "bad.ini:1: found 'epochs = 1' behind [training]" "[training] epochs = 1"
refused "bad.ini:1: found '[training', expected a ']'" "[training" "epochs = 1"
refused "bad.ini:2: found 'lr = 0.5' on an indented line, which would continue the value of 'name'" \
    "name = mine" "  lr = 0.5"
refused "bad.ini:2: found a carriage return within the line" "" "$(printf 'lr = 1\repochs = 3\r')"
refused "bad.ini:1: found the control character 0x1b" "$(printf 'name = \033[2J')"
refused "bad.ini:2: 'wd' was set in line 1 already" "weight-decay = 0" "wd = 1"
printf '[optimiser]\nlr = 1\0000\nepochs = 3\n' >bad.ini
run train -c bad.ini --print-config
want_code 2
want_err "bad.ini:2: found a NUL byte"
printf '\377\376l\000r\000' >bad.ini
run train -c bad.ini --print-config
want_code 2
want_err "bad.ini:1: is UTF-16, expected UTF-8"
if [ -r /dev/zero ]; then
    run train -c /dev/zero
    want_code 2
fi
printf '\357\273\277[optimiser]\r\nlr = 0.25\r\n' >x.ini
run train -c x.ini --print-config
want_value lr 0.25 'config x.ini:2'
run train -c nowhere.ini
want_code 4
want_err "nowhere.ini"
run train -c .
want_code 4

# Every recipe of the project is one that train takes.
for recipe in "$RESCL_SOURCE_DIR"/configs/*.ini; do
    run train -c "$recipe" --print-config
    want_code 0
done
