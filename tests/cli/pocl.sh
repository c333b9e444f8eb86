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
with POCL_CACHE_DIR= "HOME=$PWD" "$RESCL" devices
want_code 0
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

# What a killed process left there goes; what lives, is a link or was not made by rescl stays.
mkdir -m 700 temporary/rescl-pocl-aB3dEf temporary/rescl-pocl-mine elsewhere
: >temporary/rescl-pocl-aB3dEf/program
: >elsewhere/file
ln -s ../elsewhere temporary/rescl-pocl-linked
kept='rescl-pocl-linked rescl-pocl-mine'
if command -v flock >/dev/null; then
    mkdir -m 700 temporary/rescl-pocl-living
    exec 9<temporary/rescl-pocl-living
    flock 9
    kept='rescl-pocl-linked rescl-pocl-living rescl-pocl-mine'
fi
with HOME=/dev/null RESCL_CACHE_DIR=/dev/null/r "TMPDIR=$PWD/temporary" "$RESCL" devices
want_code 0
[ "$(cd temporary && echo *)" = "$kept" ] || fail "expected $kept, found $(ls temporary)"
[ -e elsewhere/file ] || fail "expected no link to be followed"

# A home's own folders are used without a word, and made for this user alone, in a place like /tmp too.
mkdir -m 700 home
mkdir -m 1777 sticky
for home in home sticky; do
    with "HOME=$PWD/$home" "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
    want_code 0
    grep -q warning err && fail "expected no warning"
    case $(ls -ld $home/.cache/pocl) in
    drwx------*) ;;
    *) fail "expected a folder for this user alone" ;;
    esac
done
# What others may write, or somebody else made, is not.
for part in .cache .cache/pocl .cache/pocl/kcache; do
    chmod 777 home/$part
    with "HOME=$PWD/home" "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
    want_code 0
    want_err "kcache is not used: $PWD/home/$part may be written by others"
    chmod 700 home/$part
    [ "$(id -u)" -eq 0 ] || continue
    chown 65534 home/$part
    with "HOME=$PWD/home" "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
    want_err "kcache is not used: $PWD/home/$part belongs to another user"
    chown 0 home/$part
done
chmod 777 home/.cache
with -u RESCL_CACHE_DIR "HOME=$PWD/home" "TMPDIR=$PWD/temporary" "$RESCL" devices
want_code 0
want_err "each run compiles anew, in $PWD/temporary/rescl-pocl-"
mkdir shared
chmod 777 shared
with "POCL_CACHE_DIR=$PWD/shared" "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
want_code 0
want_err "$PWD/shared is not used: $PWD/shared may be written by others"
ln -s own/pocl link
with "POCL_CACHE_DIR=$PWD/link/" "RESCL_CACHE_DIR=$PWD/own" "$RESCL" devices
want_code 0
want_err "$PWD/link is a link"

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
