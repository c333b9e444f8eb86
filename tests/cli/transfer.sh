# Fine-tuning: a new head on a trained body, frozen layers, and rates of their own.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

# shellcheck disable=SC2086
run train $tiny --quiet --name base
want_code 0
mkdir -p photos/train/cat photos/train/dog
for file in cat/1 cat/2 dog/1; do make_png >"photos/train/$file.png"; done
tune="--model resnet8 --size 32 --data-path photos --weights runs/base --epochs 2 --batch-size 2
    --scale 0.5 --hflip 0.5 --color-jitter 0.2"

# The head of six classes gives way to one of two, and says so.
# shellcheck disable=SC2086
run train $tune --name all
want_code 0
want_err "weights runs/base/weights/best.safetensors: 45 of its 47 tensors fit"
want_err "new     fc.weight (64, 2), fc.bias (2)"
want_err "unused  fc.weight (64, 6), fc.bias (6)"
# shellcheck disable=SC2086
run train $tune --name deep --hidden 12 --dropout 0.5 --freeze body --lr-body 1e-5
want_code 0
want_err "78,870 parameters (806 trainable)"
want_err "frozen  body"
want_err "rate 0.001, of the body 1e-05"
want_err "new     hidden.weight (64, 12), hidden.bias (12), fc.weight (12, 2), fc.bias (2)"
run predict --weights runs/deep photos/train/dog
want_code 0

# A head that fits is kept.
# shellcheck disable=SC2086
run train $tiny --weights runs/base --name same
want_code 0
want_err "47 of its 47 tensors fit"
! grep -q '^new ' err || fail "expected no new tensors"

# Names decide, not numbers: other classes get a new head, the same ones in another order keep it.
mkdir -p zoo/train/ant zoo/train/bee other/train/xxx other/train/yyy
for file in ant/1 ant/2 bee/1 bee/2; do make_png >"zoo/train/$file.png"; done
for file in xxx/1 xxx/2 yyy/1 yyy/2; do make_png >"other/train/$file.png"; done
small="--model resnet8 --size 32 --epochs 1 --batch-size 2"
# shellcheck disable=SC2086
run train $small --data-path zoo --name zoo --quiet
want_code 0
# shellcheck disable=SC2086
run train $small --data-path other --weights runs/zoo
want_code 0
want_err "new     fc.weight (64, 2), fc.bias (2)"
want_err "head    new, as the weights have other classes: ant, bee, and the data xxx, yyy"
! grep -q 'to keep the head' err || fail "expected no hint"

# A teacher knows the student's classes, by their names; a run that goes on finds it again, and wants no other.
# shellcheck disable=SC2086
run train $small --data-path zoo --name taught --teacher runs/zoo --distillation-type hard
want_code 0
want_err "teacher runs/zoo/weights/best.safetensors: 0.5 of the loss, by its class"
want_err ", teacher "
run train --resume runs/taught --epochs 2
want_code 0
run train --resume runs/taught --epochs 3 --teacher runs/base
want_code 2
want_err "teacher runs/base/weights/best.safetensors: it has 6 classes, and the student 2"
# shellcheck disable=SC2086
run train $small --data-path other --teacher runs/zoo
want_code 2
want_err "its classes are 'ant', 'bee', those of the model 'xxx', 'yyy'"
mkdir -p caps/train
cp -r zoo/train/ant caps/train/Ant
cp -r zoo/train/bee caps/train/
# shellcheck disable=SC2086
run train $small --data-path caps --weights runs/zoo
want_code 0
want_err "'ant' of the weights is 'Ant' in the data (it differs in the case of letters): rename"
# shellcheck disable=SC2086
run train $small --data-path other --weights runs/zoo --strict
want_code 2
want_err "its classes are 'ant', 'bee', those of the model 'xxx', 'yyy'"
# shellcheck disable=SC2086
run train $small --data-path zoo --weights runs/zoo
want_code 0
! grep -q '^new \|^head' err || fail "expected the head to be kept without a word"

# summary knows the hidden layer, what was frozen and the names; --freeze shows what it would leave.
run summary --weights runs/deep
want_code 0
want_out "classes     2: cat, dog"
want_out "hidden      12"
want_out "frozen      body"
want_out "parameters  78,870 (806 trainable)"
want_out "49 matched, 0 missing, 0 reshaped, 0 unexpected"
run summary --weights runs/deep --freeze stem --json
want_code 0
want_out '"hidden": 12'
want_out '"class_names": ['
! grep -q '"trainable": 806' out || fail "expected --freeze to go before what the file says"
run summary --weights runs/deep --freeze stge1
want_code 2
want_err "did you mean"

# What is frozen does not change; a resumed run knows what was, and ends as one that went through.
# shellcheck disable=SC2086
run train $tune --name whole --freeze stem,stage2 --norm-eval --lr-body 1e-4 --quiet
want_code 0
# shellcheck disable=SC2086
run train $tune --name parts --freeze stem,stage2 --norm-eval --lr-body 1e-4 --max-steps 1 --quiet
want_code 0
run train --resume runs/parts --freeze stage1
want_code 2
want_err "frozen layers: 'stem,stage2', this run has 'stage1'"
run train --resume runs/parts --lr-body 0
want_code 2
want_err "lr_body"
run train --resume runs/parts --max-steps 0 --quiet
want_code 0
cut -d, -f1,3-7 runs/whole/results.csv >one
cut -d, -f1,3-7 runs/parts/results.csv >two
cmp -s one two || fail "expected the resumed run to end as the whole one"

# Slips are found before a run folder is made.
# shellcheck disable=SC2086
run train $tune --name wrong --freeze stage1,stge2
want_code 2
want_err "did you mean 'stage2'?"
# shellcheck disable=SC2086
run train $tune --name wrong --freeze 'body,head'
want_code 2
want_err "leaves no layer"
# shellcheck disable=SC2086
run train $tune --name wrong --model resnet50_keras
want_code 4
want_err "best.safetensors: says that it is of resnet8, and is to be loaded as resnet50_keras"
# shellcheck disable=SC2086
run train $tune --name wrong --model resnet50_keras --no-strict
want_code 4
want_err "best.safetensors: these are no weights of resnet50_keras; it holds"
[ ! -e runs/wrong ] || fail "expected no run folder"

run summary --model resnet8 --freeze body --hidden 12
want_code 0
want_out "Trainable params: 910 "
