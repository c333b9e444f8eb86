#include "clinternal.h"
#include "device_support.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rs_kernel *kernel(const char *name)
{
    rs_kernel *k = NULL;
    assert_ok(rs_kernel_get(test_dev, "basic", "", name, &k));
    return k;
}

static void passes_every_kind_of_argument(void **state)
{
    (void)state;
    enum { N = 1000 };
    float host[N], back[N];
    rs_buffer *src = NULL, *dst = NULL;
    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    assert_ok(rs_buffer_create(test_dev, sizeof host, &src));
    assert_ok(rs_buffer_create(test_dev, sizeof host, &dst));
    assert_ok(rs_write(test_dev, src, 0, host, sizeof host));
    const uint64_t before = test_stats(test_dev).launches;
    const rs_grid grid = {.items = {N}, .group = {64}};
    assert_ok(RS_LAUNCH(test_dev, kernel("scale"), grid, RS_BUF(src), RS_BUF(dst), RS_FLOAT(1.5f),
                        RS_INT(N)));
    assert_int_equal(test_stats(test_dev).launches, before + 1);
    assert_ok(rs_read(test_dev, dst, 0, back, sizeof back));
    for (int i = 0; i < N; i++)
        assert_float_equal(back[i], 3.0f * (float)i, 0.0f);

    int32_t words[3] = {0};
    const rs_grid one = {.items = {1}, .group = {1}};
    assert_ok(RS_LAUNCH(test_dev, kernel("wide"), one, RS_BUF(dst), RS_ULONG(0x0000000700000009u),
                        RS_UINT(11)));
    assert_ok(rs_read(test_dev, dst, 0, words, sizeof words));
    assert_int_equal(words[0], 7);
    assert_int_equal(words[1], 9);
    assert_int_equal(words[2], 11);

    assert_ok(RS_LAUNCH(test_dev, kernel("null_is"), one, RS_BUF(NULL), RS_BUF(dst)));
    assert_ok(rs_read(test_dev, dst, 0, words, sizeof words[0]));
    assert_int_equal(words[0], 1);
    assert_ok(RS_LAUNCH(test_dev, kernel("null_is"), one, RS_BUF(src), RS_BUF(dst)));
    assert_ok(rs_read(test_dev, dst, 0, words, sizeof words[0]));
    assert_int_equal(words[0], 0);

    const rs_grid groups = {.items = {64}, .group = {16}};
    assert_ok(RS_LAUNCH(test_dev, kernel("sum_local"), groups, RS_BUF(src), RS_BUF(dst),
                        RS_LOCAL(16 * sizeof(float))));
    assert_ok(rs_read(test_dev, dst, 0, back, 4 * sizeof(float)));
    for (int g = 0; g < 4; g++)
        assert_float_equal(back[g], 16.0f * (float)(16 * g) + 120.0f, 0.0f);
    rs_buffer_release(src);
    rs_buffer_release(dst);
}

static void rounds_the_grid_up(void **state)
{
    (void)state;
    enum { WIDTH = 16, HEIGHT = 4 };
    uint32_t back[WIDTH * HEIGHT];
    rs_buffer *dst = NULL;
    assert_ok(rs_buffer_create(test_dev, sizeof back, &dst));
    const rs_grid grid = {.items = {13, 3, 1}, .group = {8, 2, 1}};
    assert_ok(RS_LAUNCH(test_dev, kernel("where"), grid, RS_BUF(dst), RS_UINT(WIDTH)));
    assert_ok(rs_read(test_dev, dst, 0, back, sizeof back));
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++)
            assert_int_equal(back[y * WIDTH + x], 16 * 1000 + 8 * 10 + y);

    const rs_grid free_group = {.items = {13, 3}};
    memset(back, 0, sizeof back);
    assert_ok(rs_write(test_dev, dst, 0, back, sizeof back));
    assert_ok(RS_LAUNCH(test_dev, kernel("where"), free_group, RS_BUF(dst), RS_UINT(WIDTH)));
    assert_ok(rs_read(test_dev, dst, 0, back, sizeof back));
    assert_int_equal(back[12] / 1000, 13);
    assert_int_equal(back[13], 0);

    int32_t four[8] = {0};
    const rs_grid fours = {.items = {7}};
    assert_ok(RS_LAUNCH(test_dev, kernel("of_four"), fours, RS_BUF(dst)));
    assert_ok(rs_read(test_dev, dst, 0, four, sizeof four));
    for (int i = 0; i < 8; i++)
        assert_int_equal(four[i], 4);
    rs_buffer_release(dst);
}

static void refuses_wrong_launches(void **state)
{
    (void)state;
    rs_buffer *buf = NULL;
    assert_ok(rs_buffer_create(test_dev, 256, &buf));
    rs_kernel *scale = kernel("scale"), *sum = kernel("sum_local");
    const rs_grid one = {.items = {1}, .group = {1}};
    const uint64_t before = test_stats(test_dev).launches;
    assert_fails(RS_LAUNCH(test_dev, scale, one, RS_BUF(buf)), RESCL_ERR_ARG, "scale", "basic.cl",
                 "4 arguments, not 1");
    assert_fails(RS_LAUNCH(test_dev, scale, one, RS_BUF(buf), RS_BUF(buf), RS_INT(1), RS_INT(1)),
                 RESCL_ERR_ARG, "argument 2", "an int");
    assert_fails(RS_LAUNCH(test_dev, scale, one, RS_BUF(buf), RS_FLOAT(1), RS_FLOAT(1), RS_INT(1)),
                 RESCL_ERR_ARG, "argument 1", "a float");
    assert_fails(
        RS_LAUNCH(test_dev, scale, one, RS_BUF(buf), RS_BUF(buf), RS_FLOAT(1), RS_ULONG(1)),
        RESCL_ERR_ARG, "argument 3", "a ulong");
    assert_fails(RS_LAUNCH(test_dev, sum, one, RS_BUF(buf), RS_BUF(buf), RS_BUF(buf)),
                 RESCL_ERR_ARG, "argument 2", "a buffer");
    const size_t too_much = (size_t)rescl_device_get_info(test_dev)->local_bytes + 4;
    assert_fails(RS_LAUNCH(test_dev, sum, one, RS_BUF(buf), RS_BUF(buf), RS_LOCAL(too_much)),
                 RESCL_ERR_UNSUPPORTED, "sum_local", "local memory");

    const rs_grid none = {.items = {0}, .group = {1}};
    assert_fails(RS_LAUNCH(test_dev, sum, none, RS_BUF(buf), RS_BUF(buf), RS_LOCAL(4)),
                 RESCL_ERR_ARG, "0 work-items");
    const size_t max = rs_kernel_max_group(sum);
    const rs_grid big = {.items = {2 * max}, .group = {2 * max}};
    assert_fails(RS_LAUNCH(test_dev, sum, big, RS_BUF(buf), RS_BUF(buf), RS_LOCAL(4)),
                 RESCL_ERR_UNSUPPORTED, "work-group", "sum_local");
    const rs_grid five = {.items = {5}, .group = {5}};
    assert_fails(RS_LAUNCH(test_dev, kernel("of_four"), five, RS_BUF(buf)), RESCL_ERR_ARG,
                 "compiled for 4x1x1");
    assert_int_equal(test_stats(test_dev).launches, before);
    rs_buffer_release(buf);
}

/* Up to what is static on every GPU, a kernel may have as much local memory as its device says. */
static void serves_large_local_arrays(void **state)
{
    (void)state;
    const uint64_t most = rescl_device_get_info(test_dev)->local_bytes;
    const size_t bytes = most < 49152 ? (size_t)most : 49152, n = bytes / sizeof(int32_t);
    const rs_grid one = {.items = {16}, .group = {16}};
    char options[32];
    rs_kernel *reverse = NULL;
    rs_buffer *dst = NULL;
    int32_t *back = calloc(n, sizeof *back);
    assert_non_null(back);
    snprintf(options, sizeof options, "-DARRAY=%zu", n);
    assert_ok(rs_kernel_get(test_dev, "basic", options, "reverse", &reverse));
    assert_ok(rs_buffer_create(test_dev, n * sizeof *back, &dst));
    assert_ok(RS_LAUNCH(test_dev, reverse, one, RS_BUF(dst)));
    assert_ok(rs_read(test_dev, dst, 0, back, n * sizeof *back));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(back[i], i + 1);
    rs_buffer_release(dst);
    free(back);
}

static void passes_options(void **state)
{
    (void)state;
    int32_t back[4] = {0};
    rs_buffer *dst = NULL;
    rs_kernel *plain = NULL, *extra = NULL, *again = NULL;
    const rs_grid one = {.items = {1}, .group = {1}};
    const rescl_device_info *info = rescl_device_get_info(test_dev);
    assert_ok(rs_buffer_create(test_dev, sizeof back, &dst));
    assert_ok(rs_kernel_get(test_dev, "basic", "", "options", &plain));
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=42", "options", &extra));
    assert_ok(rs_kernel_get(test_dev, "basic", "-DEXTRA=42", "options", &again));
    assert_ptr_equal(extra, again);
    assert_ptr_not_equal(extra, plain);
    assert_ok(RS_LAUNCH(test_dev, extra, one, RS_BUF(dst)));
    assert_ok(rs_read(test_dev, dst, 0, back, sizeof back));
    assert_int_equal(back[0], 42);
    assert_int_equal(back[1], info->float_width);
    assert_int_equal(back[2], info->type == RESCL_DEVICE_CPU ? 1 : 2);
    rs_buffer_release(dst);
}

/* fma() of a device without the instruction is compiled to a function of hundreds. */
static void says_whether_there_is_fma(void **state)
{
    (void)state;
    char pair[64];
    const rescl_device_info *info = rescl_device_get_info(test_dev);
    snprintf(pair, sizeof pair, "%zu:%zu", info->platform, info->device);
    for (int has = 0; has < 2; has++) {
        rescl_runtime *runtime = NULL;
        rescl_device *dev = NULL;
        rs_buffer *dst = NULL;
        rs_kernel *k = NULL;
        int32_t back[4] = {0};
        const rs_grid one = {.items = {1}, .group = {1}};
        assert_ok(rescl_runtime_create(&runtime));
        for (size_t i = 0; i < runtime->count; i++)
            runtime->devices[i].has_fma = has;
        assert_ok(rescl_device_open(runtime, pair, 0, &dev));
        assert_ok(rs_buffer_create(dev, sizeof back, &dst));
        assert_ok(rs_kernel_get(dev, "basic", "", "options", &k));
        assert_ok(RS_LAUNCH(dev, k, one, RS_BUF(dst)));
        assert_ok(rs_read(dev, dst, 0, back, sizeof back));
        assert_int_equal(back[3], has);
        rs_buffer_release(dst);
        test_device_close(runtime, dev);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_every_kind_of_argument),
        cmocka_unit_test(rounds_the_grid_up),
        cmocka_unit_test(refuses_wrong_launches),
        cmocka_unit_test(serves_large_local_arrays),
        cmocka_unit_test(passes_options),
        cmocka_unit_test(says_whether_there_is_fma),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
