# The target "pack", of the preset of that name: a folder that runs where it is put, with the program,
# the library, the tests of the rooms that see a device, what they link, and bench/gpu/session, which
# does there all that a GPU is wanted for. packaging/pack.cmake fills it.
if(NOT RESCL_PACK)
    return()
endif()
if(NOT BUILD_SHARED_LIBS OR NOT TARGET rescl_program OR NOT RESCL_TESTS)
    message(FATAL_ERROR "RESCL_PACK wants BUILD_SHARED_LIBS and RESCL_TESTS")
endif()

set(rs_packed_tests "")
foreach(room device op nn lab)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${room}/test_*.c")
    foreach(source ${sources})
        get_filename_component(program "${source}" NAME_WE)
        list(APPEND rs_packed_tests ${program})
    endforeach()
endforeach()
set(rs_packed_files "")
foreach(program ${rs_packed_tests})
    list(APPEND rs_packed_files "$<TARGET_FILE:${program}>")
endforeach()
add_custom_target(pack
    COMMAND ${CMAKE_COMMAND} "-DFOLDER=${PROJECT_BINARY_DIR}/rescl-pack"
        "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DPROGRAM=$<TARGET_FILE:rescl_program>"
        "-DLIBRARY=$<TARGET_FILE:rescl>" "-DSONAME=$<TARGET_SONAME_FILE_NAME:rescl>"
        "-DTESTS=${rs_packed_files}" "-DSTRIP=${CMAKE_STRIP}"
        "-DLIST_KERNELS=$<TARGET_FILE:list_kernels>"
        -P "${PROJECT_SOURCE_DIR}/packaging/pack.cmake"
    VERBATIM)
add_dependencies(pack rescl rescl_program list_kernels ${rs_packed_tests})
