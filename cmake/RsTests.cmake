# Tests mirror src/: tests/<room>/test_<x>.c is one program and one ctest "<room>.<x>", labelled
# with its room. Every other .c there and in tests/support is shared by all of them.
# tests/<room>/*.sh are ctests of the program; tests/package tries an install. A test that exits
# with 77 was skipped.
#
# The tests below have the label "slow" too. The others are the quick set, which scripts/test runs by
# default: on two cores together under 90 s with compiled kernels in the cache, a minute more without;
# no room is without one. No test, slow or not, takes more than 2 GB.
set(rs_slow_tests
    cli.splits
    cli.transfer
    data.signs_h5
    examples.five_uses
    fault.commands
    file.safetensors
    fuzz.run
    io.misfit
    model.devices
    model.resnet_family
    op.batchnorm.bf16
    op.batchnorm.f16
    op.batchnorm.gpu.bf16
    op.conv2d.bf16
    op.conv2d.f16
    op.conv2d.gpu
    op.conv2d.gpu.bf16
    op.conv2d.mma_gemm.nv.bf16
    op.conv2d.packed_gemm.x86_bf16
    op.conv2d.packed_gemm.x86_amx
    op.conv2d.packed_gemm.arm_bf16
    op.conv2d.packed_gemm.width4
    op.conv2d.packed_gemm.width8
    op.conv2d.simt_gemm.item1
    op.conv2d.simt_gemm.units132
    op.conv2d.tuned
    op.conv2d.winograd.width4
    op.conv2d.winograd.width4.unit1
    op.conv2d.winograd.width8
    op.conv2d_packed.x86_bf16
    op.conv2d_packed.x86_amx
    op.conv2d_packed.arm_bf16
    op.conv2d_shapes
    op.conv2d_shapes.gpu
    op.conv2d_shapes.packed_gemm.width4
    op.conv2d_shapes.packed_gemm.width8
    op.conv2d_shapes.winograd.width4
    op.conv2d_shapes.winograd.width8
    op.dense.bf16
    op.dense.f16
    nn.recompute.gpu
    op.dense.gpu
    op.dense.tuned
    train.gpu_class
    train.kill_resume
    train.resume
    train.saliency
    train.several)

# These have the label "exhaustive": each call of each job, or each allocation, fails once, resnet50 is
# trained by the kernels for GPUs, each engine's products are emulated in each type, and every program is
# compiled for cards that are not here. More than an hour together; slow tests take samples of the same.
set(rs_exhaustive_tests
    cli.selftest_all
    fault.commands_all
    fault.jobs.all
    fault.memory_all
    offline.kernels
    op.conv2d.mma_gemm.dpas16.bf16
    op.conv2d.mma_gemm.dpas8.bf16
    op.conv2d.mma_gemm.mfma.bf16
    op.conv2d.mma_gemm.nv.f16
    op.conv2d.mma_gemm.nv.f32
    op.conv2d.mma_gemm.wmma.bf16
    op.conv2d_shapes.packed_gemm.x86_bf16
    op.conv2d.packed_gemm.x86_amx.width4
    op.conv2d.packed_gemm.x86_amx.width8
    op.conv2d_shapes.packed_gemm.x86_amx
    op.conv2d.packed_gemm.arm_bf16.width4
    op.conv2d.packed_gemm.arm_bf16.width8
    op.conv2d_shapes.packed_gemm.arm_bf16
    train.gpu_class.all)

set(rs_test_rooms base file tensor device op nn model data io lab train cli)
set(rs_test_includes "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/tests/support")
foreach(room ${rs_test_rooms})
    list(APPEND rs_test_includes "${PROJECT_SOURCE_DIR}/src/${room}"
        "${PROJECT_SOURCE_DIR}/tests/${room}")
endforeach()

# The rooms as a static library, in which hidden symbols can be reached.
set(rs_all_rooms ${rs_rooms})
list(TRANSFORM rs_all_rooms PREPEND rs_)
add_library(rescl_test_support STATIC)
target_link_libraries(rescl_test_support PUBLIC ${rs_all_rooms} rs_flags)
target_include_directories(rescl_test_support PUBLIC ${rs_test_includes})
string(REPLACE "\"" "\\\"" rs_source_dir_in_c "${PROJECT_SOURCE_DIR}")
target_compile_definitions(rescl_test_support INTERFACE
    RESCL_TEST_SOURCE_DIR="${rs_source_dir_in_c}")
set_target_properties(rescl_test_support PROPERTIES LINKER_LANGUAGE C)

set(rs_test_libs rescl_test_support rs_dep_cmocka rs_dep_jansson rs_dep_png rs_dep_math
    Threads::Threads)
foreach(library ${rs_optional_libraries})
    if(TARGET rs_dep_${library})
        string(TOUPPER ${library} upper)
        list(APPEND rs_test_libs rs_dep_${library})
        target_compile_definitions(rescl_test_support INTERFACE RS_HAVE_${upper})
    endif()
endforeach()

set(globs "${PROJECT_SOURCE_DIR}/tests/support/*.c")
foreach(room ${rs_test_rooms})
    list(APPEND globs "${PROJECT_SOURCE_DIR}/tests/${room}/*.c")
endforeach()
file(GLOB rs_test_helpers CONFIGURE_DEPENDS ${globs})
set(rs_test_programs ${rs_test_helpers})
list(FILTER rs_test_helpers EXCLUDE REGEX "/test_[^/]*\\.c$")
list(FILTER rs_test_programs INCLUDE REGEX "/test_[^/]*\\.c$")

if(rs_test_helpers)
    add_library(rescl_test_helpers STATIC ${rs_test_helpers})
    target_link_libraries(rescl_test_helpers PUBLIC ${rs_test_libs})
    list(PREPEND rs_test_libs rescl_test_helpers)
endif()

# Tests keep to the build folder: caches there stay warm between runs, and nothing in the user's
# home, nor what was measured for this class of devices, changes what a test does. That kernels are right is
# for the tests of operations; those of the self-test turn it on.
set(rs_test_dir "${PROJECT_BINARY_DIR}/test-files")
file(MAKE_DIRECTORY "${rs_test_dir}/cache/rescl" "${rs_test_dir}/cache/pocl" "${rs_test_dir}/tmp")
# A cache that others may write is not used.
file(CHMOD "${rs_test_dir}/cache/rescl" "${rs_test_dir}/cache/pocl"
    PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
set(rs_test_env
    "RESCL_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "RESCL_CACHE_DIR=${rs_test_dir}/cache/rescl"
    "RESCL_SELFTEST=off"
    "RESCL_TUNE=off"
    "POCL_CACHE_DIR=${rs_test_dir}/cache/pocl"
    "TMPDIR=${rs_test_dir}/tmp")
if(RESCL_SANITIZE)
    set(support "${PROJECT_SOURCE_DIR}/tests/support")
    list(APPEND rs_test_env
        "LSAN_OPTIONS=suppressions=\"${support}/lsan.supp\":print_suppressions=0"
        "TSAN_OPTIONS=suppressions=\"${support}/tsan.supp\""
        "UBSAN_OPTIONS=print_stacktrace=1")
endif()

# The time limit ends what hangs, also on a machine that is busy with something else.
function(rs_test_properties name label)
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 3600 SKIP_RETURN_CODE 77
        ENVIRONMENT "${rs_test_env}" WORKING_DIRECTORY "${rs_test_dir}/tmp")
    # The slow ones, then those of whole networks, which compile the most kernels, start first.
    if(name IN_LIST rs_exhaustive_tests)
        set_tests_properties(${name} PROPERTIES LABELS "${label};exhaustive")
    elseif(name IN_LIST rs_slow_tests)
        set_tests_properties(${name} PROPERTIES LABELS "${label};slow" COST 100)
    elseif(label STREQUAL "model")
        set_tests_properties(${name} PROPERTIES COST 60)
    elseif(label STREQUAL "device")
        set_tests_properties(${name} PROPERTIES COST 20)
    endif()
endfunction()

foreach(source ${rs_test_programs})
    get_filename_component(program "${source}" NAME_WE)
    get_filename_component(dir "${source}" DIRECTORY)
    get_filename_component(room "${dir}" NAME)
    string(REGEX REPLACE "^test_" "${room}." name "${program}")
    add_executable(${program} "${source}")
    target_link_libraries(${program} PRIVATE ${rs_test_libs})
    set_target_properties(${program} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    add_test(NAME ${name} COMMAND ${program})
    rs_test_properties(${name} ${room})
endforeach()

add_test(NAME nn.recompute.gpu COMMAND test_recompute gpu)
rs_test_properties(nn.recompute.gpu nn)
add_test(NAME train.gpu_class.all COMMAND test_gpu_class all)
rs_test_properties(train.gpu_class.all train)

# tests/fault: programs in which OpenCL calls fail, by a library of its own that stands between rescl
# and the OpenCL loader: it is linked first, or preloaded (tests/fault/faultcl.h).
if(NOT APPLE)
    add_library(rescl_fault SHARED "${PROJECT_SOURCE_DIR}/tests/fault/faultcl.c")
    target_link_libraries(rescl_fault PRIVATE rs_flags rs_dep_opencl ${CMAKE_DL_LIBS})
    target_include_directories(rescl_fault INTERFACE "${PROJECT_SOURCE_DIR}/tests/fault")
    set_target_properties(rescl_fault PROPERTIES
        C_VISIBILITY_PRESET default LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    file(GLOB rs_fault_programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fault/test_*.c")
    foreach(source ${rs_fault_programs})
        get_filename_component(program "${source}" NAME_WE)
        string(REGEX REPLACE "^test_" "fault." name "${program}")
        add_executable(${program} "${source}")
        target_link_libraries(${program} PRIVATE rescl_fault ${rs_test_libs})
        set_target_properties(${program} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
        add_test(NAME ${name} COMMAND ${program})
        rs_test_properties(${name} fault)
    endforeach()
    add_test(NAME fault.jobs.all COMMAND test_jobs all)
    rs_test_properties(fault.jobs.all fault)

    # Between rescl and the allocator; a sanitizer has one of its own.
    if(NOT RESCL_SANITIZE)
        add_library(rescl_fault_malloc SHARED "${PROJECT_SOURCE_DIR}/tests/fault/faultmalloc.c")
        target_link_libraries(rescl_fault_malloc PRIVATE rs_flags ${CMAKE_DL_LIBS})
        set_target_properties(rescl_fault_malloc PROPERTIES
            C_VISIBILITY_PRESET default LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    endif()
endif()

include("${PROJECT_SOURCE_DIR}/tests/op/widths.cmake")

if(TARGET rescl_program)
    file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/*.sh")
    foreach(script ${scripts})
        get_filename_component(name "${script}" NAME_WE)
        get_filename_component(dir "${script}" DIRECTORY)
        get_filename_component(room "${dir}" NAME)
        string(PREPEND name "${room}.")
        add_test(NAME ${name} COMMAND sh "${script}")
        rs_test_properties(${name} ${room})
        set_property(TEST ${name} APPEND PROPERTY
            ENVIRONMENT "RESCL=$<TARGET_FILE:rescl_program>"
            "RESCL_EXAMPLES=${PROJECT_BINARY_DIR}/examples"
            "RESCL_FAULT=${PROJECT_BINARY_DIR}/tests/librescl_fault.so"
            "RESCL_FAULT_MALLOC=${PROJECT_BINARY_DIR}/tests/librescl_fault_malloc.so")
    endforeach()
endif()

# What an install gives: only of a plain build, for a sanitizer's needs the whole program.
if(TARGET rescl AND NOT RESCL_SANITIZE AND NOT RESCL_COVERAGE)
    add_test(NAME package.install COMMAND ${CMAKE_COMMAND}
        "-DBUILD_DIR=${PROJECT_BINARY_DIR}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
        "-DWORK_DIR=${rs_test_dir}/package" "-DLIBDIR=${CMAKE_INSTALL_LIBDIR}"
        "-DGENERATOR=${CMAKE_GENERATOR}" "-DC_COMPILER=${CMAKE_C_COMPILER}"
        "-DSOVERSION=$<$<BOOL:${BUILD_SHARED_LIBS}>:${soversion}>" "-DREADELF=${CMAKE_READELF}"
        -P "${PROJECT_SOURCE_DIR}/tests/package/install.cmake")
    rs_test_properties(package.install package)
    if(BUILD_SHARED_LIBS)
        add_test(NAME package.symbols COMMAND ${CMAKE_COMMAND}
            "-DNM=${CMAKE_NM}" "-DLIBRARY=$<TARGET_FILE:rescl>"
            "-DHEADERS=${PROJECT_SOURCE_DIR}/include/rescl"
            -P "${PROJECT_SOURCE_DIR}/tests/package/symbols.cmake")
        rs_test_properties(package.symbols package)
    endif()

    list(APPEND rs_slow_tests package.path)
    add_test(NAME package.path COMMAND ${CMAKE_COMMAND}
        "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DWORK_DIR=${rs_test_dir}/path"
        "-DGENERATOR=${CMAKE_GENERATOR}" "-DC_COMPILER=${CMAKE_C_COMPILER}"
        "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DCTEST=${CMAKE_CTEST_COMMAND}"
        -P "${PROJECT_SOURCE_DIR}/tests/package/path.cmake")
    rs_test_properties(package.path package)

    # The library and the program in other ways, each with warnings as errors, installed and used.
    list(APPEND rs_slow_tests package.clang package.least package.lto package.static)
    find_program(RESCL_CLANG clang)
    function(rs_variant name compiler)
        list(JOIN ARGN " " options)
        add_test(NAME package.${name} COMMAND ${CMAKE_COMMAND}
            "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DWORK_DIR=${rs_test_dir}/${name}"
            "-DGENERATOR=${CMAKE_GENERATOR}" "-DC_COMPILER=${compiler}"
            "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DLIBDIR=${CMAKE_INSTALL_LIBDIR}"
            "-DOPTIONS=${options}" -P "${PROJECT_SOURCE_DIR}/tests/package/variant.cmake")
        rs_test_properties(package.${name} package)
    endfunction()
    rs_variant(lto "${CMAKE_C_COMPILER}" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON)
    rs_variant(static "${CMAKE_C_COMPILER}" -DBUILD_SHARED_LIBS=OFF -DCMAKE_UNITY_BUILD=ON
        -DCMAKE_BUILD_TYPE=MinSizeRel)
    rs_variant(least "${CMAKE_C_COMPILER}" -DCMAKE_BUILD_TYPE=Debug -DRESCL_WITH_HDF5=OFF
        -DRESCL_WITH_JPEG=OFF -DRESCL_WITH_WEBP=OFF -DRESCL_WITH_TIFF=OFF -DRESCL_WITH_ZIP=OFF
        -DRESCL_WITH_MPI=OFF)
    if(RESCL_CLANG)
        rs_variant(clang "${RESCL_CLANG}")
    else()
        list(REMOVE_ITEM rs_slow_tests package.clang)
    endif()
    # A 32-bit compiler: its tools and C library may be missing, so nothing is linked.
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        rs_variant(refuses_32bit "${CMAKE_C_COMPILER}" -DCMAKE_C_FLAGS=-m32
            -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY)
        set_tests_properties(package.refuses_32bit PROPERTIES
            PASS_REGULAR_EXPRESSION "rescl needs a 64-bit system, but [^\n]*32")
    endif()
endif()

# Each public header by itself, as C and, where there is a compiler for it, as C++.
find_program(RESCL_CXX NAMES c++ g++ clang++)
add_test(NAME package.headers COMMAND ${CMAKE_COMMAND}
    "-DINCLUDE=${PROJECT_SOURCE_DIR}/include" "-DWORK_DIR=${rs_test_dir}/headers"
    "-DC_COMPILER=${CMAKE_C_COMPILER}" "-DCXX_COMPILER=${RESCL_CXX}"
    -P "${PROJECT_SOURCE_DIR}/tests/package/headers.cmake")
rs_test_properties(package.headers package)

# A name in the list that no test has would leave a slow test in the quick set. (Those of scripts are
# not there in every build.)
get_directory_property(rs_tests TESTS)
foreach(name ${rs_slow_tests} ${rs_exhaustive_tests})
    string(REPLACE "." "/" script "${name}")
    if(NOT name IN_LIST rs_tests AND NOT EXISTS "${PROJECT_SOURCE_DIR}/tests/${script}.sh")
        message(FATAL_ERROR "the list of slow or exhaustive tests names ${name}, which is no test")
    endif()
endforeach()

# Run by hand beside PyTorch (docs/verification.md), and by scripts/offline-gpu-check.
foreach(source oracle/export_steps oracle/export_logits offline/list_kernels offline/list_step)
    get_filename_component(tool "${source}" NAME)
    add_executable(${tool} "${PROJECT_SOURCE_DIR}/tests/${source}.c")
    target_link_libraries(${tool} PRIVATE ${rs_test_libs})
    set_target_properties(${tool} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endforeach()
foreach(tool list_kernels list_step)
    target_sources(${tool} PRIVATE "${PROJECT_SOURCE_DIR}/tests/offline/standin.c")
endforeach()
