# The convolution's kernels once more with the vector widths of other CPUs.
foreach(width 4 8)
    foreach(op conv2d dense)
        set(name op.${op}.width${width})
        add_test(NAME ${name} COMMAND test_${op})
        rs_test_properties(${name} op)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "RESCL_FLOAT_WIDTH=${width}")
    endforeach()
endforeach()
