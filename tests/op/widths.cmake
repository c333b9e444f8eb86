# Each value of a number that is tuned, and each type, compiles kernels of its own: the quick tests take the
# defaults, and of what is large f32.
foreach(op conv2d dense)
    set_property(TEST op.${op} APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TUNED=off")
    add_test(NAME op.${op}.tuned COMMAND test_${op})
    rs_test_properties(op.${op}.tuned op)
    set_property(TEST op.${op}.tuned APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TYPE=f32")
endforeach()
foreach(op batchnorm conv2d dense)
    set_property(TEST op.${op} APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TYPE=f32")
    foreach(type bf16 f16)
        add_test(NAME op.${op}.${type} COMMAND test_${op})
        rs_test_properties(op.${op}.${type} op)
        set_property(TEST op.${op}.${type} APPEND PROPERTY ENVIRONMENT
            "RESCL_TEST_TUNED=off" "RESCL_TEST_TYPE=${type}")
    endforeach()
endforeach()
set_property(TEST op.conv2d_shapes APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TYPE=f32")

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
                "RESCL_FLOAT_WIDTH=${width}" RESCL_TEST_TYPE=f32)
        endforeach()
    endforeach()
endforeach()

# Their products by pairs of bf16, as each engine makes them.
foreach(engine x86_bf16 x86_amx arm_bf16)
    foreach(program conv2d conv2d_shapes)
        rs_impl_test(op.${program}.packed_gemm.${engine} test_${program} packed_gemm
            RESCL_ENGINES=emulate,${engine} RESCL_TEST_TYPE=bf16)
    endforeach()
    rs_impl_test(op.conv2d_packed.${engine} test_conv2d_packed packed_gemm
        RESCL_ENGINES=emulate,${engine})
endforeach()

foreach(engine x86_amx arm_bf16)
    foreach(width 4 8)
        rs_impl_test(op.conv2d.packed_gemm.${engine}.width${width} test_conv2d packed_gemm
            RESCL_ENGINES=emulate,${engine} RESCL_TEST_TYPE=bf16 RESCL_FLOAT_WIDTH=${width})
    endforeach()
endforeach()

# On one compute unit no sum is divided; PoCL has the variable by either name.
rs_impl_test(op.conv2d.winograd.width4.unit1 test_conv2d winograd RESCL_FLOAT_WIDTH=4 RESCL_TEST_TYPE=f32
    POCL_MAX_PTHREAD_COUNT=1 POCL_CPU_MAX_CU_COUNT=1)

# The matrix products for GPUs as one with many units has them, where most sums are divided, and in
# groups of one work-item.
rs_impl_test(op.conv2d.simt_gemm.units132 test_conv2d simt_gemm RESCL_TEST_TUNED=off RESCL_TEST_TYPE=f32
    RESCL_DEVICE_CLASS=gpu RESCL_COMPUTE_UNITS=132)
rs_impl_test(op.conv2d.simt_gemm.item1 test_conv2d simt_gemm RESCL_TEST_TUNED=off RESCL_TEST_TYPE=f32
    RESCL_DEVICE_CLASS=gpu RESCL_MAX_GROUP=1 RESCL_MAX_LOCAL=1024)

# The matrix engines by ordinary arithmetic, each with its own layout of fragments.
foreach(engine nv:sm_90:32 wmma:gfx1100:32 mfma:gfx942:64 dpas8:xe_12.55:8 dpas16:xe_12.60:16)
    string(REPLACE ":" ";" engine ${engine})
    list(GET engine 0 name)
    list(GET engine 1 architecture)
    list(GET engine 2 subgroup)
    foreach(type bf16 f16 f32) # f32 with products in TF32, which NVIDIA's alone has
        if(type STREQUAL "bf16" OR name STREQUAL "nv")
            rs_impl_test(op.conv2d.mma_gemm.${name}.${type} test_conv2d mma_gemm RESCL_TEST_TUNED=off
                RESCL_DEVICE_CLASS=gpu RESCL_FLOAT_WIDTH=1 RESCL_ENGINES=emulate
                RESCL_ARCHITECTURE=${architecture} RESCL_SUBGROUP=${subgroup}
                RESCL_TEST_TYPE=${type})
        endif()
    endforeach()
endforeach()

# The kernels for GPUs on whatever device there is, with the vector width that GPUs report; of products
# those that GPUs alone prefer.
function(rs_gpu_test name program)
    add_test(NAME ${name} COMMAND test_${program})
    rs_test_properties(${name} op)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
        RESCL_DEVICE_CLASS=gpu RESCL_FLOAT_WIDTH=1 RESCL_TEST_TUNED=off ${ARGN})
    if(program MATCHES "conv2d|dense")
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT RESCL_TEST_IMPL=simt_gemm)
    endif()
endfunction()
foreach(program add avgpool dropout fold maxpool optim relu shortcut softmax_xent storage)
    rs_gpu_test(op.${program}.gpu ${program})
endforeach()
foreach(program batchnorm conv2d conv2d_shapes dense)
    rs_gpu_test(op.${program}.gpu ${program} RESCL_TEST_TYPE=f32)
endforeach()
foreach(program batchnorm conv2d)
    rs_gpu_test(op.${program}.gpu.bf16 ${program} RESCL_TEST_TYPE=bf16)
endforeach()
