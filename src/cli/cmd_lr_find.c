#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "phase.h"
#include "text.h"
#include "train_batch.h"
#include "train_open.h"

#include <rescl/lrfind.h>
#include <string.h>

/* What the rules choose; NaN where there are too few points, and why. */
typedef struct choices {
    double lr[RESCL_LR_RULES];
    size_t wanted; /* the rule of --suggest */
} choices;

static int find_choices(const cli_args *args, const rescl_lr_curve *curve, choices *c)
{
    for (size_t i = 0; i < RESCL_LR_RULES; i++) {
        const rescl_lr_rule rule = (rescl_lr_rule)i;
        const rescl_status st = rescl_lr_curve_suggest(curve, rule, &c->lr[i]);
        if (st != RESCL_OK)
            return cli_fail(st, false);
        if (strcmp(cli_str(args, OPT_suggest), rescl_lr_rule_name(rule)) == 0)
            c->wanted = i;
    }
    return CLI_OK;
}

static void print_csv(const rescl_lr_curve *curve)
{
    const rescl_lr_point *p = rescl_lr_curve_points(curve);
    char lr[32], loss[32], smoothed[32];
    cli_print("step,lr,loss,smoothed\n");
    for (size_t i = 0; i < rescl_lr_curve_count(curve); i++)
        cli_print("%zu,%s,%s,%s\n", i + 1, cli_exact(p[i].lr, lr), cli_exact(p[i].loss, loss),
                  cli_exact(p[i].smoothed, smoothed));
}

static int print_json(const rescl_lr_curve *curve, const choices *c, const char *path)
{
    const rescl_lr_point *p = rescl_lr_curve_points(curve);
    json_t *o = json_object(), *rules = json_object(), *points = json_array();
    for (size_t i = 0; i < RESCL_LR_RULES; i++)
        cli_json_set(rules, rescl_lr_rule_name((rescl_lr_rule)i), cli_json_real(c->lr[i]));
    for (size_t i = 0; i < rescl_lr_curve_count(curve); i++) {
        json_t *point = json_object();
        cli_json_set(point, "lr", cli_json_real(p[i].lr));
        cli_json_set(point, "loss", cli_json_real(p[i].loss));
        cli_json_set(point, "smoothed", cli_json_real(p[i].smoothed));
        cli_json_append(points, point);
    }
    cli_json_set(o, "lr", cli_json_real(c->lr[c->wanted]));
    cli_json_set(o, "rule", json_string(rescl_lr_rule_name((rescl_lr_rule)c->wanted)));
    cli_json_set(o, "rules", rules);
    cli_json_set(o, "points", points);
    cli_json_set(o, "output", cli_json_string(path));
    return cli_json_print(o);
}

static void print_text(const choices *c, const char *path)
{
    cli_print("lr        %.2e (%s)\n", c->lr[c->wanted],
              rescl_lr_rule_name((rescl_lr_rule)c->wanted));
    for (size_t i = 0; i < RESCL_LR_RULES; i++)
        if (i != c->wanted)
            cli_print("          %.2e (%s)\n", c->lr[i], rescl_lr_rule_name((rescl_lr_rule)i));
    cli_print("curve     %s\n", path);
}

static int report(const cli_args *args, const cli_training *t, const rescl_lr_curve *curve)
{
    const char *path = cli_str(args, OPT_lr_file), *form = cli_str(args, OPT_lr_form);
    rescl_model_info info;
    choices c = {0};
    char title[192];
    rescl_model_get_info(t->model, &info);
    snprintf(title, sizeof title, "Learning rate of %s with %s", info.name, t->options.opt);
    const rescl_status st = rescl_lr_curve_write(curve, title, path);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (strcmp(form, "csv") == 0) {
        print_csv(curve);
        return CLI_OK;
    }
    const int code = find_choices(args, curve, &c);
    if (code != CLI_OK)
        return code;
    if (strcmp(form, "json") == 0)
        return print_json(curve, &c, path);
    print_text(&c, path);
    return CLI_OK;
}

static bool on_point(const rescl_lr_point *p, size_t step, size_t steps, void *user)
{
    char text[96], loss[32];
    (void)user;
    snprintf(text, sizeof text, "step %zu of %zu, rate %.1e, loss %s", step, steps, p->lr,
             cli_loss(p->smoothed, loss));
    cli_phase_update(text, true);
    return true;
}

int cmd_lr_find(const cli_args *args)
{
    const char *path = cli_str(args, OPT_lr_file);
    const rescl_lr_find_options find = {.struct_size = sizeof find,
                                        .start = cli_real(args, OPT_start_lr),
                                        .end = cli_real(args, OPT_end_lr),
                                        .steps = cli_size(args, OPT_num_iter),
                                        .smoothing = cli_real(args, OPT_smoothing),
                                        .divergence = cli_real(args, OPT_divergence)};
    cli_training t = {0};
    rescl_lr_curve *curve = NULL;
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (!path || !rs_ends_with(path, ".html")) {
        cli_usage_error("--output: found '%s', expected a name that ends in .html",
                        path ? path : "");
        return CLI_USAGE;
    }
    if (!cli_require(args, OPT_data_path))
        return CLI_USAGE;
    int code = cli_outfile_check(path);
    if (code == CLI_OK)
        code = cli_training_open(args, &(rescl_ranks_info){.count = 1}, &t);
    if (code == CLI_OK && t.session.members > 1) {
        cli_usage_error("--device: found %zu devices, expected one", t.session.members);
        code = CLI_USAGE;
    }
    if (code == CLI_OK)
        code = cli_batch_size_settle(args, &t.session, 1, t.model, t.train_set, NULL, &t.options);
    if (code == CLI_OK) {
        cli_training_weights_note(&t);
        cli_phase_begin("training at growing rates", "training at growing rates");
        const rescl_status st = rescl_lr_find(t.session.device, t.model, t.train_set, &t.options,
                                              &find, on_point, NULL, &curve);
        cli_phase_end();
        code = st == RESCL_OK ? report(args, &t, curve) : cli_fail(st, false);
    }
    rescl_lr_curve_destroy(curve);
    cli_training_close(&t);
    return code;
}
