# A room is a folder of src/ compiled as the object library rs_<room>. Its include path has its own
# folder, those of the rooms that it may see, and the public headers: an #include against the
# direction of dependence does not compile.

set(rs_rooms "")

# The sources of a room that use an optional library, by their names, are told whether it is there.
function(rs_optional room library pattern)
    set(sources ${ARGN})
    list(FILTER sources INCLUDE REGEX "${pattern}")
    if(sources AND TARGET rs_dep_${library})
        string(TOUPPER ${library} upper)
        target_link_libraries(rs_${room} PRIVATE rs_dep_${library})
        set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_DEFINITIONS RS_HAVE_${upper})
    endif()
endfunction()

# rs_room(<name> SEES <room>... LIBS <target>... SOURCES <generated source>... PLAIN <stem>...)
# A room without sources is left out. `main.c` belongs to the program, not to the room. The PLAIN
# sources of a room are an object library of their own, rs_<name>_plain, that the program links
# beside the library: they keep no state and need nothing but the C library.
function(rs_room name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEES;LIBS;SOURCES;PLAIN")
    set(dir "${PROJECT_SOURCE_DIR}/src/${name}")
    file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.c")
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    list(APPEND sources ${arg_SOURCES})
    if(NOT sources)
        return()
    endif()
    if(arg_PLAIN)
        list(TRANSFORM arg_PLAIN PREPEND "${dir}/")
        list(TRANSFORM arg_PLAIN APPEND .c)
        list(REMOVE_ITEM sources ${arg_PLAIN})
        add_library(rs_${name}_plain OBJECT ${arg_PLAIN})
        target_include_directories(rs_${name}_plain PRIVATE "${dir}" "${PROJECT_SOURCE_DIR}/include")
        target_link_libraries(rs_${name}_plain PRIVATE rs_flags)
        list(APPEND rs_rooms ${name}_plain)
    endif()
    add_library(rs_${name} OBJECT ${sources})
    target_include_directories(rs_${name} PRIVATE "${dir}" "${PROJECT_SOURCE_DIR}/include")
    foreach(room ${arg_SEES})
        target_include_directories(rs_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src/${room}")
    endforeach()
    target_link_libraries(rs_${name} PRIVATE rs_flags ${arg_LIBS})

    rs_optional(${name} hdf5 "_(hdf5|h5)\\.c$" ${sources})
    rs_optional(${name} jpeg "/jpeg(write)?\\.c$" ${sources})
    rs_optional(${name} webp "/webp\\.c$" ${sources})
    rs_optional(${name} tiff "/tiff\\.c$" ${sources})
    rs_optional(${name} zip "/zipfile\\.c$" ${sources})
    rs_optional(${name} mpi "/exchange_mpi\\.c$" ${sources})
    set(rs_rooms ${rs_rooms} ${name} PARENT_SCOPE)
endfunction()
