# Each value of a number that is tuned compiles kernels of its own: the quick tests take the defaults.
foreach(op conv2d dense)
    set_property(TEST op.${op} APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TUNED=off")
    add_test(NAME op.${op}.tuned COMMAND test_${op})
    rs_test_properties(op.${op}.tuned op)
endforeach()

# A test program once more, for one implementation and with these variables.
function(rs_impl_test name program impl)
    add_test(NAME ${name} COMMAND ${program})
    rs_test_properties(${name} op)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "RESCL_TEST_IMPL=${impl}" ${ARGN})
endfunction()

# The convolution's vectorised kernels with the widths of other CPUs.
foreach(width 4 8)
    foreach(impl packed_gemm winograd)
        foreach(program conv2d conv2d_shapes)
            rs_impl_test(op.${program}.${impl}.width${width} test_${program} ${impl}
                "RESCL_FLOAT_WIDTH=${width}")
        endforeach()
    endforeach()
endforeach()

# Their products by pairs of bf16, as an engine makes them.
foreach(program conv2d conv2d_shapes)
    rs_impl_test(op.${program}.packed_gemm.pairs test_${program} packed_gemm RESCL_ENGINES=emulate
        RESCL_TEST_TYPE=bf16)
endforeach()

# On one compute unit no sum is divided; PoCL has the variable by either name.
rs_impl_test(op.conv2d.winograd.width4.unit1 test_conv2d winograd RESCL_FLOAT_WIDTH=4
    POCL_MAX_PTHREAD_COUNT=1 POCL_CPU_MAX_CU_COUNT=1)

# The matrix products for GPUs as one with many units has them, where most sums are divided, and in
# groups of one work-item.
rs_impl_test(op.conv2d.simt_gemm.units132 test_conv2d simt_gemm RESCL_TEST_TUNED=off
    RESCL_DEVICE_CLASS=gpu RESCL_COMPUTE_UNITS=132)
rs_impl_test(op.conv2d.simt_gemm.item1 test_conv2d simt_gemm RESCL_TEST_TUNED=off
    RESCL_DEVICE_CLASS=gpu RESCL_MAX_GROUP=1 RESCL_MAX_LOCAL=1024)

# The matrix engines by ordinary arithmetic, each with its own layout of fragments: NVIDIA's in all types, the
# others' in one.
foreach(engine nv:sm_90:32 wmma:gfx1100:32 mfma:gfx942:64 dpas8:xe_12.55:8 dpas16:xe_12.60:16)
    string(REPLACE ":" ";" engine ${engine})
    list(GET engine 0 name)
    list(GET engine 1 architecture)
    list(GET engine 2 subgroup)
    rs_impl_test(op.conv2d.mma_gemm.${name} test_conv2d mma_gemm RESCL_TEST_TUNED=off
        RESCL_DEVICE_CLASS=gpu RESCL_FLOAT_WIDTH=1 RESCL_ENGINES=emulate
        RESCL_ARCHITECTURE=${architecture} RESCL_SUBGROUP=${subgroup})
    if(NOT name STREQUAL "nv")
        set_property(TEST op.conv2d.mma_gemm.${name} APPEND PROPERTY ENVIRONMENT
            "RESCL_TEST_TYPE=bf16")
    endif()
endforeach()

# The kernels for GPUs on whatever device there is, with the vector width that GPUs report; of products
# those that GPUs alone prefer.
foreach(program add avgpool batchnorm conv2d conv2d_shapes dense dropout fold maxpool optim relu
    shortcut softmax_xent storage)
    add_test(NAME op.${program}.gpu COMMAND test_${program})
    rs_test_properties(op.${program}.gpu op)
    set_property(TEST op.${program}.gpu APPEND PROPERTY ENVIRONMENT
        "RESCL_DEVICE_CLASS=gpu" "RESCL_FLOAT_WIDTH=1" "RESCL_TEST_TUNED=off")
    if(program MATCHES "conv2d|dense")
        set_property(TEST op.${program}.gpu APPEND PROPERTY ENVIRONMENT "RESCL_TEST_IMPL=simt_gemm")
    endif()
endforeach()
