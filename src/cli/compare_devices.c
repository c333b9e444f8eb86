/* rescl compare --devices: what several devices make of the same numbers. */
#include "alloc.h"
#include "cli.h"
#include "comparison.h"
#include "compiling.h"
#include "output.h"
#include "run_folder.h"
#include "session.h"
#include "table.h"
#include "train_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DEVICES 16

/* One pass of one layer on all devices. */
typedef struct pass_row {
    char layer[96], op[32], pass[16];
    char impl[MOST_DEVICES][32];
    rescl_agreement_cell cell[MOST_DEVICES]; /* impl is not used */
} pass_row;

typedef struct comparison {
    const cli_args *args;
    rescl_runtime *runtime;
    rescl_device *device[MOST_DEVICES];
    size_t devices;
    rescl_model *model;
    rescl_agreement result[MOST_DEVICES];
    pass_row *row;
    size_t rows, room;
    bool failed; /* memory was short */
} comparison;

static void keep_row(const rescl_agreement_row *row, void *user)
{
    comparison *c = user;
    if (!rs_array_grow(&c->row, &c->room, c->rows + 1, sizeof *c->row)) {
        c->failed = true;
        return;
    }
    pass_row *kept = &c->row[c->rows++];
    *kept = (pass_row){0};
    snprintf(kept->layer, sizeof kept->layer, "%s", row->layer);
    snprintf(kept->op, sizeof kept->op, "%s", row->op);
    snprintf(kept->pass, sizeof kept->pass, "%s", row->pass);
    for (size_t i = 0; i < row->devices; i++) {
        kept->cell[i] = row->device[i];
        snprintf(kept->impl[i], sizeof kept->impl[i], "%s", row->device[i].impl);
    }
}

/* ---- what is compared -------------------------------------------------------------------- */

static int open_devices(comparison *c)
{
    char *list = strdup(cli_str(c->args, OPT_devices)), *rest = list, *word;
    rescl_status st = list ? rescl_runtime_create(&c->runtime) : RESCL_ERR_MEMORY;
    int code = CLI_OK;
    if (!list)
        cli_short_of_memory();
    else if (st != RESCL_OK)
        code = cli_fail(st, true);
    while (code == CLI_OK && st == RESCL_OK && (word = strsep(&rest, ",")) != NULL) {
        if (c->devices == MOST_DEVICES) {
            cli_usage_error("--devices: found more than %d devices", MOST_DEVICES);
            code = CLI_USAGE;
            break;
        }
        st = rescl_device_open(c->runtime, word, 0, &c->device[c->devices]);
        if (st == RESCL_OK)
            c->devices++;
        else
            code = cli_fail(st, true);
    }
    free(list);
    return list ? code : CLI_FAILURE;
}

static int load_weights(comparison *c, const char *path)
{
    const cli_args *args = c->args;
    const rescl_model_options options = {
        .struct_size = sizeof options,
        .name = cli_is_given(args, OPT_model) ? cli_str(args, OPT_model) : NULL,
        .image_size = cli_size(args, OPT_size)};
    rescl_weights *weights = NULL;
    rescl_status st = rescl_weights_open(path, &weights);
    if (st == RESCL_OK)
        st = rescl_weights_create_model(weights, &options, RESCL_LOAD_STRICT, NULL, &c->model);
    rescl_weights_close(weights);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int open_model(comparison *c)
{
    const cli_args *args = c->args;
    int code = CLI_OK;
    if (cli_str(args, OPT_weights)) {
        char *path = cli_weights_of("--weights", cli_str(args, OPT_weights));
        code = path ? load_weights(c, path) : CLI_FILE;
        free(path);
    } else {
        rescl_model_options options;
        rescl_model_options_default(&options);
        options.name = cli_str(args, OPT_model);
        options.image_size = cli_size(args, OPT_size);
        options.seed = cli_u64(args, OPT_seed);
        const rescl_status st = rescl_model_create(&options, &c->model);
        code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    }
    if (code == CLI_OK)
        rescl_model_set_precision(c->model, cli_precision(args));
    return code;
}

static const char *selector_of(const comparison *c, size_t device, char text[48])
{
    const rescl_device_info *info = rescl_device_get_info(c->device[device]);
    snprintf(text, 48, "%zu:%zu", info->platform, info->device);
    return text;
}

/* ---- by layer ---------------------------------------------------------------------------- */

/* What a layer's passes of one kind come to on one device; 0 where it has none. */
typedef struct layer_sum {
    double eval, forward, backward, error;
} layer_sum;

static bool same_layer(const pass_row *a, const pass_row *b)
{
    return strcmp(a->layer, b->layer) == 0;
}

static layer_sum sum_layer(const comparison *c, const pass_row *layer, size_t device)
{
    layer_sum sum = {0};
    for (size_t i = 0; i < c->rows; i++) {
        const pass_row *r = &c->row[i];
        const rescl_agreement_cell *cell = &r->cell[device];
        double *most = strcmp(r->pass, "eval") == 0  ? &sum.eval
                       : strcmp(r->pass, "fwd") == 0 ? &sum.forward
                                                     : &sum.backward;
        if (!same_layer(r, layer))
            continue;
        *most = fmax(*most, cell->difference);
        sum.error = fmax(sum.error, cell->error);
    }
    return sum;
}

/* "" for a distance that is not there, as those of the first device to itself. */
static void add_distance(cli_table *t, double x)
{
    if (x > 0.0)
        cli_table_add(t, "%.1e", x);
    else
        cli_table_add(t, "0");
}

/* A row for each layer that training runs, which are all, in the network's order. */
static bool print_layers(const comparison *c)
{
    cli_table t;
    char text[48];
    cli_table_init(&t, 2 + 4 * c->devices - 3);
    cli_table_add(&t, "layer");
    cli_table_add(&t, "op");
    for (size_t i = 0; i < c->devices; i++) {
        const char *name = selector_of(c, i, text);
        for (size_t k = 0; i > 0 && k < 3; k++)
            cli_table_add(&t, "%s %s", name, (const char *[]){"eval", "forward", "backward"}[k]);
        cli_table_add(&t, "%s error", name);
    }
    for (size_t r = 0; r < c->rows; r++) {
        if (strcmp(c->row[r].pass, "fwd") != 0)
            continue;
        cli_table_add(&t, "%s", c->row[r].layer);
        cli_table_add(&t, "%s", c->row[r].op);
        for (size_t i = 0; i < c->devices; i++) {
            const layer_sum sum = sum_layer(c, &c->row[r], i);
            if (i > 0) {
                add_distance(&t, sum.eval);
                add_distance(&t, sum.forward);
                add_distance(&t, sum.backward);
            }
            cli_table_add(&t, "%.2g", sum.error);
        }
    }
    const bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    return good;
}

static void print_device(const comparison *c, size_t i)
{
    const rescl_agreement *a = &c->result[i];
    const size_t images = cli_size(c->args, OPT_compare_batch);
    char selector[48], first[48], count[64];
    selector_of(c, i, selector);
    selector_of(c, 0, first);
    if (*a->layer)
        cli_print(
            "%s is WRONG, first in layer '%s', %s %s (%s): %.9g where the host gets %.9g from the "
            "same numbers, %.3g times what is tolerated\n",
            selector, a->layer, a->op, a->pass, a->impl, a->got, a->want, a->error);
    else
        cli_print("%s: no pass is further from the host's numbers than %.2g of what is tolerated\n",
                  selector, a->error);
    if (i == 0)
        cli_print("%s: loss %.7g\n", selector, a->loss);
    else
        cli_print("%s: loss %.7g; the classes of %zu of %s are those of %s; largest distances: "
                  "logits %.1e, "
                  "forward %.1e, backward %.1e%s\n",
                  selector, a->loss, a->predictions, cli_count(images, "image", count), first,
                  a->logits, a->forward, a->backward,
                  a->agrees || *a->layer ? "" : "; THEY DIFFER by more than rounding does");
}

static int print_text(const comparison *c)
{
    char text[320];
    if (!print_layers(c))
        return CLI_FAILURE;
    cli_print("\n");
    for (size_t i = 0; i < c->devices; i++) {
        const rescl_device_info *info = rescl_device_get_info(c->device[i]);
        cli_print("%s, driver %s\n", cli_device_text(info, text), info->driver);
    }
    cli_print("\n");
    for (size_t i = 0; i < c->devices; i++)
        print_device(c, i);
    return CLI_OK;
}

/* ---- by pass: CSV and JSON --------------------------------------------------------------- */

static int print_csv(const comparison *c)
{
    static const char *const head[] = {"layer",      "op",    "pass", "device", "impl",
                                       "difference", "error", "got",  "want"};
    cli_table t;
    char text[48], number[4][32];
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t r = 0; r < c->rows; r++)
        for (size_t i = 0; i < c->devices; i++) {
            const rescl_agreement_cell *cell = &c->row[r].cell[i];
            cli_table_add(&t, "%s", c->row[r].layer);
            cli_table_add(&t, "%s", c->row[r].op);
            cli_table_add(&t, "%s", c->row[r].pass);
            cli_table_add(&t, "%s", selector_of(c, i, text));
            cli_table_add(&t, "%s", c->row[r].impl[i]);
            cli_table_add(&t, "%s", cli_exact(cell->difference, number[0]));
            cli_table_add(&t, "%s", cli_exact(cell->error, number[1]));
            cli_table_add(&t, "%s", cli_exact(cell->got, number[2]));
            cli_table_add(&t, "%s", cli_exact(cell->want, number[3]));
        }
    const bool good = cli_table_print(&t, "csv", cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static json_t *device_json(const comparison *c, size_t i)
{
    const rescl_device_info *info = rescl_device_get_info(c->device[i]);
    const rescl_agreement *a = &c->result[i];
    char text[48];
    json_t *j = json_object();
    cli_json_set(j, "selector", json_string(selector_of(c, i, text)));
    cli_json_set(j, "name", cli_json_string(info->name));
    cli_json_set(j, "platform", cli_json_string(info->platform_name));
    cli_json_set(j, "driver", cli_json_string(info->driver));
    cli_json_set(j, "agrees", json_boolean(a->agrees));
    cli_json_set(j, "error", cli_json_real(a->error));
    cli_json_set(j, "forward", cli_json_real(a->forward));
    cli_json_set(j, "backward", cli_json_real(a->backward));
    cli_json_set(j, "logits", cli_json_real(a->logits));
    cli_json_set(j, "loss", cli_json_real(a->loss));
    cli_json_set(j, "predictions", json_integer((json_int_t)a->predictions));
    json_t *wrong = json_null();
    if (*a->layer) {
        wrong = json_object();
        cli_json_set(wrong, "layer", cli_json_string(a->layer));
        cli_json_set(wrong, "op", cli_json_string(a->op));
        cli_json_set(wrong, "pass", cli_json_string(a->pass));
        cli_json_set(wrong, "impl", cli_json_string(a->impl));
        cli_json_set(wrong, "got", cli_json_real(a->got));
        cli_json_set(wrong, "want", cli_json_real(a->want));
    }
    cli_json_set(j, "wrong", wrong);
    return j;
}

static json_t *rows_json(const comparison *c)
{
    json_t *list = json_array();
    for (size_t r = 0; r < c->rows; r++) {
        json_t *row = json_object(), *cells = json_array();
        cli_json_set(row, "layer", cli_json_string(c->row[r].layer));
        cli_json_set(row, "op", cli_json_string(c->row[r].op));
        cli_json_set(row, "pass", cli_json_string(c->row[r].pass));
        for (size_t i = 0; i < c->devices; i++) {
            const rescl_agreement_cell *cell = &c->row[r].cell[i];
            json_t *j = json_object();
            cli_json_set(j, "impl", cli_json_string(c->row[r].impl[i]));
            cli_json_set(j, "difference", cli_json_real(cell->difference));
            cli_json_set(j, "error", cli_json_real(cell->error));
            cli_json_append(cells, j);
        }
        cli_json_set(row, "devices", cells);
        cli_json_append(list, row);
    }
    return list;
}

static int print_json(const comparison *c)
{
    rescl_model_info info;
    rescl_model_get_info(c->model, &info);
    json_t *j = json_object(), *devices = json_array();
    cli_json_set(j, "version", cli_json_string(rescl_version()));
    cli_json_set(j, "model", cli_json_string(info.name));
    cli_json_set(j, "size", json_integer((json_int_t)info.image_size));
    cli_json_set(j, "batch", json_integer((json_int_t)cli_size(c->args, OPT_compare_batch)));
    cli_json_set(j, "precision", json_string(rescl_precision_name(cli_precision(c->args))));
    cli_json_set(j, "seed", json_integer((json_int_t)cli_u64(c->args, OPT_seed)));
    for (size_t i = 0; i < c->devices; i++)
        cli_json_append(devices, device_json(c, i));
    cli_json_set(j, "devices", devices);
    cli_json_set(j, "rows", rows_json(c));
    return cli_json_print(j);
}

static int print(const comparison *c)
{
    const char *form = cli_str(c->args, OPT_compare_form);
    int code = strcmp(form, "json") == 0  ? print_json(c)
               : strcmp(form, "csv") == 0 ? print_csv(c)
                                          : print_text(c);
    for (size_t i = 0; code == CLI_OK && i < c->devices; i++)
        if (!c->result[i].agrees)
            code = CLI_DEVICE;
    return code;
}

int cli_compare_devices(const cli_args *args)
{
    comparison c = {.args = args};
    int code = open_devices(&c);
    if (code == CLI_OK)
        code = open_model(&c);
    if (code == CLI_OK) {
        rescl_agreement_options options;
        rescl_agreement_options_default(&options);
        options.model = c.model;
        options.batch = cli_size(args, OPT_compare_batch);
        options.seed = cli_u64(args, OPT_seed);
        for (size_t i = 0; i < c.devices; i++)
            cli_compiling_watch(c.device[i], i + 1 == c.devices);
        const rescl_status st =
            rescl_compare_devices(c.device, c.devices, &options, keep_row, &c, c.result);
        cli_compiling_end();
        if (c.failed)
            cli_short_of_memory();
        code = st != RESCL_OK ? cli_fail(st, false) : c.failed ? CLI_FAILURE : print(&c);
    }
    rescl_model_destroy(c.model);
    for (size_t i = 0; i < c.devices; i++)
        rescl_device_close(c.device[i]);
    rescl_runtime_destroy(c.runtime);
    free(c.row);
    return code;
}
