# scripts/setup where packages are missing and there is no sudo: it says how to install them, and asks
# for the linters only with --lint.
. "$RESCL_SOURCE_DIR/tests/cli/common.inc"

mkdir bin
for tool in cat env sh; do ln -s "$(command -v $tool)" bin/; done
printf '#!/bin/sh\nexit 1\n' >bin/dpkg-query
printf '#!/bin/sh\nexit 99\n' >bin/apt-get
printf '#!/bin/sh\necho 1000\n' >bin/id
chmod +x bin/*
setup() {
    command="scripts/setup $*"
    PATH=$dir/bin sh "$RESCL_SOURCE_DIR/scripts/setup" "$@" >out 2>err
    code=$?
}

setup
want_code 1
want_err "  apt-get install --no-install-recommends gcc "
want_err " libcmocka-dev"
! grep -qE 'clang|cppcheck' err || fail "expected no linters"
setup --lint
want_code 1
want_err " clang-tidy cppcheck clang libclang-rt-dev"
setup --all
want_code 2
want_err "usage: scripts/setup [--lint]"

# Flags that are advised exist.
cd "$RESCL_SOURCE_DIR" || exit 1
grep -rhoE 'scripts/setup --?[a-z]+' README.md CONTRIBUTING.md .ci cmake docs scripts tests src |
    grep -v 'setup --lint$' >"$dir/unknown"
cd "$dir" || exit 1
[ ! -s unknown ] || fail "expected advice of --lint alone: $(cat unknown)"
