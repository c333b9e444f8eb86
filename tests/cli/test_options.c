/* The table of options against itself and against the library's lists; how arguments are read. */
#include "hint.h"
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
    for (size_t a = 0; a < cli_opt_count(); a++) {
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

/* What a hint names exists, in some verb: the first or the second of two. */
static void hints_name_options(void **state)
{
    (void)state;
    size_t count;
    const cli_foreign *list = cli_foreign_list(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(list[i].names) > 0 && !list[i].ours != !list[i].text);
        bool known = !list[i].ours;
        for (const char *ours = list[i].ours; ours && *ours;) {
            char name[32];
            const size_t len = strcspn(ours, "|");
            snprintf(name, sizeof name, "%.*s", (int)len, ours);
            known = known || cli_opt_find_any(name) != OPT_NONE;
            ours += len + (ours[len] == '|');
        }
        if (!known)
            fail_msg("foreign.def: there is no option '%s'", list[i].ours);
    }
    char hint[256];
    assert_string_equal(cli_opt_hint("Batch_Size_", VERB_train, "--", hint),
                        "; did you mean '--batch-size'?");
    assert_string_equal(cli_opt_hint("imgsz", VERB_train, "", hint), "; did you mean 'size'?");
    assert_string_equal(cli_opt_hint("topk", VERB_train, "--", hint),
                        "; it is an option of predict");
    assert_string_equal(cli_opt_hint("zzzzzz", VERB_train, "--", hint), "");
}

static void defaults_are_valid(void **state)
{
    (void)state;
    unsetenv("RESCL_DEVICE");
    for (size_t v = 0; v < VERB_COUNT; v++) {
        cli_args args;
        assert_true(cli_args_init(&args, (cli_verb)v));
        for (size_t i = 0; i < cli_opt_count(); i++) {
            assert_true((args.value[i].text != NULL) == cli_opt_in((cli_opt)i, (cli_verb)v));
            assert_int_equal(args.value[i].origin, ORIGIN_DEFAULT);
        }
        cli_args_fini(&args);
    }
}

static cli_opt of_train(const char *name)
{
    const cli_opt id = cli_opt_find(name, strlen(name), VERB_train);
    assert_true(id != OPT_NONE);
    return id;
}

/* Every training option for users is one of train, with the library's words. */
static void training_options_are_those_of_the_library(void **state)
{
    (void)state;
    cli_args a;
    assert_true(cli_args_init(&a, VERB_train));
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *o = rescl_train_options_at(i);
        if (!o->group)
            continue;
        const cli_opt id = of_train(o->name);
        const cli_opt_info *info = cli_opt_get(id);
        assert_string_equal(a.value[id].text, o->value ? o->value : "");
        assert_string_equal(cli_group_name(info->group), o->group);
        assert_string_equal(info->help, o->help);
        if (o->alias)
            assert_int_equal(of_train(o->alias), id);
    }
    assert_int_equal(of_train("batch-size"), of_train("batch_size"));
    cli_args_fini(&a);
    assert_true(cli_args_init(&a, VERB_eval));
    assert_int_equal(cli_size(&a, OPT_batch_size), 32);
    assert_int_equal(cli_size(&a, OPT_workers), 1);
    assert_true(cli_opt_find("batch-size", 10, VERB_eval) == OPT_batch_size);
    assert_true(cli_opt_find("epochs", 6, VERB_eval) == OPT_NONE);
    cli_args_fini(&a);
}

static void defaults_of_bench_are_those_of_the_library(void **state)
{
    (void)state;
    cli_args a;
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
    for (size_t i = 0; i < cli_opt_count(); i++) {
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

/* Choices own their words: no list is too long for another one's. */
static void choices_list_their_words(void **state)
{
    (void)state;
    const char **split = cli_opt_choices(OPT_split), **names = cli_opt_choices(OPT_names);
    const char **model = cli_opt_choices(OPT_model_of), **opt = cli_opt_choices(of_train("opt"));
    assert_true(split && names && model && opt);
    assert_string_equal(split[0], "auto");
    assert_string_equal(split[3], "test");
    assert_null(split[4]);
    assert_string_equal(names[5], "keras1");
    assert_string_equal(model[0], "auto");
    assert_string_equal(model[1], rescl_model_names()[0]);
    assert_string_equal(opt[0], "sgd");
    free(split);
    free(names);
    free(model);
    free(opt);
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
    assert_string_equal(cli_str(&a, OPT_bench_file), "csv");
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
    const cli_opt lr = of_train("lr"), eps = of_train("eps");
    assert_true(cli_args_set(&a, lr, "0.5", ORIGIN_FLAG, "--lr"));
    assert_true(cli_args_set(&a, lr, "0.25", ORIGIN_CONFIG, "x.ini:1"));
    assert_string_equal(a.value[lr].text, "0.5");
    assert_true(cli_args_set(&a, lr, "0.75", ORIGIN_FLAG, "--lr"));
    assert_string_equal(a.value[lr].text, "0.75");
    assert_true(cli_args_set(&a, eps, "0.5", ORIGIN_RUN, "args.ini:1"));
    assert_true(cli_args_set(&a, eps, "0.25", ORIGIN_CONFIG, "x.ini:1"));
    assert_true(cli_args_set(&a, eps, "0.75", ORIGIN_RUN, "args.ini:1"));
    assert_string_equal(a.value[eps].text, "0.25");
    assert_string_equal(a.value[eps].where, "x.ini:1");
    cli_args_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(hints_name_options),
        cmocka_unit_test(defaults_are_valid),
        cmocka_unit_test(training_options_are_those_of_the_library),
        cmocka_unit_test(defaults_of_bench_are_those_of_the_library),
        cmocka_unit_test(ranges_hold_their_defaults),
        cmocka_unit_test(choices_list_their_words),
        cmocka_unit_test(forms_of_arguments),
        cmocka_unit_test(origins_win_by_strength),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
