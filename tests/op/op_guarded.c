/* Guarded device memory and comparison for tests: see op_harness.h. */
#include "op_harness.h"

rs_guarded op_guarded_create(rescl_device *dev, size_t bytes)
{
    rs_guarded g = {0};
    assert_ok(rs_guarded_init(dev, bytes, &g));
    return g;
}

void op_guarded_poison(rescl_device *dev, const rs_guarded *g)
{
    assert_ok(rs_guarded_poison(dev, g));
}

void op_guarded_check(rescl_device *dev, const rs_guarded *g, const char *what)
{
    assert_ok(rs_guarded_check(dev, g, what));
}

void op_guarded_write(rescl_device *dev, const rs_guarded *g, rs_dtype type, const double *host,
                      size_t count)
{
    assert_ok(rs_guarded_write(dev, g, type, host, count));
}

void op_guarded_read(rescl_device *dev, const rs_guarded *g, rs_dtype type, double *host,
                     size_t count)
{
    assert_ok(rs_guarded_read(dev, g, type, host, count));
}

void op_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                     const double *want, const double *got, size_t count)
{
    assert_ok(rs_expect_close(what, type, terms, scale, want, got, count));
}
