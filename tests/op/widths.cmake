# The convolution's vectorised kernels once more with the widths of other CPUs.
foreach(width 4 8)
    foreach(impl packed_gemm winograd)
        set(name op.conv2d.${impl}.width${width})
        add_test(NAME ${name} COMMAND test_conv2d)
        rs_test_properties(${name} op)
        set_property(TEST ${name} APPEND PROPERTY
            ENVIRONMENT "RESCL_FLOAT_WIDTH=${width}" "RESCL_TEST_IMPL=${impl}")
    endforeach()
endforeach()
