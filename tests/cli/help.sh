# --help names every option of the verb and shows defaults; help and --version work.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

verbs=$(sed -n "s/^RS_VERB(\([a-z_]*\).*/\1/p" "$RESCL_SOURCE_DIR/src/cli/verbs.def")
[ -n "$verbs" ] || exit 1
for stem in $verbs; do
    verb=$(echo "$stem" | tr _ -)
    run "$verb" --help
    want_code 0
    want_out "Usage: rescl $verb"
    # The lists of options themselves say which ones a verb has.
    sed -n '/^RS_OPT(/,/)$/p' "$RESCL_SOURCE_DIR/src/cli/options.def" | tr '\n' ' ' |
        sed 's/RS_OPT(/\n/g' | grep -E "IN\\($stem\\)|ALL" | grep -v "~IN($stem)" |
        sed 's/^[^"]*"\([a-z0-9-]*\).*/\1/' >names
    sed -n "s/^RS_TRAINING_OPT(\([a-z_]*\),.*IN($stem).*/\1/p" "$RESCL_SOURCE_DIR/src/cli/options.def" |
        tr _ - >>names
    if [ "$verb" = train ]; then
        sed -n 's/^RS_TRAIN_[A-Z]*(\([a-z0-9_]*\),.*/\1/p' "$RESCL_SOURCE_DIR/src/train/trainoptions.def" |
            grep -vE '^(output_dir|resume|args_ini|restore_best)$' | tr _ - >training
        [ -s training ] || fail "trainoptions.def lists no option"
        cat training >>names
    fi
    [ -s names ] || fail "options.def lists no option of $verb"
    while read -r name; do
        grep -qE -e "--(\\[no-\\])?$name( |,|\$)" out || fail "expected --$name in the help of $verb"
    done <names
    cp out by_flag
    run help "$verb"
    cmp -s out by_flag || fail "expected 'help $verb' to say the same as '$verb --help'"
done

run train --help
want_out "[0.001]"
want_out "-b, --batch-size"
want_out "--weight-decay W, --wd"
want_out "cosineannealinglr"
want_out "resnet50_signs"
run bench -h
want_out "--[no-]peak"

run --help
want_code 0
want_out "devices"
want_out "bench"
run help
want_code 0
want_out "Exit codes"
run --version
want_code 0
grep -qE '^rescl [0-9]+\.[0-9]+\.[0-9]+ \(library [0-9]+\.[0-9]+\.[0-9]+\)$' out ||
    fail "expected a version"
run
want_code 2
want_no_out
want_err "Usage: rescl"
