#include "cli.h"
#include "output.h"
#include "table.h"

#include <inttypes.h>
#include <rescl/rescl.h>
#include <unistd.h>

static const char *type_name(rescl_device_type type)
{
    switch (type) {
    case RESCL_DEVICE_CPU:
        return "cpu";
    case RESCL_DEVICE_GPU:
        return "gpu";
    case RESCL_DEVICE_ACCELERATOR:
        return "accelerator";
    }
    return "?";
}

static json_t *json_known(uint64_t number)
{
    return number ? json_integer((json_int_t)number) : json_null();
}

/* What is listed, as the options say. */
typedef struct listing {
    rescl_runtime *runtime;
    size_t selected; /* the number of devices: none */
    bool probe, probe_selected;
} listing;

enum { MOST_ENGINES = 32 };

/* Whether the engines of a device are listed. */
static bool probes(const listing *l, size_t index)
{
    return l->probe && (!l->probe_selected || index == l->selected) &&
           rescl_runtime_get_device_info(l->runtime, index)->usable;
}

static rescl_status engines_json(const listing *l, size_t index, json_t **out)
{
    rescl_engine engine[MOST_ENGINES] = {0};
    size_t count = 0;
    const rescl_status st = rescl_runtime_probe(l->runtime, index, engine, MOST_ENGINES, &count);
    *out = json_array();
    for (size_t i = 0; st == RESCL_OK && i < count && i < MOST_ENGINES; i++) {
        json_t *o = json_object();
        cli_json_set(o, "name", json_string(engine[i].name));
        cli_json_set(o, "usable", json_boolean(engine[i].usable));
        cli_json_set(o, "reason",
                     engine[i].reason[0] ? cli_json_string(engine[i].reason) : json_null());
        cli_json_append(*out, o);
    }
    return st;
}

static json_t *device_json(const rescl_device_info *d, bool selected)
{
    json_t *o = json_object();
    char selector[48];
    snprintf(selector, sizeof selector, "%zu:%zu", d->platform, d->device);
    cli_json_set(o, "selector", json_string(selector));
    cli_json_set(o, "selected", json_boolean(selected));
    cli_json_set(o, "usable", json_boolean(d->usable));
    cli_json_set(o, "reason", d->usable ? json_null() : cli_json_string(d->reason));
    cli_json_set(o, "type", json_string(type_name(d->type)));
    cli_json_set(o, "name", cli_json_string(d->name));
    cli_json_set(o, "vendor", cli_json_string(d->vendor));
    cli_json_set(o, "platform", cli_json_string(d->platform_name));
    cli_json_set(o, "platform_version", cli_json_string(d->platform_version));
    cli_json_set(o, "driver", cli_json_string(d->driver));
    cli_json_set(o, "opencl_c", cli_json_string(d->opencl_c));
    cli_json_set(o, "compute_units", json_integer((json_int_t)d->compute_units));
    cli_json_set(o, "clock_mhz", json_integer((json_int_t)d->clock_mhz));
    cli_json_set(o, "global_bytes", json_integer((json_int_t)d->global_bytes));
    cli_json_set(o, "max_alloc_bytes", json_integer((json_int_t)d->max_alloc_bytes));
    cli_json_set(o, "local_bytes", json_integer((json_int_t)d->local_bytes));
    cli_json_set(o, "cache_bytes", json_integer((json_int_t)d->cache_bytes));
    cli_json_set(o, "max_group", json_integer((json_int_t)d->max_group));
    cli_json_set(o, "float_width", json_integer((json_int_t)d->float_width));
    cli_json_set(o, "fp16", json_boolean(d->fp16));
    cli_json_set(o, "fp64", json_boolean(d->fp64));
    cli_json_set(o, "unified_memory", json_boolean(d->unified_memory));
    cli_json_set(o, "architecture",
                 d->architecture[0] ? cli_json_string(d->architecture) : json_null());
    cli_json_set(o, "cores", json_integer((json_int_t)d->cores));
    cli_json_set(o, "subgroup", json_known(d->subgroup));
    cli_json_set(o, "item_registers", json_known(d->item_registers));
    cli_json_set(o, "core_lanes", json_known(d->core_lanes));
    cli_json_set(o, "core_items", json_known(d->core_items));
    cli_json_set(o, "core_groups", json_known(d->core_groups));
    cli_json_set(o, "core_register_bytes", json_known(d->core_register_bytes));
    cli_json_set(o, "core_local_bytes", json_known(d->core_local_bytes));
    cli_json_set(o, "bandwidth", json_known(d->bandwidth));
    return o;
}

static int print_json(const listing *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rescl_runtime_device_count(l->runtime); i++) {
        json_t *o = device_json(rescl_runtime_get_device_info(l->runtime, i), i == l->selected);
        json_t *engines = NULL;
        if (probes(l, i)) {
            const rescl_status st = engines_json(l, i, &engines);
            cli_json_set(o, "engines", engines);
            if (st != RESCL_OK) {
                json_decref(o);
                json_decref(list);
                return cli_fail(st, true);
            }
        }
        cli_json_append(list, o);
    }
    return cli_json_print(list);
}

static int print_table(const listing *l)
{
    const rescl_runtime *runtime = l->runtime;
    static const char *const head[] = {"",      "device", "type",     "name",  "platform",
                                       "units", "memory", "language", "usable"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rescl_runtime_device_count(runtime); i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(runtime, i);
        char memory[32];
        cli_table_add(&t, "%s", i == l->selected ? "*" : "");
        cli_table_add(&t, "%zu:%zu", d->platform, d->device);
        cli_table_add(&t, "%s", type_name(d->type));
        cli_table_add(&t, "%s", d->name);
        cli_table_add(&t, "%s", d->platform_name);
        cli_table_add(&t, "%u", d->compute_units);
        cli_table_add(&t, "%s", cli_bytes(d->global_bytes, memory));
        cli_table_add(&t, "%s", d->opencl_c);
        cli_table_add(&t, "%s%s", d->usable ? "yes" : "no: ", d->usable ? "" : d->reason);
    }
    const bool wide = isatty(STDOUT_FILENO) && !cli_table_fits(&t, cli_columns(STDOUT_FILENO));
    bool good = wide ? cli_table_print_rows(&t, stdout) : cli_table_print(&t, "plain", stdout);
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static void add_known(cli_table *t, uint64_t number, const char *text)
{
    if (number)
        cli_table_add(t, "%s", text);
    else
        cli_table_add(t, "not reported");
}

/* What an untuned choice goes by. */
static int print_cores(const rescl_runtime *runtime)
{
    static const char *const head[] = {"device",         "clock",      "architecture",
                                       "cores",          "sub-group",  "registers/item",
                                       "FMAs/clock",     "items/core", "groups/core",
                                       "registers/core", "local/core", "bandwidth"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rescl_runtime_device_count(runtime); i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(runtime, i);
        const uint64_t numbers[] = {d->cores,      d->subgroup,   d->item_registers,
                                    d->core_lanes, d->core_items, d->core_groups};
        const uint64_t bytes[] = {d->core_register_bytes, d->core_local_bytes};
        char text[48];
        cli_table_add(&t, "%zu:%zu", d->platform, d->device);
        snprintf(text, sizeof text, "%u MHz", d->clock_mhz);
        add_known(&t, d->clock_mhz, text);
        add_known(&t, d->architecture[0] != '\0', d->architecture);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            snprintf(text, sizeof text, "%" PRIu64, numbers[k]);
            add_known(&t, numbers[k], text);
        }
        for (size_t k = 0; k < sizeof bytes / sizeof *bytes; k++)
            add_known(&t, bytes[k], cli_bytes(bytes[k], text));
        snprintf(text, sizeof text, "%.0f GB/s", (double)d->bandwidth / 1e9);
        add_known(&t, d->bandwidth, text);
    }
    const bool good = putchar('\n') != EOF && cli_table_print_rows(&t, stdout);
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

/* ---- everything of a device ---- */

/* What earlier self-tests found. */
typedef struct verdict {
    size_t right, wrong, unknown;
    char first[256]; /* of what is wrong */
} verdict;

static bool count_check(const rescl_selftest_row *row, void *user)
{
    verdict *v = user;
    v->right += row->status == RESCL_OK;
    v->unknown += row->status == RESCL_ERR_NOT_FOUND;
    if (row->status != RESCL_OK && row->status != RESCL_ERR_NOT_FOUND && v->wrong++ == 0)
        snprintf(v->first, sizeof v->first, "%s %s by %s", row->op, row->pass, row->choice);
    return true;
}

static void add_verdict(cli_table *t, rescl_device *device)
{
    rescl_selftest_options options;
    verdict v = {.first = ""};
    char checks[64];
    rescl_selftest_options_default(&options);
    options.recall = true;
    const rescl_status st = rescl_selftest(device, &options, count_check, &v);
    if (v.wrong)
        cli_table_add(t, "%zu of %s failed: %s", v.wrong,
                      cli_count(v.right + v.wrong, "check", checks), v.first);
    else if (st != RESCL_OK)
        cli_table_add(t, "%s", rescl_last_error()->message);
    else if (v.right == 0)
        cli_table_add(t, "not run: rescl selftest");
    else
        cli_table_add(t, "%s of %s right%s", cli_count(v.right, "check", checks), options.model,
                      v.unknown ? ", others not run: rescl selftest" : "");
}

/* Tuning and self-test, of a device that opens. */
static void add_opened(cli_table *t, rescl_runtime *runtime, const rescl_device_info *d)
{
    rescl_device *device = NULL;
    rescl_tuning_info tuning;
    char selector[48], problems[64];
    snprintf(selector, sizeof selector, "%zu:%zu", d->platform, d->device);
    if (!d->usable || rescl_device_open(runtime, selector, 0, &device) != RESCL_OK) {
        cli_table_add(t, "%s", "");
        cli_table_add(t, "cannot be opened: %s",
                      d->usable ? rescl_last_error()->message : d->reason);
        return;
    }
    rescl_device_get_tuning(device, &tuning);
    if (tuning.problems)
        cli_table_add(t, "%s, %s", cli_count(tuning.problems, "problem", problems), tuning.source);
    else
        cli_table_add(t, "no: rescl tune");
    add_verdict(t, device);
    rescl_device_close(device);
}

/* "nv_bf16, nv_f16"; "none". */
static void add_engines(cli_table *t, rescl_runtime *runtime, size_t index, bool usable)
{
    rescl_engine engine[MOST_ENGINES] = {0};
    size_t count = 0, used = 0;
    char text[512] = "";
    if (usable && rescl_runtime_probe(runtime, index, engine, MOST_ENGINES, &count) != RESCL_OK)
        snprintf(text, sizeof text, "%s", rescl_last_error()->message);
    for (size_t i = 0; i < count && i < MOST_ENGINES && used < sizeof text; i++)
        if (engine[i].usable)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "",
                                     engine[i].name);
    cli_table_add(t, "%s", text[0] ? text : "none: rescl devices --probe says why");
}

static int print_details(rescl_runtime *runtime)
{
    static const char *const head[] = {"device",  "largest buffer", "local memory", "work-group",
                                       "vectors", "cache",          "extensions",   "engines",
                                       "quirks",  "tuned",          "self-test"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rescl_runtime_device_count(runtime); i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(runtime, i);
        rescl_device_details more;
        char text[32];
        if (rescl_runtime_get_details(runtime, i, &more) != RESCL_OK)
            more = (rescl_device_details){.extensions = ""};
        cli_table_add(&t, "%zu:%zu", d->platform, d->device);
        cli_table_add(&t, "%s", cli_bytes(d->max_alloc_bytes, text));
        cli_table_add(&t, "%s", cli_bytes(d->local_bytes, text));
        cli_table_add(&t, "%zu", d->max_group);
        cli_table_add(&t, "%u floats", d->float_width);
        cli_table_add(&t, "%s", cli_bytes(d->cache_bytes, text));
        cli_table_add(&t, "%s", more.extensions);
        add_engines(&t, runtime, i, d->usable);
        cli_table_add(&t, "%s", more.quirks[0] ? more.quirks : "none");
        add_opened(&t, runtime, d);
    }
    const bool good = putchar('\n') != EOF && cli_table_print_rows(&t, stdout);
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static int print_engines(const listing *l)
{
    static const char *const head[] = {"device", "engine", "usable"};
    cli_table t;
    rescl_status st = RESCL_OK;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rescl_runtime_device_count(l->runtime) && st == RESCL_OK; i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(l->runtime, i);
        rescl_engine engine[MOST_ENGINES] = {0};
        size_t count = 0;
        if (probes(l, i))
            st = rescl_runtime_probe(l->runtime, i, engine, MOST_ENGINES, &count);
        for (size_t k = 0; st == RESCL_OK && k < count && k < MOST_ENGINES; k++) {
            const char *reason = engine[k].reason;
            cli_table_add(&t, "%zu:%zu", d->platform, d->device);
            cli_table_add(&t, "%s", engine[k].name);
            cli_table_add(&t, "%s%s%s", engine[k].usable ? "yes" : "no", reason[0] ? ": " : "",
                          reason);
        }
    }
    const bool good =
        st == RESCL_OK && putchar('\n') != EOF && cli_table_print(&t, "plain", stdout);
    cli_table_fini(&t);
    return st != RESCL_OK ? cli_fail(st, true) : good ? CLI_OK : CLI_FAILURE;
}

int cmd_devices(const cli_args *args)
{
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    rescl_runtime *runtime = NULL;
    rescl_status st = rescl_runtime_create(&runtime);
    if (st != RESCL_OK)
        return cli_fail(st, true);
    listing l = {.runtime = runtime,
                 .selected = rescl_runtime_device_count(runtime),
                 .probe = cli_bool(args, OPT_probe),
                 .probe_selected = args->value[OPT_device].origin == ORIGIN_FLAG};
    st = rescl_runtime_select(runtime, cli_str(args, OPT_device), &l.selected);
    if (st != RESCL_OK)
        l.selected = rescl_runtime_device_count(runtime);
    if (st != RESCL_OK && l.probe) {
        rescl_runtime_destroy(runtime);
        return cli_fail(st, true);
    }
    const bool json = cli_bool(args, OPT_json);
    int code = json ? print_json(&l) : print_table(&l);
    if (code == CLI_OK && cli_bool(args, OPT_verbose) && !json)
        code = print_details(runtime);
    if (code == CLI_OK && cli_bool(args, OPT_verbose) && !json)
        code = print_cores(runtime);
    if (code == CLI_OK && l.probe && !json)
        code = print_engines(&l);
    if (st != RESCL_OK)
        code = cli_fail(st, true);
    else if (code == CLI_OK)
        cli_note("* is what --device %s takes", args->value[OPT_device].text);
    rescl_runtime_destroy(runtime);
    return code;
}
