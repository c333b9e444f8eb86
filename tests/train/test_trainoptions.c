/* The table of training options: what is in it, by name, in checkpoints, in older structs. */
#include "testing.h"

#include "augment.h"
#include "error.h"
#include "optim.h"
#include "optionvalue.h"
#include "schedule.h"
#include "trainoptions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static rescl_train_options defaults(void)
{
    rescl_train_options o;
    rescl_train_options_default(&o);
    return o;
}

static void lists_every_option(void **state)
{
    (void)state;
    const size_t count = rescl_train_options_count();
    assert_true(count >= 27);
    assert_null(rescl_train_options_at(count));
    for (size_t i = 0; i < count; i++) {
        const rescl_option *o = rescl_train_options_at(i);
        const bool number = o->type == RESCL_OPTION_SIZE || o->type == RESCL_OPTION_U64 ||
                            o->type == RESCL_OPTION_REAL;
        assert_true(o->name[0] && o->help[0]);
        assert_true(o->type == RESCL_OPTION_BOOL ? !o->metavar : o->metavar[0] != '\0');
        assert_true((o->range != NULL) == number);
        assert_true((o->choices != NULL) == (o->type == RESCL_OPTION_CHOICE));
        assert_true(o->value || o->type == RESCL_OPTION_TEXT);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(o->name, rescl_train_options_at(k)->name);
    }
}

/* Every default is in its range and survives being set from its own text. */
static void sets_and_gets_by_name(void **state)
{
    (void)state;
    rescl_train_options o = defaults();
    const rescl_train_options same = o;
    char text[256], back[256];
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *p = rescl_train_options_at(i);
        assert_ok(rescl_train_options_get(&o, p->name, text, sizeof text));
        if (p->type != RESCL_OPTION_TEXT)
            assert_ok(rescl_train_options_set(&o, p->name, text));
        assert_ok(rescl_train_options_set(&o, p->name, NULL));
        assert_ok(rescl_train_options_get(&o, p->name, back, sizeof back));
        assert_string_equal(text, back);
    }
    assert_memory_equal(&o, &same, sizeof o);
    assert_ok(rescl_train_options_set(&o, "batch-size", "7"));
    assert_int_equal(o.batch_size, 7);
    assert_ok(rescl_train_options_set(&o, "lr", "0.125"));
    assert_true(o.lr == 0.125);
    assert_ok(rescl_train_options_set(&o, "opt", "adamw"));
    assert_string_equal(o.opt, "adamw");
    assert_ok(rescl_train_options_set(&o, "seed", "18446744073709551615"));
    assert_true(o.seed == UINT64_MAX);
    assert_ok(rescl_train_options_set(&o, "output_dir", "runs/x"));
    assert_ok(rescl_train_options_get(&o, "output_dir", text, sizeof text));
    assert_string_equal(text, "runs/x");
    assert_fails(rescl_train_options_get(&o, "output_dir", text, 6), RESCL_ERR_ARG, "6 bytes");
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    rescl_train_options o = defaults();
    const rescl_train_options same = o;
    assert_fails(rescl_train_options_set(&o, "batchsize", "7"), RESCL_ERR_ARG,
                 "no training option 'batchsize'", "did you mean 'batch_size'?");
    assert_fails(rescl_train_options_set(&o, "lr", "fast"), RESCL_ERR_ARG,
                 "lr: found 'fast', expected a number in [0,1000]");
    assert_fails(rescl_train_options_set(&o, "lr_scheduler", "cosine"), RESCL_ERR_ARG,
                 "expected one of constant, steplr");
    assert_memory_equal(&o, &same, sizeof o);
}

static void is_listed(const rescl_option *o)
{
    const rescl_option *found = NULL;
    for (size_t i = 0; i < rescl_train_options_count() && !found; i++)
        if (strcmp(rescl_train_options_at(i)->name, o->name) == 0)
            found = rescl_train_options_at(i);
    if (!found)
        fail_msg("the option %s has no room in rescl_train_options.more", o->name);
    if (found->type != o->type || found->value != o->value || found->help != o->help)
        fail_msg("the option %s is declared twice, and differently: names are global, so share "
                 "one declaration or choose another name",
                 o->name);
}

static void refuses_values_of_no_option(void **state)
{
    (void)state;
    rescl_train_options o = defaults(), copy;
    o.further[RS_COUNT(o.further) - 1].u64 = 77;
    assert_fails(rs_train_options_copy(&o, &copy), RESCL_ERR_UNSUPPORTED, "further[63]", "by name");
}

static void lists_what_is_declared_elsewhere(void **state)
{
    (void)state;
    const rescl_train_options o = defaults();
    for (const rs_optim_def *const *d = rs_optims(); *d; d++)
        for (size_t i = 0; i < RS_OPTIM_NUMBERS && (*d)->options[i]; i++)
            is_listed((*d)->options[i]);
    for (const rs_schedule_def *const *d = rs_schedules(); *d; d++)
        for (size_t i = 0; i < RS_SCHEDULE_NUMBERS && (*d)->options[i]; i++)
            is_listed((*d)->options[i]);
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        for (size_t k = 0; k < RS_AUGMENT_NUMBERS && rs_augment_at(i)->options[k]; k++)
            is_listed(rs_augment_at(i)->options[k]);
    for (size_t i = 0; i < rescl_train_options_count(); i++)
        assert_non_null(rescl_train_options_at(i)->help); /* each RS_TRAIN_MEMBER was declared */
    assert_true(rs_train_options_number(&o, "momentum") == 0.9);
    assert_true(rs_train_options_number(&o, "lr_step_size") == 30.0);
    assert_true(rs_train_options_number(&o, "lr_scheduler") == 0.0); /* the first choice */
    assert_true(isnan(rs_train_options_number(&o, "output_dir")));
    assert_true(isnan(rs_train_options_number(&o, "no such option")));
}

static void copies_own_their_strings(void **state)
{
    (void)state;
    rescl_train_options o = defaults(), copy;
    char opt[] = "sgd", dir[] = "runs/x";
    o.opt = opt;
    o.output_dir = dir;
    assert_ok(rs_train_options_copy(&o, &copy));
    opt[0] = dir[0] = 'x';
    assert_string_equal(copy.opt, "sgd");
    assert_string_equal(copy.output_dir, "runs/x");
    rs_train_options_fini(&copy);
    assert_fails(rs_train_options_copy(&o, &copy), RESCL_ERR_ARG, "opt: found 'xgd'",
                 "did you mean 'sgd'?");
    assert_null(copy.output_dir);
    o = (rescl_train_options){.epochs = 3};
    assert_fails(rs_train_options_copy(&o, &copy), RESCL_ERR_ARG,
                 "start from rescl_train_options_default()");
}

/* A program that was compiled when the struct ended before `resume`. */
static void older_callers_are_safe(void **state)
{
    (void)state;
    const size_t size = offsetof(rescl_train_options, resume);
    union {
        unsigned char bytes[sizeof(rescl_train_options)];
        rescl_train_options o;
    } u;
    rescl_train_options copy;
    memset(u.bytes, 0xee, sizeof u.bytes);
    rescl_train_options_init(&u.o, size);
    for (size_t i = size; i < sizeof u.bytes; i++)
        assert_int_equal(u.bytes[i], 0xee);
    u.o.epochs = 2;
    assert_ok(rs_train_options_copy(&u.o, &copy));
    assert_int_equal(copy.epochs, 2);
    assert_null(copy.resume);
    assert_null(copy.args_ini);
    rs_train_options_fini(&copy);
    assert_fails(rescl_train_options_set(&u.o, "resume", "x"), RESCL_ERR_UNSUPPORTED, "resume");
}

/* Members lie behind the structs of older callers, not in the unset bytes at their ends: these ended with `recompute`. */
static void older_callers_have_padding(void **state)
{
    (void)state;
    rescl_train_options o = defaults(), copy;
    const size_t end = offsetof(rescl_train_options, recompute) + sizeof o.recompute;
    const size_t size = (end + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    o.struct_size = size;
    memset((unsigned char *)&o + end, 1, size - end);
    assert_ok(rs_train_options_copy(&o, &copy));
    assert_false(copy.sync_bn);
    rs_train_options_fini(&copy);
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static void tells_options_apart(void **state)
{
    (void)state;
    rescl_train_options o = defaults();
    o.opt = "sgd";
    json_t *saved = rs_train_options_json(&o);
    assert_ok(rs_train_options_match(saved, &o, "x.safetensors"));
    rescl_train_options free_to_change = o;
    free_to_change.epochs = 99;
    free_to_change.workers = 7;
    free_to_change.save_freq = 3;
    free_to_change.output_dir = "elsewhere";
    assert_ok(rs_train_options_match(saved, &free_to_change, "x.safetensors"));
    rescl_train_options x = o;
    x.batch_size = 64;
    assert_fails(rs_train_options_match(saved, &x, "x.safetensors"), RESCL_ERR_ARG, "x.safetensors",
                 "batch_size 32", "has 64");
    x = o;
    x.opt = "adam";
    assert_fails(rs_train_options_match(saved, &x, "x"), RESCL_ERR_ARG, "opt \"sgd\"", "\"adam\"");
    x = o;
    x.lr = nextafter(o.lr, 1.0);
    assert_fails(rs_train_options_match(saved, &x, "x"), RESCL_ERR_ARG, "lr");
    x = o;
    x.seed = 1;
    assert_fails(rs_train_options_match(saved, &x, "x"), RESCL_ERR_ARG, "seed \"0\"", "\"1\"");
    json_decref(saved);
}

/* What version 0.1 wrote, with a real as an integer and before there was an option. */
static void reads_what_was_written_before(void **state)
{
    (void)state;
    static const char text[] =
        "{\"epochs\":25,\"batch_size\":32,\"opt\":\"adam\",\"lr\":0.001,\"lr_body\":0,"
        "\"momentum\":0.9,\"weight_decay\":0.0,\"beta1\":0.9,\"beta2\":0.999,\"eps\":1e-08,"
        "\"lr_scheduler\":\"constant\",\"lr_step_size\":30,\"lr_gamma\":0.1,\"lr_min\":0.0,"
        "\"lr_warmup_epochs\":0,\"lr_warmup_decay\":0.01,\"scale\":1.0,\"hflip\":0.0,"
        "\"color_jitter\":0.0,\"seed\":\"0\",\"workers\":1,\"eval_freq\":1,\"save_freq\":0,"
        "\"max_steps\":0,\"output_dir\":\"runs/x\",\"resume\":null}";
    rescl_train_options o = defaults();
    json_error_t why;
    json_t *saved = json_loads(text, 0, &why), *now = NULL;
    const char *name;
    json_t *value;
    assert_non_null(saved);
    assert_ok(rs_train_options_match(saved, &o, "x"));
    o.output_dir = "runs/x";
    assert_non_null(now = rs_train_options_json(&o));
    json_object_foreach(saved, name, value) assert_non_null(json_object_get(now, name));
    assert_true(json_object_size(now) >= json_object_size(saved));
    assert_null(json_object_get(now, "args_ini"));
    assert_int_equal(json_object_del(saved, "hflip"), 0);
    assert_ok(rs_train_options_match(saved, &o, "x"));
    o.hflip = 0.5;
    assert_fails(rs_train_options_match(saved, &o, "x"), RESCL_ERR_ARG, "hflip 0.0 (the default",
                 "has 0.5");
    json_decref(saved);
    json_decref(now);
}

static void stores_what_json_has_no_form_for(void **state)
{
    (void)state;
    rescl_train_options o = defaults();
    o.seed = UINT64_MAX;
    o.output_dir = "runs/\xe4";
    json_t *j = rs_train_options_json(&o);
    assert_string_equal(json_string_value(json_object_get(j, "seed")), "18446744073709551615");
    assert_string_equal(json_string_value(json_object_get(j, "output_dir")), "runs/?");
    assert_int_equal(json_integer_value(json_object_get(j, "batch_size")), 32);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_every_option),
        cmocka_unit_test(sets_and_gets_by_name),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(refuses_values_of_no_option),
        cmocka_unit_test(lists_what_is_declared_elsewhere),
        cmocka_unit_test(copies_own_their_strings),
        cmocka_unit_test(older_callers_are_safe),
        cmocka_unit_test(older_callers_have_padding),
        cmocka_unit_test(tells_options_apart),
        cmocka_unit_test(reads_what_was_written_before),
        cmocka_unit_test(stores_what_json_has_no_form_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
