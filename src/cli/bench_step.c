#include "bench_step.h"

#include "alloc.h"
#include "bench_ops.h"
#include "cli.h"
#include "output.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* A kernel, in one layer (--layers) or in all layers that run it in the same pass. */
typedef struct part {
    char op[32], pass[32], kernel[64], layer[96];
    double launches, ms;
} part;

typedef struct parts {
    part *part;
    size_t count, room;
    bool by_layer, failed;
    double total_ms;
} parts;

static part *find_part(parts *all, const rescl_bench_step_row *row, const char *layer)
{
    for (size_t i = 0; i < all->count; i++) {
        part *p = &all->part[i];
        if (strcmp(p->kernel, row->kernel) == 0 && strcmp(p->pass, row->pass) == 0 &&
            strcmp(p->op, row->op) == 0 && strcmp(p->layer, layer) == 0)
            return p;
    }
    if (!rs_array_grow(&all->part, &all->room, all->count + 1, sizeof *all->part))
        return NULL;
    part *p = &all->part[all->count++];
    *p = (part){0};
    snprintf(p->op, sizeof p->op, "%s", row->op);
    snprintf(p->pass, sizeof p->pass, "%s", row->pass);
    snprintf(p->kernel, sizeof p->kernel, "%s", row->kernel);
    snprintf(p->layer, sizeof p->layer, "%s", layer);
    return p;
}

static void add_row(const rescl_bench_step_row *row, void *user)
{
    parts *all = user;
    part *p = find_part(all, row, all->by_layer ? row->layer : "");
    if (!p) {
        all->failed = true;
        return;
    }
    p->launches += row->launches;
    p->ms += row->ms;
    all->total_ms += row->ms;
}

static int longest_first(const void *a, const void *b)
{
    const part *x = a, *y = b;
    return (x->ms < y->ms) - (x->ms > y->ms);
}

static json_t *parts_json(const parts *all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->count; i++) {
        const part *p = &all->part[i];
        json_t *j = json_object();
        cli_json_set(j, "op", cli_json_string(p->op));
        cli_json_set(j, "pass", cli_json_string(p->pass));
        cli_json_set(j, "kernel", cli_json_string(p->kernel));
        if (all->by_layer)
            cli_json_set(j, "layer", cli_json_string(p->layer));
        cli_json_set(j, "launches", cli_json_real(p->launches));
        cli_json_set(j, "ms", cli_json_real(p->ms));
        cli_json_set(j, "share", cli_json_real(p->ms / all->total_ms));
        cli_json_append(list, j);
    }
    return list;
}

static int print_parts(const cli_args *args, const parts *all)
{
    static const char *const head[] = {"op", "pass", "kernel", "launches", "ms", "share"};
    if (cli_bench_json(args))
        return cli_json_print(parts_json(all));
    cli_table t;
    cli_table_init(&t, sizeof head / sizeof *head + all->by_layer);
    if (all->by_layer)
        cli_table_add(&t, "layer");
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        cli_table_add(&t, "%s", head[i]);
    for (size_t i = 0; i < all->count; i++) {
        const part *p = &all->part[i];
        if (all->by_layer)
            cli_table_add(&t, "%s", p->layer);
        cli_table_add(&t, "%s", p->op);
        cli_table_add(&t, "%s", p->pass);
        cli_table_add(&t, "%s", p->kernel);
        cli_table_add(&t, "%.0f", p->launches);
        cli_table_add(&t, "%.3f", p->ms);
        cli_table_add(&t, "%.3f", p->ms / all->total_ms);
    }
    bool good = cli_table_print(&t, cli_str(args, OPT_bench_form), cli_result());
    cli_table_fini(&t);
    cli_note("%.3f ms a step, the kernels together", all->total_ms);
    return good ? CLI_OK : CLI_FAILURE;
}

int cli_bench_step(const cli_args *args, rescl_device *device)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes], *modes = &args->value[OPT_modes];
    rescl_bench_options o =
        cli_bench_options(args, models->words[0], sizes->sizes[0], batches->sizes[0]);
    parts all = {.by_layer = cli_bool(args, OPT_layers)};
    if (models->count > 1 || sizes->count > 1 || batches->count > 1) {
        cli_usage_error("bench step takes one --model, one --size and one --batch-size");
        return CLI_USAGE;
    }
    o.train = strcmp(modes->words[0], "train") == 0;
    rescl_status st = rescl_bench_step(device, &o, add_row, &all);
    int code = CLI_OK;
    if (st != RESCL_OK) {
        code = cli_fail(st, false);
    } else if (all.failed) {
        cli_short_of_memory();
        code = CLI_FAILURE;
    } else {
        qsort(all.part, all.count, sizeof *all.part, longest_first);
        code = print_parts(args, &all);
    }
    free(all.part);
    return code;
}
