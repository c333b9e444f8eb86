# Each value of a number that is tuned compiles kernels of its own: the quick tests take the defaults.
foreach(op conv2d dense)
    set_property(TEST op.${op} APPEND PROPERTY ENVIRONMENT "RESCL_TEST_TUNED=off")
    add_test(NAME op.${op}.tuned COMMAND test_${op})
    rs_test_properties(op.${op}.tuned op)
endforeach()

# The convolution's vectorised kernels once more with the widths of other CPUs.
function(rs_width_test name program impl width)
    add_test(NAME ${name} COMMAND ${program})
    rs_test_properties(${name} op)
    set_property(TEST ${name} APPEND PROPERTY
        ENVIRONMENT "RESCL_FLOAT_WIDTH=${width}" "RESCL_TEST_IMPL=${impl}" ${ARGN})
endfunction()

foreach(width 4 8)
    foreach(impl packed_gemm winograd)
        foreach(program conv2d conv2d_shapes)
            rs_width_test(op.${program}.${impl}.width${width} test_${program} ${impl} ${width})
        endforeach()
    endforeach()
endforeach()

# On one compute unit no sum is divided; PoCL has the variable by either name.
rs_width_test(op.conv2d.winograd.width4.unit1 test_conv2d winograd 4
    POCL_MAX_PTHREAD_COUNT=1 POCL_CPU_MAX_CU_COUNT=1)
