#include "fixtures.h"
#include "path.h"
#include "str.h"
#include "testing.h"

#include <math.h>
#include <rescl/compare.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct seen {
    size_t rows, eval, fwd, bwd;
    double error;
} seen;

static void count_row(const rescl_agreement_row *row, void *user)
{
    seen *s = user;
    s->rows++;
    s->eval += strcmp(row->pass, "eval") == 0;
    s->fwd += strcmp(row->pass, "fwd") == 0;
    s->bwd += strncmp(row->pass, "bwd", 3) == 0;
    for (size_t i = 0; i < row->devices; i++) {
        assert_non_null(row->device[i].impl);
        s->error = fmax(s->error, row->device[i].error);
    }
    if (row->devices > 0)
        assert_true(row->device[0].difference == 0.0);
}

static rescl_agreement_options of_model(rescl_model *m, rescl_precision precision)
{
    rescl_agreement_options o;
    rescl_agreement_options_default(&o);
    o.model = m;
    o.batch = 3;
    o.seed = 5;
    rescl_model_set_precision(m, precision);
    return o;
}

static void a_device_agrees_with_the_host_and_itself(void **state)
{
    (void)state;
    rescl_device *const both[] = {rs_test_device(), rs_test_device()};
    rescl_model *m = rs_test_model();
    for (rescl_precision p = RESCL_PRECISION_FP32; p <= RESCL_PRECISION_FP16; p++) {
        const rescl_agreement_options o = of_model(m, p);
        rescl_agreement a[2];
        seen s = {0};
        assert_ok(rescl_compare_devices(both, 2, &o, count_row, &s, a));
        assert_true(s.eval > 0 && s.fwd > s.eval && s.bwd > s.fwd);
        assert_int_equal(s.rows, s.eval + s.fwd + s.bwd);
        for (int i = 0; i < 2; i++) {
            if (*a[i].layer)
                fail_msg("%s: layer %s, %s %s: %g, expected %g", rescl_precision_name(p),
                         a[i].layer, a[i].op, a[i].pass, a[i].got, a[i].want);
            assert_true(a[i].agrees && a[i].error > 0.0 && a[i].error <= 1.0);
            assert_int_equal(a[i].predictions, 3);
            assert_true(a[i].forward == 0.0 && a[i].backward == 0.0 && a[i].logits == 0.0);
            assert_true(a[i].loss > 0.5 && a[i].loss < 10.0);
        }
        assert_true(s.error == a[0].error);
    }
    rescl_model_destroy(m);
}

static void refuses_what_cannot_be_compared(void **state)
{
    (void)state;
    rescl_device *const one[] = {rs_test_device()};
    rescl_model *m = rs_test_model();
    rescl_agreement_options o = of_model(m, RESCL_PRECISION_FP32);
    rescl_agreement a;
    assert_fails(rescl_compare_devices(one, 0, &o, NULL, NULL, &a), RESCL_ERR_ARG, "0 devices");
    o.batch = 0;
    assert_fails(rescl_compare_devices(one, 1, &o, NULL, NULL, &a), RESCL_ERR_ARG, "batch 0");
    o.batch = 1;
    o.model = NULL;
    assert_fails(rescl_compare_devices(one, 1, &o, NULL, NULL, &a), RESCL_ERR_ARG, "a model");
    rescl_model_destroy(m);
}

/* ---- a device that is wrong -------------------------------------------------------------- */

/* Into the folder of kernels: `stem`.cl, whose `from` is `to` where vectors have 4 floats. */
static void spoil_kernel(const char *stem, const char *from, const char *to)
{
    rs_str text = {0};
    char *source = NULL;
    size_t bytes = 0;
    assert_ok(rs_file_read(rs_test_path("%s/cl/%s.cl", RESCL_TEST_SOURCE_DIR, stem), 1 << 20,
                           &source, &bytes));
    char *at = strstr(source, from);
    assert_non_null(at);
    assert_ok(rs_str_appendf(&text, "%.*s%s%s", (int)(at - source), source, to, at + strlen(from)));
    assert_ok(rs_file_write(rs_test_path("%s/%s.cl", rs_test_dir, stem), text.text, text.len));
    rs_str_fini(&text);
    free(source);
}

/* The device under test twice, the second time as one of vectors of 4, whose kernels are its own. */
typedef struct two_devices {
    rescl_runtime *runtime[2];
    rescl_device *device[2];
} two_devices;

static two_devices open_both(void)
{
    two_devices two = {0};
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            assert_int_equal(setenv("RESCL_FLOAT_WIDTH", "4", 1), 0);
        assert_ok(rescl_runtime_create(&two.runtime[i]));
        assert_ok(
            rescl_device_open(two.runtime[i], rs_test_selector(two.runtime[i]), 0, &two.device[i]));
    }
    unsetenv("RESCL_FLOAT_WIDTH");
    return two;
}

static void close_both(const two_devices *two)
{
    for (int i = 0; i < 2; i++) {
        rescl_device_close(two->device[i]);
        rescl_runtime_destroy(two->runtime[i]);
    }
}

static void names_the_layer_that_a_device_has_wrong(void **state)
{
    (void)state;
    const rescl_device_info *info = rescl_device_get_info(rs_test_device());
    if (info->float_width == 4 || info->type != RESCL_DEVICE_CPU)
        skip();
    const struct {
        const char *stem, *from, *to, *layer, *op, *pass;
    } wrong[] = {
        {"avgpool", "dst_store_part(sum /", "dst_store_part((RS_VW == 4 ? 1.01f : 1.0f) * sum /",
         "avgpool", "avgpool", "eval"},
        {"batchnorm", "v = v < VZERO ? VZERO", "v = v < VZERO && RS_VW != 4 ? VZERO", "bn1",
         "batchnorm", "fwd"},
        {"batchnorm", "store_part(sum, diff_beta",
         "store_part(sum * (RS_VW == 4 ? 2.0f : 1.0f), diff_beta", "layer3.0.downsample.1",
         "batchnorm", "bwd_params"},
        {"conv2d_direct", "? 0.0f : sum, dst", "? 0.0f : sum * (RS_VW == 4 ? 1.01f : 1.0f), dst",
         "conv1", "conv2d", "eval"},
    };
    rescl_model *m = rs_test_model();
    const rescl_agreement_options o = of_model(m, RESCL_PRECISION_FP32);
    assert_int_equal(setenv("RESCL_KERNEL_DIR", rs_test_dir, 1), 0);
    assert_int_equal(setenv("RESCL_IMPL", "conv2d=direct", 1), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rescl_agreement a[2];
        spoil_kernel(wrong[i].stem, wrong[i].from, wrong[i].to);
        const two_devices two = open_both();
        assert_ok(rescl_compare_devices(two.device, 2, &o, NULL, NULL, a));
        assert_string_equal(a[0].layer, "");
        assert_string_equal(a[1].layer, wrong[i].layer);
        assert_string_equal(a[1].op, wrong[i].op);
        assert_string_equal(a[1].pass, wrong[i].pass);
        assert_true(a[0].agrees && !a[1].agrees && a[1].error > 1.0);
        close_both(&two);
        assert_int_equal(remove(rs_test_path("%s/%s.cl", rs_test_dir, wrong[i].stem)), 0);
    }
    unsetenv("RESCL_IMPL");
    unsetenv("RESCL_KERNEL_DIR");
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_agrees_with_the_host_and_itself),
        cmocka_unit_test(refuses_what_cannot_be_compared),
        cmocka_unit_test(names_the_layer_that_a_device_has_wrong),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
