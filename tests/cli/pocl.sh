# What PoCL lacks is named before it is called: a cache folder that can be written, /sys.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

case $RESCL_DEVICE in
'Portable Computing Language') ;;
*) skip "the tests' device is not PoCL" ;;
esac

# with VARIABLE=VALUE... -- ARG...: runs rescl with an environment.
with() {
    command="$*"
    set_to=''
    while [ "$1" != -- ]; do
        set_to="$set_to $1"
        shift
    done
    shift
    # shellcheck disable=SC2086
    env -u POCL_CACHE_DIR -u XDG_CACHE_HOME $set_to "$RESCL" "$@" >out 2>err
    code=$?
}

# Nothing lies below /dev/null, for root neither.
with POCL_CACHE_DIR=/dev/null/x -- devices
want_code 3
want_err "PoCL needs a writable cache folder, and /dev/null/x is none (Not a directory): set POCL_CACHE_DIR"
with HOME=/dev/null RESCL_CACHE_DIR=/dev/null/r TMPDIR=/dev/null -- devices
want_code 3
want_err "PoCL needs a writable cache folder, and /dev/null/.cache/pocl/kcache is none"

# rescl's own cache serves, without a word; else a folder that goes with the process.
mkdir own
with HOME=/dev/null "RESCL_CACHE_DIR=$PWD/own" -- devices
want_code 0
[ -d own/pocl ] || fail "expected PoCL's folder in rescl's cache"
grep -q warning err && fail "expected no warning"
mkdir temporary
with HOME=/dev/null RESCL_CACHE_DIR=/dev/null/r "TMPDIR=$PWD/temporary" -- devices
want_code 0
want_err "each run compiles anew, in $PWD/temporary/rescl-pocl-"
[ -z "$(ls temporary)" ] || fail "expected the temporary folder to be removed"

# Without a home PoCL would take /tmp/pocl, which anybody may have made.
with -u HOME "RESCL_CACHE_DIR=$PWD/own" -- devices
want_code 0

unshare -m true 2>/dev/null || skip "the rest: no mount namespaces for this user"
command="rescl devices (without /sys)"
unshare -m sh -c 'mount -t tmpfs none /sys && exec "$RESCL" devices' >out 2>err
code=$?
want_code 3
want_err "mount sysfs at /sys"
want_err "OCL_ICD_VENDORS"
