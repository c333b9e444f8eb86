# What `cmake --install` puts where: the library, its headers, the program, the recipes, and what
# pkg-config and find_package(rescl) read.
if(NOT TARGET rescl)
    return()
endif()
include(CMakePackageConfigHelpers)

# Who links an archive links what it needs. The installed package finds it again.
set(rs_package_needs "")
set(rs_pc_requires "")
set(rs_pc_libs "")
if(NOT BUILD_SHARED_LIBS)
    get_property(rs_modules GLOBAL PROPERTY RS_MODULES)
    list(REMOVE_ITEM rs_modules cmocka)
    list(JOIN rs_modules " " rs_pc_requires)
    set(others ${CMAKE_DL_LIBS})
    if(RS_MATH_LIBRARY)
        list(APPEND others m)
    endif()
    if(TARGET rs_dep_hdf5 AND NOT rs_hdf5_FOUND)
        list(APPEND others ${HDF5_C_LIBRARIES})
    endif()
    foreach(library PkgConfig::rescl_needs OpenCL::OpenCL Threads::Threads ${others})
        target_link_libraries(rescl INTERFACE $<INSTALL_INTERFACE:$<LINK_ONLY:${library}>>)
    endforeach()
    list(TRANSFORM others REPLACE "^([^/]+)$" "-l\\1")
    list(JOIN others " " others)
    set(rs_pc_libs "-lOpenCL ${others} -pthread")
    set(rs_package_needs "include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(OpenCL)
find_dependency(PkgConfig)
pkg_check_modules(rescl_needs QUIET IMPORTED_TARGET ${rs_pc_requires})
if(NOT rescl_needs_FOUND)
    set(rescl_FOUND FALSE)
    set(rescl_NOT_FOUND_MESSAGE
        \"pkg-config does not find all that librescl.a needs: ${rs_pc_requires}\")
    return()
endif()
")
endif()

set(rs_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rescl")
add_library(rescl::rescl ALIAS rescl)
install(TARGETS rescl EXPORT rescl-targets)
if(TARGET rescl_program)
    install(TARGETS rescl_program)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/rescl" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs" DESTINATION "${CMAKE_INSTALL_DATADIR}/rescl")
install(EXPORT rescl-targets NAMESPACE rescl:: DESTINATION "${rs_package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/packaging/rescl-config.cmake.in"
    "${PROJECT_BINARY_DIR}/rescl-config.cmake" INSTALL_DESTINATION "${rs_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/rescl-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/rescl-config.cmake"
    "${PROJECT_BINARY_DIR}/rescl-config-version.cmake" DESTINATION "${rs_package_dir}")

file(RELATIVE_PATH rs_pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${PROJECT_SOURCE_DIR}/packaging/rescl.pc.in" "${PROJECT_BINARY_DIR}/rescl.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/rescl.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
# In ${pcfiledir} pkg-config takes quotes and backslashes for its own: a prefix that has some is written
# into the installed file, escaped.
install(CODE "set(rs_pc \"${CMAKE_INSTALL_LIBDIR}/pkgconfig/rescl.pc\")
set(rs_pc_to_prefix \"${rs_pc_to_prefix}\")")
install(CODE [==[
    if(CMAKE_INSTALL_PREFIX MATCHES "['\"\\]")
        set(rs_pc "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${rs_pc}")
        string(REGEX REPLACE "([^A-Za-z0-9/._-])" [[\\\1]] prefix "${CMAKE_INSTALL_PREFIX}")
        file(READ "${rs_pc}" text)
        string(REPLACE "\${pcfiledir}/${rs_pc_to_prefix}" "${prefix}" text "${text}")
        file(WRITE "${rs_pc}" "${text}")
    endif()
]==])
