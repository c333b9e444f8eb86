# Third-party libraries, each as an interface target rs_dep_<name>. What is missing is reported
# all at once; scripts/setup knows the package names. The global property RS_MODULES lists the
# pkg-config modules that were taken.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
set(rs_missing "")

# rs_pkg(<name> <title> <pkg-config module>...): the first module that exists.
function(rs_pkg name title)
    foreach(module ${ARGN})
        pkg_check_modules(rs_${name} QUIET IMPORTED_TARGET ${module})
        if(rs_${name}_FOUND)
            add_library(rs_dep_${name} INTERFACE)
            target_link_libraries(rs_dep_${name} INTERFACE PkgConfig::rs_${name})
            set_property(GLOBAL APPEND PROPERTY RS_MODULES ${module})
            message(STATUS "${title}: ${rs_${name}_VERSION}")
            return()
        endif()
    endforeach()
    list(APPEND rs_missing "${title}")
    set(rs_missing "${rs_missing}" PARENT_SCOPE)
endfunction()

rs_pkg(clblast CLBlast clblast)
rs_pkg(png libpng libpng)
rs_pkg(zlib zlib zlib)
rs_pkg(jansson jansson jansson)
rs_pkg(xxhash xxHash libxxhash)
if(RESCL_TESTS)
    rs_pkg(cmocka cmocka cmocka)
endif()

find_package(OpenCL QUIET)
if(OpenCL_FOUND)
    add_library(rs_dep_opencl INTERFACE)
    target_link_libraries(rs_dep_opencl INTERFACE OpenCL::OpenCL)
    target_compile_definitions(rs_dep_opencl INTERFACE CL_TARGET_OPENCL_VERSION=120)
else()
    list(APPEND rs_missing "OpenCL ICD loader and headers")
endif()

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h)
if(RANDOM123_INCLUDE_DIR)
    add_library(rs_dep_random123 INTERFACE)
    target_include_directories(rs_dep_random123 SYSTEM INTERFACE ${RANDOM123_INCLUDE_DIR})
else()
    list(APPEND rs_missing "Random123")
endif()

add_library(rs_dep_math INTERFACE)
find_library(RS_MATH_LIBRARY m)
if(RS_MATH_LIBRARY)
    target_link_libraries(rs_dep_math INTERFACE m)
endif()

# HDF5 is optional. Only the files named *_hdf5.c and *_h5.c may use it; each has a stub for
# builds without it.
if(NOT RESCL_WITH_HDF5 STREQUAL "OFF")
    pkg_search_module(rs_hdf5 QUIET IMPORTED_TARGET hdf5-serial hdf5)
    if(rs_hdf5_FOUND)
        set_property(GLOBAL APPEND PROPERTY RS_MODULES ${rs_hdf5_MODULE_NAME})
        add_library(rs_dep_hdf5 INTERFACE)
        target_link_libraries(rs_dep_hdf5 INTERFACE PkgConfig::rs_hdf5)
        message(STATUS "HDF5: ${rs_hdf5_VERSION}")
    else()
        find_package(HDF5 QUIET COMPONENTS C)
        if(HDF5_FOUND)
            add_library(rs_dep_hdf5 INTERFACE)
            target_include_directories(rs_dep_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
            target_link_libraries(rs_dep_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
            message(STATUS "HDF5: ${HDF5_VERSION}")
        endif()
    endif()
    if(TARGET rs_dep_hdf5)
        # What 1.12 and later changed in their functions is not used: all versions serve alike.
        target_compile_definitions(rs_dep_hdf5 INTERFACE H5_USE_110_API)
    elseif(RESCL_WITH_HDF5 STREQUAL "ON")
        list(APPEND rs_missing "HDF5")
    else()
        message(STATUS "HDF5: not found, built without (RESCL_WITH_HDF5=AUTO)")
    endif()
endif()

# An optional library that pkg-config knows as `module`, for RESCL_WITH_<option>: rs_dep_<name>. A fourth
# argument is the least version.
macro(rs_optional_module name module option)
    if(NOT RESCL_WITH_${option} STREQUAL "OFF")
        if("${ARGN}" STREQUAL "")
            pkg_check_modules(rs_${name} QUIET IMPORTED_TARGET ${module})
        else()
            pkg_check_modules(rs_${name} QUIET IMPORTED_TARGET "${module}>=${ARGN}")
        endif()
        if(rs_${name}_FOUND)
            add_library(rs_dep_${name} INTERFACE)
            target_link_libraries(rs_dep_${name} INTERFACE PkgConfig::rs_${name})
            set_property(GLOBAL APPEND PROPERTY RS_MODULES ${module})
            message(STATUS "${module}: ${rs_${name}_VERSION}")
        elseif(RESCL_WITH_${option} STREQUAL "ON")
            string(JOIN " " rs_wanted ${module} ${ARGN})
            list(APPEND rs_missing "${rs_wanted}")
        else()
            message(STATUS "${module}: not found, built without (RESCL_WITH_${option}=AUTO)")
        endif()
    endif()
endmacro()

rs_optional_module(jpeg libjpeg JPEG)       # for jpeg.c alone
rs_optional_module(webp libwebp WEBP)       # for webp.c alone
rs_optional_module(tiff libtiff-4 TIFF 4.5) # for tiff.c alone; since 4.5 each file has its messages
rs_optional_module(zip libzip ZIP)          # for zipfile.c alone

# For exchange_mpi.c alone: Debian's own name for the MPI that is the default, Open MPI's, MPICH's.
if(NOT RESCL_WITH_MPI STREQUAL "OFF")
    pkg_search_module(rs_mpi QUIET IMPORTED_TARGET mpi-c ompi-c mpich)
    if(rs_mpi_FOUND)
        add_library(rs_dep_mpi INTERFACE)
        target_link_libraries(rs_dep_mpi INTERFACE PkgConfig::rs_mpi)
        set_property(GLOBAL APPEND PROPERTY RS_MODULES ${rs_mpi_MODULE_NAME})
        message(STATUS "MPI: ${rs_mpi_MODULE_NAME} ${rs_mpi_VERSION}")
    elseif(RESCL_WITH_MPI STREQUAL "ON")
        list(APPEND rs_missing "MPI")
    else()
        message(STATUS "MPI: not found, built without (RESCL_WITH_MPI=AUTO)")
    endif()
endif()

# The optional libraries; rescl_features() lists those that were found.
set(rs_optional_libraries hdf5 jpeg webp tiff zip mpi)
set(features "")
foreach(library ${rs_optional_libraries})
    if(TARGET rs_dep_${library})
        string(APPEND features "\"${library}\", ")
    endif()
endforeach()
set_property(SOURCE "${PROJECT_SOURCE_DIR}/src/base/version.c"
    PROPERTY COMPILE_DEFINITIONS "RS_FEATURES=${features}")

if(rs_missing)
    list(JOIN rs_missing ", " rs_missing)
    message(FATAL_ERROR "Not found: ${rs_missing}.\n"
        "scripts/setup installs what rescl needs, or names the packages of your system.")
endif()
