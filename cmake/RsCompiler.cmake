# The language, the warnings and the instrumentation that every target is compiled with.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# A file's static names are its own: the files of a list give theirs the same names on purpose (plan,
# enqueue, recognises), so no two can be compiled as one.
if(CMAKE_UNITY_BUILD)
    message(STATUS "CMAKE_UNITY_BUILD: not heeded, static names repeat from file to file")
    set(CMAKE_UNITY_BUILD OFF)
endif()
# The path of a build folder with a comma or a colon would be two to the linkers.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

add_library(rs_flags INTERFACE)
target_compile_options(rs_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # snprintf cuts messages to their field on purpose.
    target_compile_options(rs_flags INTERFACE -Wno-format-truncation)
    # GCC 12.2 for ARM64 ends with an internal error (vect_transform_reduction) where it vectorises the
    # largest of numbers that are widened to double.
    if(CMAKE_C_COMPILER_VERSION VERSION_LESS 13 AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
        target_compile_options(rs_flags INTERFACE -fno-builtin-fmax -fno-builtin-fmin)
    endif()
elseif(CMAKE_C_COMPILER_ID MATCHES "Clang")
    # Integer constants are enumerators, in formulas of doubles too; an empty format makes an empty
    # cell of a table.
    target_compile_options(rs_flags INTERFACE -Wno-enum-float-conversion -Wno-format-zero-length)
endif()
if(RESCL_WERROR)
    target_compile_options(rs_flags INTERFACE -Werror)
endif()
if(RESCL_SANITIZE)
    target_compile_options(rs_flags INTERFACE -fsanitize=${RESCL_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(rs_flags INTERFACE -fsanitize=${RESCL_SANITIZE})
endif()
if(RESCL_COVERAGE)
    target_compile_options(rs_flags INTERFACE --coverage)
    target_link_options(rs_flags INTERFACE --coverage)
endif()
