#include "cli.h"
#include "clock.h"
#include "output.h"
#include "session.h"
#include "table.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

/* A way to do a pass, with all its checks. */
typedef struct way {
    char op[32], pass[16], choice[128], types[24];
    size_t checks, failed;
    char problem[96], reason[256]; /* of the first that failed */
} way;

typedef struct report {
    way *way;
    size_t ways, checks, failed, total; /* total: those that there are to do */
    json_t *list;                       /* of checks; NULL: not asked for */
    bool short_of_memory;
} report;

static const char *verdict_of(const rescl_selftest_row *row)
{
    return row->status == RESCL_OK            ? "right"
           : row->status == RESCL_ERR_NUMERIC ? "wrong"
           : row->status == RESCL_ERR_BUILD   ? "does not compile"
                                              : "failed";
}

static void add_json(report *r, const rescl_selftest_row *row)
{
    json_t *o = json_object();
    cli_json_set(o, "op", json_string(row->op));
    cli_json_set(o, "pass", json_string(row->pass));
    cli_json_set(o, "implementation", cli_json_string(row->choice));
    cli_json_set(o, "types", json_string(row->types));
    cli_json_set(o, "mode", json_string(row->training ? "train" : "infer"));
    cli_json_set(o, "problem", cli_json_string(row->problem));
    cli_json_set(o, "verdict", json_string(verdict_of(row)));
    cli_json_set(o, "reason", row->reason[0] ? cli_json_string(row->reason) : json_null());
    cli_json_append(r->list, o);
}

static way *way_of(report *r, const rescl_selftest_row *row)
{
    for (size_t i = 0; i < r->ways; i++) {
        way *w = &r->way[i];
        if (strcmp(w->op, row->op) == 0 && strcmp(w->pass, row->pass) == 0 &&
            strcmp(w->choice, row->choice) == 0 && strcmp(w->types, row->types) == 0)
            return w;
    }
    way *grown = realloc(r->way, (r->ways + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    r->way = grown;
    way *w = &grown[r->ways++];
    *w = (way){0};
    snprintf(w->op, sizeof w->op, "%s", row->op);
    snprintf(w->pass, sizeof w->pass, "%s", row->pass);
    snprintf(w->choice, sizeof w->choice, "%s", row->choice);
    snprintf(w->types, sizeof w->types, "%s", row->types);
    return w;
}

static bool on_check(const rescl_selftest_row *row, void *user)
{
    report *r = user;
    way *w = way_of(r, row);
    if (!w) {
        r->short_of_memory = true;
        return false;
    }
    if (row->status != RESCL_OK && w->failed++ == 0) {
        snprintf(w->problem, sizeof w->problem, "%s", row->problem);
        snprintf(w->reason, sizeof w->reason, "%s", row->reason);
    }
    w->checks++;
    r->checks++;
    r->total = row->total;
    r->failed += row->status != RESCL_OK;
    if (r->list)
        add_json(r, row);
    return true;
}

static int print_table(const report *r)
{
    static const char *const head[] = {"op", "pass", "implementation", "types", "cases", "verdict"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < r->ways; i++) {
        const way *w = &r->way[i];
        cli_table_add(&t, "%s", w->op);
        cli_table_add(&t, "%s", w->pass);
        cli_table_add(&t, "%s", w->choice);
        cli_table_add(&t, "%s", w->types);
        cli_table_add(&t, "%zu", w->checks);
        if (w->failed)
            cli_table_add(&t, "FAILED %zu: %s: %s", w->failed, w->problem, w->reason);
        else
            cli_table_add(&t, "right");
    }
    const bool good = cli_table_print(&t, "plain", stdout);
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static json_t *device_json(rescl_device *device, json_t *checks)
{
    const rescl_device_info *info = rescl_device_get_info(device);
    json_t *o = json_object();
    char selector[48];
    snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
    cli_json_set(o, "selector", json_string(selector));
    cli_json_set(o, "name", cli_json_string(info->name));
    cli_json_set(o, "platform", cli_json_string(info->platform_name));
    cli_json_set(o, "driver", cli_json_string(info->driver));
    cli_json_set(o, "checks", checks);
    return o;
}

/* Appends to `list`, or prints a table where it is NULL. */
static int check_device(const cli_args *args, rescl_device *device, json_t *list)
{
    rescl_selftest_options options;
    report r = {.list = list ? json_array() : NULL};
    char name[320], duration[32], checks[64];
    int code = CLI_OK;

    rescl_selftest_options_default(&options);
    options.model = cli_choice(args, OPT_model_run);
    options.precision = rescl_precision_name(cli_precision(args));
    options.full = cli_bool(args, OPT_full);
    options.op = cli_str(args, OPT_op);
    cli_note("device  %s", cli_device_text(rescl_device_get_info(device), name));
    const double begin = rs_clock_seconds();
    const rescl_status st = rescl_selftest(device, &options, on_check, &r);
    if (r.short_of_memory)
        cli_short_of_memory();
    if (r.short_of_memory)
        code = CLI_FAILURE;
    else if (st != RESCL_OK && (r.failed == 0 || r.checks < r.total))
        code = cli_fail(st, st != RESCL_ERR_ARG);
    if (!list && r.ways && !r.short_of_memory) {
        const int printed = print_table(&r);
        code = code ? code : printed;
    }
    if (r.checks < r.total)
        cli_error("%s: %zu of %s were not done", name, r.total - r.checks,
                  cli_count(r.total, "check", checks));
    if (list)
        cli_json_append(list, device_json(device, r.list));
    if (code == CLI_OK && r.failed) {
        cli_error("%s: %zu of %s failed; what fails is not used", name, r.failed,
                  cli_count(r.checks, "check", checks));
        code = CLI_DEVICE;
    } else if (code == CLI_OK && r.checks) {
        cli_note("all %s are right (%s)", cli_count(r.checks, "check", checks),
                 cli_duration(rs_clock_seconds() - begin, duration));
    }
    free(r.way);
    return code;
}

static int check_one(const cli_args *args, rescl_runtime *runtime, const char *selector,
                     json_t *list)
{
    rescl_device *device = NULL;
    const rescl_status st = rescl_device_open(runtime, selector, 0, &device);
    const int code = st == RESCL_OK ? check_device(args, device, list) : cli_fail(st, true);
    rescl_device_close(device);
    return code;
}

static int check_all(const cli_args *args, rescl_runtime *runtime, json_t *list)
{
    int worst = CLI_OK;
    for (size_t i = 0; i < rescl_runtime_device_count(runtime); i++) {
        const rescl_device_info *info = rescl_runtime_get_device_info(runtime, i);
        char selector[48];
        if (!info->usable)
            continue;
        snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
        const int code = check_one(args, runtime, selector, list);
        worst = code != CLI_OK && worst != CLI_INTERRUPTED ? code : worst;
        if (code == CLI_INTERRUPTED)
            break;
    }
    return worst;
}

int cmd_selftest(const cli_args *args)
{
    const char *selector = cli_str(args, OPT_devices_checked);
    rescl_runtime *runtime = NULL;
    json_t *list = cli_bool(args, OPT_json) ? json_array() : NULL;

    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        json_decref(list);
        return CLI_USAGE;
    }
    const rescl_status st = rescl_runtime_create(&runtime);
    int code = CLI_OK;
    if (st != RESCL_OK)
        code = cli_fail(st, true);
    else if (strcmp(selector, "all") == 0)
        code = check_all(args, runtime, list);
    else
        code = check_one(args, runtime, selector, list);
    rescl_runtime_destroy(runtime);
    if (!list)
        return code;
    const int printed = st == RESCL_OK ? cli_json_print(list) : CLI_OK;
    if (st != RESCL_OK)
        json_decref(list);
    return code != CLI_OK ? code : printed;
}
