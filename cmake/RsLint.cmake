# ctest -L lint: the format, the room rules that the compiler cannot see, and two static analysers.
# A tool that is not installed makes its test "skipped".
set(lint_dirs src include tests bench examples)
set(lint_globs "")
foreach(dir ${lint_dirs})
    list(APPEND lint_globs "${PROJECT_SOURCE_DIR}/${dir}/*.c" "${PROJECT_SOURCE_DIR}/${dir}/*.h")
endforeach()
file(GLOB_RECURSE rs_lint_all CONFIGURE_DEPENDS ${lint_globs})
file(GLOB rs_lint_kernels CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/cl/*.cl" "${PROJECT_SOURCE_DIR}/cl/*.clh")
file(GLOB_RECURSE rs_lint_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.c")

# rs_lint(<name> <tool> <arguments>...)
function(rs_lint name tool)
    find_program(RESCL_LINT_${tool} ${tool})
    if(RESCL_LINT_${tool})
        add_test(NAME lint.${name} COMMAND ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    else()
        add_test(NAME lint.${name}
            COMMAND sh -c "echo '${tool} is not installed; scripts/setup --lint installs it'; exit 77")
    endif()
    set_tests_properties(lint.${name} PROPERTIES LABELS lint SKIP_RETURN_CODE 77 TIMEOUT 3600)
endfunction()

if(rs_lint_sources)
    rs_lint(format clang-format clang-format --dry-run -Werror ${rs_lint_all} ${rs_lint_kernels})

    # Its own analysis of each file; what it cannot know (callers, macros of other builds) is off.
    rs_lint(cppcheck cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr -j 2
        --enable=warning,performance,portability --std=c11
        --suppress=missingIncludeSystem --suppress=unknownMacro
        --template={file}:{line}:\ {severity}:\ {message}\ [{id}]
        "--project=${PROJECT_BINARY_DIR}/compile_commands.json"
        "--file-filter=${PROJECT_SOURCE_DIR}/src/*")

    rs_lint(tidy clang-tidy sh -c
        "printf '%s\\0' \"$@\" | xargs -0 -n 4 -P 2 clang-tidy -p \"$0\" --quiet \
--extra-arg=-Wno-unknown-warning-option"
        "${PROJECT_BINARY_DIR}" ${rs_lint_sources})

    # No file name stands twice in the tree; CMake alone gives one that has to.
    rs_lint(names sh sh -c "find .ci bench cl cmake configs docs examples include packaging scripts src \
tests -type f ! -path '*/corpus/*' ! -name CMakeLists.txt ! -name '*.pyc' | sed 's|.*/||' | sort \
| uniq -d | sed 's|$|: the name of more than one file|' | tee /dev/stderr | wc -l | grep -qx 0")

    # Only src/device and the fault shim see OpenCL, and src/cli only the public headers.
    rs_lint(rooms grep sh -c
        "! grep -rnE '#include *[<\"](CL/|clblast)' src tests --include=*.[ch] | grep -vE '^(src/device|tests/fault)/' \
&& ! grep -rnE '#include *\"rescl/' src --include=*.[ch]")
endif()
