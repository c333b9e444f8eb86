/* options.def against itself and against the library's own defaults; how arguments are read. */
#include "options.h"
#include "testing.h"
#include "text.h"

#include <ctype.h>
#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

static void names_are_unique(void **state)
{
    (void)state;
    for (size_t a = 0; a < OPT_COUNT; a++) {
        const cli_opt_info *x = cli_opt_get((cli_opt)a);
        assert_true(strlen(x->name) > 0 && strlen(x->name) < sizeof x->name - 1);
        assert_true(x->verbs != 0 && strlen(x->help) > 0);
        assert_true((x->type == TYPE_FLAG) == (x->metavar == NULL));
        for (size_t b = 0; b < a; b++) {
            const cli_opt_info *y = cli_opt_get((cli_opt)b);
            if (!(x->verbs & y->verbs))
                continue;
            assert_string_not_equal(x->name, y->name);
            assert_true(!x->letter || x->letter != y->letter);
        }
    }
}

static void defaults_are_valid(void **state)
{
    (void)state;
    unsetenv("RESCL_DEVICE");
    for (size_t v = 0; v < VERB_COUNT; v++) {
        cli_args args;
        assert_true(cli_args_init(&args, (cli_verb)v));
        for (size_t i = 0; i < OPT_COUNT; i++) {
            assert_true((args.value[i].text != NULL) == cli_opt_in((cli_opt)i, (cli_verb)v));
            assert_int_equal(args.value[i].origin, ORIGIN_DEFAULT);
        }
        cli_args_fini(&args);
    }
}

/* opt is the one that differs on purpose: 1e-3 is a rate for adam. */
static void defaults_are_those_of_the_library(void **state)
{
    (void)state;
    rescl_train_options o;
    rescl_train_options_default(&o);
    cli_args a;
    assert_true(cli_args_init(&a, VERB_train));
    assert_int_equal(cli_size(&a, OPT_epochs), o.epochs);
    assert_int_equal(cli_size(&a, OPT_batch_size), o.batch_size);
    assert_int_equal(cli_size(&a, OPT_lr_step_size), o.lr_step_size);
    assert_int_equal(cli_size(&a, OPT_lr_warmup_epochs), o.lr_warmup_epochs);
    assert_int_equal(cli_size(&a, OPT_workers), o.workers);
    assert_int_equal(cli_size(&a, OPT_eval_freq), o.eval_freq);
    assert_int_equal(cli_size(&a, OPT_save_freq), o.save_freq);
    assert_int_equal(cli_size(&a, OPT_max_steps), o.max_steps);
    assert_int_equal(cli_u64(&a, OPT_seed), o.seed);
    assert_string_equal(cli_str(&a, OPT_lr_scheduler), o.lr_scheduler);
    const struct {
        cli_opt id;
        double value;
    } reals[] = {{OPT_lr, o.lr},
                 {OPT_lr_body, o.lr_body},
                 {OPT_scale, o.scale},
                 {OPT_hflip, o.hflip},
                 {OPT_color_jitter, o.color_jitter},
                 {OPT_momentum, o.momentum},
                 {OPT_beta1, o.beta1},
                 {OPT_beta2, o.beta2},
                 {OPT_eps, o.eps},
                 {OPT_weight_decay, o.weight_decay},
                 {OPT_lr_min, o.lr_min},
                 {OPT_lr_gamma, o.lr_gamma},
                 {OPT_lr_warmup_decay, o.lr_warmup_decay}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        assert_memory_equal(&a.value[reals[i].id].as.real, &reals[i].value, sizeof(double));
    cli_args_fini(&a);

    rescl_bench_options b;
    rescl_bench_options_default(&b);
    assert_true(cli_args_init(&a, VERB_bench));
    assert_string_equal(cli_str(&a, OPT_models), b.model);
    assert_string_equal(cli_str(&a, OPT_bench_opt), b.opt);
    assert_int_equal(a.value[OPT_batch_sizes].sizes[0], b.batch);
    assert_int_equal(cli_size(&a, OPT_warmup), b.warmup);
    assert_int_equal(cli_size(&a, OPT_repeats), b.repeats);
    cli_args_fini(&a);
}

/* Each default, put in words, must lie in the range that its error message would name. */
static void ranges_hold_their_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const cli_opt_info *info = cli_opt_get((cli_opt)i);
        uint64_t whole;
        double real;
        if (info->type == TYPE_SIZE || info->type == TYPE_U64) {
            assert_true(rs_parse_u64(info->def, &whole));
            assert_true(rs_in_range_u64(info->range, whole));
        } else if (info->type == TYPE_REAL) {
            assert_true(rs_parse_f64(info->def, &real));
            assert_true(rs_in_range_f64(info->range, real));
        }
    }
}

static void forms_of_arguments(void **state)
{
    (void)state;
    char words[][24] = {"op",        "--batch-size=1,8,32", "-o",     "csv", "--model",
                        "resnet8",   "--no-peak",           "--json", "-qh", "--",
                        "--repeats", "--size=8,16"};
    char *argv[] = {words[0], words[1], words[2],  words[3], words[4], words[5],
                    words[6], words[7], words[11], words[9], words[10]};
    cli_args a;
    assert_true(cli_args_init(&a, VERB_bench));
    assert_true(cli_args_parse(&a, (int)(sizeof argv / sizeof *argv), argv));
    assert_int_equal(a.operands, 2);
    assert_string_equal(a.operand[0], "op");
    assert_string_equal(a.operand[1], "--repeats");
    assert_int_equal(a.value[OPT_batch_sizes].count, 3);
    assert_int_equal(a.value[OPT_batch_sizes].sizes[1], 8);
    assert_int_equal(a.value[OPT_sizes].sizes[1], 16);
    assert_string_equal(cli_str(&a, OPT_output), "csv");
    assert_string_equal(a.value[OPT_models].words[0], "resnet8");
    assert_false(cli_bool(&a, OPT_peak));
    assert_true(cli_bool(&a, OPT_json));
    assert_false(cli_bool(&a, OPT_quiet));
    cli_args_fini(&a);
}

static void origins_win_by_strength(void **state)
{
    (void)state;
    cli_args a;
    assert_true(cli_args_init(&a, VERB_train));
    assert_true(cli_args_set(&a, OPT_lr, "0.5", ORIGIN_FLAG, "--lr"));
    assert_true(cli_args_set(&a, OPT_lr, "0.25", ORIGIN_CONFIG, "x.ini:1"));
    assert_string_equal(a.value[OPT_lr].text, "0.5");
    assert_true(cli_args_set(&a, OPT_lr, "0.75", ORIGIN_FLAG, "--lr"));
    assert_string_equal(a.value[OPT_lr].text, "0.75");
    assert_true(cli_args_set(&a, OPT_eps, "0.5", ORIGIN_RUN, "args.ini:1"));
    assert_true(cli_args_set(&a, OPT_eps, "0.25", ORIGIN_CONFIG, "x.ini:1"));
    assert_true(cli_args_set(&a, OPT_eps, "0.75", ORIGIN_RUN, "args.ini:1"));
    assert_string_equal(a.value[OPT_eps].text, "0.25");
    assert_string_equal(a.value[OPT_eps].where, "x.ini:1");
    cli_args_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(defaults_are_valid),
        cmocka_unit_test(defaults_are_those_of_the_library),
        cmocka_unit_test(ranges_hold_their_defaults),
        cmocka_unit_test(forms_of_arguments),
        cmocka_unit_test(origins_win_by_strength),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
