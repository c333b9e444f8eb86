# What is made of the rooms: librescl.so (or librescl.a), the program, and the library the tests link.
set(rs_library_rooms ${rs_rooms})
list(REMOVE_ITEM rs_library_rooms cli)
list(TRANSFORM rs_library_rooms PREPEND rs_)

if(rs_library_rooms)
    add_library(rescl)
    if(BUILD_SHARED_LIBS)
        target_link_libraries(rescl PRIVATE ${rs_library_rooms} rs_flags)
    else()
        # Who links an archive links what it needs: here; for an installed one see RsInstall.cmake.
        foreach(room ${rs_library_rooms})
            target_sources(rescl PRIVATE $<TARGET_OBJECTS:${room}>)
            target_link_libraries(rescl INTERFACE
                $<BUILD_INTERFACE:$<LINK_ONLY:$<TARGET_PROPERTY:${room},LINK_LIBRARIES>>>)
        endforeach()
    endif()
    target_include_directories(rescl INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    # A new major version may change the ABI; before 1.0 a new minor version may, too.
    set(soversion ${PROJECT_VERSION_MAJOR})
    if(soversion EQUAL 0)
        string(APPEND soversion ".${PROJECT_VERSION_MINOR}")
    endif()
    set_target_properties(rescl PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${soversion}
        LINKER_LANGUAGE C)
    if(BUILD_SHARED_LIBS AND NOT RESCL_PARTIAL AND NOT RESCL_SANITIZE AND UNIX AND NOT APPLE)
        target_link_options(rescl PRIVATE -Wl,-z,defs)
    endif()
endif()

# The program links the library and the plain part of base: what else it calls is public, or with
# the shared library it does not link.
if(TARGET rs_cli AND EXISTS "${PROJECT_SOURCE_DIR}/src/cli/main.c")
    add_executable(rescl_program "${PROJECT_SOURCE_DIR}/src/cli/main.c")
    target_include_directories(rescl_program PRIVATE "${PROJECT_SOURCE_DIR}/src/cli")
    target_link_libraries(rescl_program PRIVATE rs_cli rs_base_plain rescl rs_flags)
    set_target_properties(rescl_program PROPERTIES OUTPUT_NAME rescl
        INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR}" BUILD_WITH_INSTALL_RPATH ON)
endif()

# Each file of examples/ is a program that uses the library as any other program would.
file(GLOB rs_examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
foreach(source ${rs_examples})
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} "${source}")
    target_link_libraries(${name} PRIVATE rescl rs_flags rs_dep_math)
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
endforeach()
