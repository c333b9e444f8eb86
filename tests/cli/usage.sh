# Mistakes on the command line: exit code 2, nothing on stdout, what was found and expected.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

refused() { # TEXT ARG...
    text=$1
    shift
    run "$@"
    want_code 2
    want_no_out
    want_err "$text"
}

refused "unknown verb 'trian'; did you mean 'train'?" trian
refused "unknown verb 'frobnicate'" frobnicate
refused "unknown option '--learning-rote'" train --learning-rote 3
refused "unknown option '--version-of'; did you mean '--version'?" train --version-of
refused "unknown option '--foo', expected a verb first" --foo
# Options as other programs call them.
refused "'--learning-rate'; did you mean '--lr'?" train --learning-rate 3
refused "'--imgsz'; did you mean '--size'?" train --imgsz 3
refused "'--gpu'; did you mean '--device'?" train --gpu 0
refused "'--num_workers'; did you mean '--workers'?" train --num_workers 3
refused "'--optimizer'; did you mean '--opt'?" train --optimizer adam
refused "'--cfg'; did you mean '--config'?" train --cfg x
refused "'--mixed-precision'; did you mean '--precision'?" train --mixed-precision
refused "'--precision'; did you mean '--dtype'?" convert --precision bf16 a b
refused "--precision: found 'fp166', expected one of fp32, tf32, bf16, fp16; did you mean 'fp16'?" train --precision fp166
refused "--amp, which is --precision bf16, and --precision fp16 exclude each other" train --amp --precision fp16
refused "'--val'; --data-path names the folder" train --val x
refused "'--source'; images are operands" predict --source x
refused "--model: found 'ResNet50', expected one of" train --model ResNet50
refused "did you mean 'resnet50'?" train --model ResNet50
refused "unknown option '--epoch'; did you mean '--epochs'?" train --epoch 3
refused "unknown option '--batch'; did you mean '--batch-size'?" train --batch 3
refused "unknown option '-z'" train -z
refused "unknown option '--no-epochs'" train --no-epochs
refused "unknown option '--epochs'; it is an option of train" summary --epochs 3
refused "--epochs needs a value" train --epochs
refused "--epochs needs a value" train --epochs --lr 3
refused "-b needs a value" train -b
refused "--lr: found 'abc', expected a number in [0,1000]" train --lr abc
refused "--lr: found '1e999'" train --lr 1e999
refused "--lr: found 'nan'" train --lr nan
refused "--lr: found '-1'" train --lr -1
refused "--lr: found '0x10'" train --lr=0x10
refused "--momentum: found '1', expected a number in [0,1)" train --momentum 1
refused "--epochs: found '0', expected a whole number in [1,1000000]" train --epochs 0
refused "--epochs: found '2.5'" train --epochs 2.5
refused "--epochs: found ' 2'" train --epochs ' 2'
refused "--epochs: found ''" train --epochs ''
refused "--seed: found '18446744073709551616'" train --seed 18446744073709551616
refused "--batch-size: found '0'" train -b0
refused "--model: found 'resnet51', expected one of" train --model resnet51
refused "did you mean 'adam'?" train --opt adma
refused "--split: found 'all', expected one of auto, train, val, test" eval --split all
refused "--batch-size: found 'x'" bench model --batch-size 1,x
refused "--mode: found 'fly', expected one of train, infer" bench model --mode train,fly
refused "--m: found '0', expected a whole number in [1,65536]" bench product --m 0
refused "--k: found '2x'" bench product --k 2x
refused "--json: found 'maybe', expected true or false" summary --json=maybe
refused "--data-path PATH is required" train
refused "--data-path PATH is required" eval --weights x.safetensors
refused "--weights FILE is required" predict image.png
refused "expected images or folders" predict --weights x.safetensors
refused "expected one of model, op, product, train, load, peak, scaling" bench
refused "expected one of model, op, product, train, load, peak" bench modle
refused "found operand 'extra'" summary extra
refused "found operand '--json'" summary -- --json

refused "--name: found 'a/b', expected the plain name of a folder" train --name a/b --data-path x
refused "--name: found '..', expected" train --name .. --data-path handsigns
refused "--output-dir FOLDER is required" train --output-dir '' --data-path handsigns

# Values that do not fit files: code 4.
run eval --weights missing.safetensors --data-path handsigns
want_code 4
want_err "missing.safetensors"
run predict --weights missing.safetensors image.png
want_code 4
run train --data-path no/such/folder
want_code 4
want_err "no/such/folder"
[ ! -e runs ] || fail "expected no run folder of a training that could not start"
echo "this is not a weights file, and long enough to hold a header" >bad.safetensors
run eval --weights bad.safetensors --data-path handsigns
want_code 4
want_err "bad.safetensors"

run train --data-path handsigns --model resnet8 --size 32 --output-dir bad.safetensors
want_code 4
want_err "bad.safetensors: cannot create the folder: Not a directory"

# Devices: code 3.
run eval --weights bad.safetensors --data-path handsigns --device no-such-device
want_code 4
run bench peak --device no-such-device
want_code 3
want_err '"no-such-device"; use auto, cpu, gpu, accelerator, P:D or a part of a name of:'
RESCL_DEVICE=no-such-device
run bench peak
want_code 3
