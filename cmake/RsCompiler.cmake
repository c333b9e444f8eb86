# The language, the warnings and the instrumentation that every target is compiled with.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(rs_flags INTERFACE)
target_compile_options(rs_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # snprintf cuts messages to their field on purpose.
    target_compile_options(rs_flags INTERFACE -Wno-format-truncation)
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
