# Fills the folder of the target "pack" (cmake/RsPack.cmake), and packs it as one file beside it.
set(most_bytes 33554432) # what is carried to a machine by hand stays small

file(REMOVE_RECURSE "${FOLDER}")
file(INSTALL "${PROGRAM}" DESTINATION "${FOLDER}/bin" USE_SOURCE_PERMISSIONS)
file(INSTALL ${TESTS} DESTINATION "${FOLDER}/tests" USE_SOURCE_PERMISSIONS)
file(MAKE_DIRECTORY "${FOLDER}/lib")
configure_file("${LIBRARY}" "${FOLDER}/lib/${SONAME}" COPYONLY)

# What they link, but for the C library's own and the compiler's: those of the other machine may be newer,
# and must not be hidden from its drivers.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES "${PROGRAM}" ${TESTS} LIBRARIES "${LIBRARY}"
    RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
    PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|mvec|stdc[+][+]|gcc_s)[.]so" "^${SONAME}$")
if(missing)
    message(FATAL_ERROR "pack: these libraries are not found: ${missing}")
endif()
foreach(library ${found})
    get_filename_component(name "${library}" NAME)
    configure_file("${library}" "${FOLDER}/lib/${name}" COPYONLY)
endforeach()

file(GLOB binaries "${FOLDER}/bin/*" "${FOLDER}/lib/*" "${FOLDER}/tests/*")
execute_process(COMMAND "${STRIP}" ${binaries} COMMAND_ERROR_IS_FATAL ANY)

file(GLOB scripts "${SOURCE_DIR}/bench/gpu/*")
file(INSTALL ${scripts} DESTINATION "${FOLDER}" USE_SOURCE_PERMISSIONS)
file(GLOB peers "${SOURCE_DIR}/bench/peers/*.py")
file(INSTALL ${peers} DESTINATION "${FOLDER}/peers" USE_SOURCE_PERMISSIONS)
file(INSTALL "${SOURCE_DIR}/cl" DESTINATION "${FOLDER}")

# For a driver without OpenCL: the kernels of a training step, compiled by what is here.
execute_process(COMMAND "${LIST_KERNELS}" nv:sm_90 resnet50 OUTPUT_FILE "${FOLDER}/kernels.list"
    RESULT_VARIABLE failed)
if(NOT failed)
    execute_process(COMMAND "${SOURCE_DIR}/scripts/offline-gpu-check" -p "${FOLDER}/ptx" -l
        "${FOLDER}/kernels.list" nv:sm_90)
endif()

file(GLOB_RECURSE files "${FOLDER}/*")
set(bytes 0)
foreach(file ${files})
    file(SIZE "${file}" size)
    math(EXPR bytes "${bytes} + ${size}")
endforeach()
get_filename_component(parent "${FOLDER}" DIRECTORY)
get_filename_component(name "${FOLDER}" NAME)
execute_process(COMMAND "${CMAKE_COMMAND}" -E tar czf "${name}.tar.gz" "${name}"
    WORKING_DIRECTORY "${parent}" COMMAND_ERROR_IS_FATAL ANY)
if(bytes GREATER most_bytes)
    message(FATAL_ERROR "pack: ${FOLDER} has ${bytes} bytes, more than ${most_bytes}")
endif()
message(STATUS "pack: ${FOLDER} (${bytes} bytes) and ${name}.tar.gz")
