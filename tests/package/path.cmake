# Builds a copy of the tree in a folder with an odd name, where the tests that handle paths pass. Run by
# ctest with -P; needs SOURCE_DIR, WORK_DIR, GENERATOR, C_COMPILER, CTEST and, if there is one, LAUNCHER.
cmake_minimum_required(VERSION 3.25)

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output
        ERROR_VARIABLE output COMMAND_ECHO STDOUT)
    set(output "${output}" PARENT_SCOPE)
    set(result "${result}" PARENT_SCOPE)
endfunction()

function(must)
    run(${ARGN})
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${ARGN}\nfailed (${result}):\n${output}")
    endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
set(tree "${WORK_DIR}/a b, (c)'d $e%f&@g@é:h")
foreach(entry CMakeLists.txt cl cmake configs examples include packaging src tests)
    file(COPY "${SOURCE_DIR}/${entry}" DESTINATION "${tree}"
        PATTERN corpus EXCLUDE PATTERN golden EXCLUDE)
endforeach()
must(${CMAKE_COMMAND} -S "${tree}" -B "${tree}/build" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Debug
    "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}")
must(${CMAKE_COMMAND} --build "${tree}/build" --parallel
    --target rescl_program test_cache test_source test_zipfile predict_images)
must("${CTEST}" --test-dir "${tree}/build" --output-on-failure --no-tests=error
    -R "^(device.cache|device.source|file.zipfile|cli.config|cli.output|package.(headers|install|symbols))$")
run("${tree}/build/examples/predict_images")
if(NOT output MATCHES "^usage: ")
    message(FATAL_ERROR "expected the usage of an example:\n${output}")
endif()

# What CMake itself cannot build is refused with the reason.
foreach(character "#" "[1]" "|")
    set(tree "${WORK_DIR}/refused${character}")
    file(REMOVE_RECURSE "${WORK_DIR}/refused") # it belongs to one tree
    file(COPY "${SOURCE_DIR}/CMakeLists.txt" DESTINATION "${tree}")
    run(${CMAKE_COMMAND} -S "${tree}" -B "${WORK_DIR}/refused")
    if(result EQUAL 0 OR NOT output MATCHES "CMake cannot build in")
        message(FATAL_ERROR "expected '${character}' to be refused:\n${output}")
    endif()
endforeach()
file(REMOVE_RECURSE "${WORK_DIR}")
