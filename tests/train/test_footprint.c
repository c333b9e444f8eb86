/* What a network needs of a device's memory, as it is planned. */
#include "error.h"
#include "fixtures.h"
#include "testing.h"

#include <rescl/train.h>
#include <string.h>

enum { BATCH = 32 };

static rescl_memory needed(const rescl_model *m, const char *opt, const char *precision)
{
    rescl_train_options o;
    rescl_memory out;
    rescl_train_options_default(&o);
    o.opt = opt;
    o.precision = precision;
    assert_ok(rescl_memory_needed(rs_test_device(), m, BATCH, &o, &out));
    return out;
}

static double all_of(const rescl_memory *m)
{
    return (double)(m->parameters + m->gradients + m->optimiser + m->activations);
}

static rescl_model *resnet50(void)
{
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet50", .classes = 1000, .image_size = 224};
    rescl_model *m = NULL;
    assert_ok(rescl_model_describe(&o, &m));
    return m;
}

static void counts_what_is_trained(void **state)
{
    rescl_model *m = resnet50();
    rescl_model_info info;
    (void)state;

    rescl_model_get_info(m, &info);
    const rescl_memory adam = needed(m, "adam", "fp32"), sgd = needed(m, "sgd", "fp32");
    assert_int_equal(adam.parameters, 4 * info.params);
    assert_int_equal(adam.gradients, 4 * info.trainable);
    assert_int_equal(adam.optimiser, 8 * info.trainable);
    assert_int_equal(sgd.optimiser, 4 * info.trainable);
    assert_int_equal(adam.activations, sgd.activations);
    assert_ok(rescl_model_freeze(m, "body", false));
    const rescl_memory head = needed(m, "sgd", "fp32");
    assert_int_equal(head.gradients, 4 * (2048 + 1) * 1000);
    assert_true(head.activations < sgd.activations / 2);
    rescl_model_destroy(m);
}

static void sixteen_bits_take_little_more_than_half(void **state)
{
    static const char *const narrow[] = {"bf16", "fp16"};
    rescl_model *m = resnet50();
    rescl_memory wide = needed(m, "sgd", "fp32"), one, half;
    (void)state;

    for (size_t i = 0; i < RS_COUNT(narrow); i++) {
        const rescl_memory r = needed(m, "sgd", narrow[i]);
        print_message("%s: %.3f of %.0f MiB\n", narrow[i], all_of(&r) / all_of(&wide),
                      all_of(&wide) / 1048576.0);
        assert_true(all_of(&r) <= 0.60 * all_of(&wide));
    }
    assert_ok(rescl_memory_needed(rs_test_device(), m, BATCH, NULL, &one));
    assert_true(one.gradients == 0 && one.optimiser == 0);
    rescl_model_set_precision(m, RESCL_PRECISION_BF16);
    assert_ok(rescl_memory_needed(rs_test_device(), m, BATCH, NULL, &half));
    assert_true(half.activations < one.activations);
    assert_fails(rescl_memory_needed(rs_test_device(), m, 0, NULL, &half), RESCL_ERR_ARG, "batch");
    rescl_model_destroy(m);
}

/* What a step keeps but activations is the same. */
static void computing_again_takes_less(void **state)
{
    static const char *const precision[] = {"fp32", "bf16"};
    rescl_model *m = resnet50();
    rescl_train_options o;
    rescl_memory kept, again;
    (void)state;

    rescl_train_options_default(&o);
    for (size_t i = 0; i < RS_COUNT(precision); i++) {
        o.precision = precision[i];
        o.recompute = false;
        assert_ok(rescl_memory_needed(rs_test_device(), m, 8, &o, &kept));
        o.recompute = true;
        assert_ok(rescl_memory_needed(rs_test_device(), m, 8, &o, &again));
        print_message("%s, batch 8: %.3f of %.0f MiB, of activations %.3f of %.0f MiB\n",
                      precision[i], all_of(&again) / all_of(&kept), all_of(&kept) / 1048576.0,
                      (double)again.activations / (double)kept.activations,
                      (double)kept.activations / 1048576.0);
        assert_true(again.optimiser == kept.optimiser && again.gradients == kept.gradients);
        assert_true((double)again.activations <= 0.40 * (double)kept.activations);
        if (i == 0)
            assert_true(all_of(&again) <= 0.60 * all_of(&kept));
    }
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_is_trained),
        cmocka_unit_test(sixteen_bits_take_little_more_than_half),
        cmocka_unit_test(computing_again_takes_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
