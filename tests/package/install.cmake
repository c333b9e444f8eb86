# Installs the build into an empty prefix, and builds and runs tests/package/consumer against it:
# once by find_package, once by pkg-config. Run by ctest with -P; needs BUILD_DIR, SOURCE_DIR,
# WORK_DIR, LIBDIR, GENERATOR and C_COMPILER; SOVERSION and READELF for a shared library.

cmake_minimum_required(VERSION 3.25)

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output
        ERROR_VARIABLE output COMMAND_ECHO STDOUT)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${ARGN}\nfailed (${result}):\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

# Builds and runs the consumer against what is installed in `prefix`; `at` is a folder to do it in.
function(consume_package prefix at)
    run(${CMAKE_COMMAND} -S "${consumer}" -B "${at}" -G "${GENERATOR}"
        "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}")
    run(${CMAKE_COMMAND} --build "${at}")
    run("${at}/consumer")
    if(NOT output MATCHES "^rescl [0-9]+\\.[0-9]+\\.[0-9]+\n$")
        message(FATAL_ERROR "the consumer printed: ${output}")
    endif()
endfunction()

function(consume_pkg_config prefix at)
    set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
    run(pkg-config --cflags --libs rescl)
    separate_arguments(flags UNIX_COMMAND "${output}")
    run("${C_COMPILER}" "${consumer}/consumer.c" -o "${at}/by_pkg_config" ${flags}
        "-Wl,-rpath,${prefix}/${LIBDIR}")
    run("${at}/by_pkg_config")
endfunction()

if(WORK_DIR MATCHES "[,:]")
    message(STATUS "left out: the path of a library with a comma or a colon is two to the linkers")
    return()
endif()
set(prefix "${WORK_DIR}/prefix")
set(consumer "${SOURCE_DIR}/tests/package/consumer")
file(REMOVE_RECURSE "${WORK_DIR}")
run(${CMAKE_COMMAND} --install "${BUILD_DIR}" --prefix "${prefix}")

# An installed tree may be moved: nothing in it depends on where it was put first.
file(RENAME "${prefix}" "${WORK_DIR}/moved")
set(prefix "${WORK_DIR}/moved")
consume_package("${prefix}" "${WORK_DIR}/build")
if(NOT WORK_DIR MATCHES "['\"\\]")
    consume_pkg_config("${prefix}" "${WORK_DIR}/build")
endif()

# A prefix may have any name that CMake takes.
set(odd "${WORK_DIR}/a b (c)'d $e\"f #&é")
run(${CMAKE_COMMAND} --install "${BUILD_DIR}" --prefix "${odd}")
consume_package("${odd}" "${WORK_DIR}/odd build")
consume_pkg_config("${odd}" "${WORK_DIR}/odd build")

# The name that programs are linked to: another one for each ABI.
set(soname "librescl.so.${SOVERSION}")
if(READELF AND SOVERSION)
    run(${READELF} -d "${WORK_DIR}/odd build/by_pkg_config")
    if(NOT output MATCHES "NEEDED[^\n]*\\[${soname}\\]")
        message(FATAL_ERROR "the consumer does not ask for ${soname}:\n${output}")
    endif()
endif()
if(SOVERSION AND NOT EXISTS "${prefix}/${LIBDIR}/${soname}")
    message(FATAL_ERROR "${prefix}/${LIBDIR} has no ${soname}")
endif()

if(EXISTS "${prefix}/bin/rescl")
    run("${prefix}/bin/rescl" --version)
endif()
