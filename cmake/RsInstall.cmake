# What `cmake --install` puts where: the library, its headers, the program, the recipes, and what
# pkg-config and find_package(rescl) read.
if(NOT TARGET rescl)
    return()
endif()
include(CMakePackageConfigHelpers)

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
