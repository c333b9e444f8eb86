# Configures and builds the library and the program in one more way, with warnings as errors, and
# tries an install of it. Run by ctest with -P; needs SOURCE_DIR, WORK_DIR, GENERATOR, C_COMPILER,
# LAUNCHER, LIBDIR, and OPTIONS of CMake, divided by blanks.
cmake_minimum_required(VERSION 3.25)

separate_arguments(OPTIONS)
set(build "${WORK_DIR}/build")
file(REMOVE_RECURSE "${WORK_DIR}")
execute_process(COMMAND ${CMAKE_COMMAND} -S "${SOURCE_DIR}" -B "${build}" -G "${GENERATOR}"
    "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}"
    -DRESCL_WERROR=ON -DRESCL_TESTS=OFF ${OPTIONS} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${build}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} "-DBUILD_DIR=${build}" "-DSOURCE_DIR=${SOURCE_DIR}"
    "-DWORK_DIR=${WORK_DIR}/package" "-DLIBDIR=${LIBDIR}" "-DGENERATOR=${GENERATOR}"
    "-DC_COMPILER=${C_COMPILER}" -P "${SOURCE_DIR}/tests/package/install.cmake"
    COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE "${WORK_DIR}")
