# What PoCL lacks is named before it is called: a cache folder that can be written, /sys.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

case $RESCL_DEVICE in
'Portable Computing Language') ;;
*) skip "the tests' device is not PoCL" ;;
esac

# with VARIABLE=VALUE... "$RESCL" ARG...: runs rescl with an environment.
with() {
    command="$*"
    env -u POCL_CACHE_DIR -u XDG_CACHE_HOME "$@" >out 2>err
    code=$?
}

# Nothing lies below /dev/null, for root neither.
with POCL_CACHE_DIR=/dev/null/x "$RESCL" devices
want_code 3
want_err "PoCL needs a writable cache folder, and /dev/null/x is none (Not a directory): set POCL_CACHE_DIR"
with HOME=/dev/null RESCL_CACHE_DIR=/dev/null/r TMPDIR=/dev/null "$RESCL" devices
want_code 3
want_err "PoCL needs a writable cache folder, and /dev/null/.cache/pocl/kcache is none"

# rescl's own cache serves, without a word; else a folder that goes with the process.
mkdir own
with HOME=/dev/null "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
want_code 0
[ -d own/pocl ] || fail "expected PoCL's folder in rescl's cache"
grep -q warning err && fail "expected no warning"
mkdir temporary
with HOME=/dev/null RESCL_CACHE_DIR=/dev/null/r "TMPDIR=$PWD/temporary" "$RESCL" devices
want_code 0
want_err "each run compiles anew, in $PWD/temporary/rescl-pocl-"
[ -z "$(ls temporary)" ] || fail "expected the temporary folder to be removed"

# Without a home PoCL would take /tmp/pocl, which anybody may have made.
with -u HOME "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
want_code 0

unshare -m true 2>/dev/null || skip "the rest: no mount namespaces for this user"
command="rescl devices (without /sys)"
unshare -m sh -c 'mount -t tmpfs none /sys && exec "$RESCL" devices' >out 2>err
code=$?
want_code 3
want_err "mount sysfs at /sys"
want_err "OCL_ICD_VENDORS"
# What does not end the process is not blamed: here a PoCL whose library is missing.
mkdir vendors
echo libpocl-missing.so >vendors/pocl.icd
command="rescl devices (without /sys and PoCL's library)"
OCL_ICD_VENDORS=$PWD/vendors unshare -m sh -c 'mount -t tmpfs none /sys && exec "$RESCL" devices' >out 2>err
code=$?
want_code 3
want_err "no OpenCL platform found"
