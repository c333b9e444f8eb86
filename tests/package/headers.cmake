# Compiles each public header by itself, as C11 and as C++11, with warnings as errors. Run by ctest
# with -P; needs INCLUDE, WORK_DIR and C_COMPILER; CXX_COMPILER may be missing.
cmake_minimum_required(VERSION 3.25)

function(compile header suffix)
    set(source "${WORK_DIR}/${header}.${suffix}")
    file(WRITE "${source}" "#include <rescl/${header}>\n")
    execute_process(COMMAND ${ARGN} -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Werror
        "-I${INCLUDE}" "${source}" RESULT_VARIABLE result ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        message(SEND_ERROR "<rescl/${header}> does not compile with ${ARGN}:\n${output}")
    endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
file(GLOB headers RELATIVE "${INCLUDE}/rescl" "${INCLUDE}/rescl/*.h")
foreach(header ${headers})
    compile(${header} c "${C_COMPILER}" -std=c11)
    if(CXX_COMPILER)
        compile(${header} cpp "${CXX_COMPILER}" -std=c++11)
    endif()
endforeach()
if(NOT CXX_COMPILER)
    message(STATUS "there is no C++ compiler: the headers were compiled as C alone")
endif()
