# A room is a folder of src/ compiled as the object library rs_<room>. Its include path has its own
# folder, those of the rooms that it may see, and the public headers: an #include against the
# direction of dependence does not compile.

set(rs_rooms "")

# rs_room(<name> SEES <room>... LIBS <target>... SOURCES <generated source>...)
# A room without sources is left out. `main.c` belongs to the program, not to the room.
function(rs_room name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEES;LIBS;SOURCES")
    set(dir "${PROJECT_SOURCE_DIR}/src/${name}")
    file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.c")
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    list(APPEND sources ${arg_SOURCES})
    if(NOT sources)
        return()
    endif()
    add_library(rs_${name} OBJECT ${sources})
    target_include_directories(rs_${name} PRIVATE "${dir}" "${PROJECT_SOURCE_DIR}/include")
    foreach(room ${arg_SEES})
        target_include_directories(rs_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src/${room}")
    endforeach()
    target_link_libraries(rs_${name} PRIVATE rs_flags ${arg_LIBS})

    set(hdf5_sources ${sources})
    list(FILTER hdf5_sources INCLUDE REGEX "_(hdf5|h5)\\.c$")
    if(hdf5_sources AND TARGET rs_dep_hdf5)
        target_link_libraries(rs_${name} PRIVATE rs_dep_hdf5)
        set_property(SOURCE ${hdf5_sources} APPEND PROPERTY COMPILE_DEFINITIONS RS_HAVE_HDF5)
    endif()
    set(rs_rooms ${rs_rooms} ${name} PARENT_SCOPE)
endfunction()
