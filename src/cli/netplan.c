#include "netplan.h"

#include "cli.h"
#include "output.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* ---- layers ---- */

/* What lies before `index`: networks are listed in an order of computation. */
static size_t find_layer(const cli_net_plan *p, size_t index, const char *name)
{
    size_t i = index;
    while (i > 0 && strcmp(p->layer[i - 1].info.name, name) != 0)
        i--;
    return i > 0 ? i - 1 : 0;
}

/* The filters of a convolution, "<layer>.weight" of (rows, columns, channels in / groups, out). */
static void take_filters(cli_net_plan *p, const rescl_model *model)
{
    static const char role[] = ".weight";
    rescl_parameter_info w;
    size_t from = 0;
    for (size_t k = 0; rescl_model_get_parameter_info(model, k, &w); k++) {
        const size_t len = strlen(w.name);
        if (w.ndim != 4 || !rs_ends_with(w.name, role))
            continue;
        for (size_t n = 0; n < p->layers; n++) {
            cli_net_layer *l = &p->layer[(from + n) % p->layers];
            if (strlen(l->info.name) != len - strlen(role) ||
                strncmp(l->info.name, w.name, len - strlen(role)) != 0)
                continue;
            const rescl_layer_info *before = &p->layer[l->input[0]].info;
            l->rows = w.shape[0];
            l->columns = w.shape[1];
            l->groups = before->ndim == 3 && w.shape[2] ? before->shape[2] / w.shape[2] : 1;
            from = (from + n) % p->layers;
            break;
        }
    }
}

static bool take_layers(cli_net_plan *p, const rescl_model *model)
{
    rescl_layer_info info;
    while (rescl_model_get_layer_info(model, p->layers, &info))
        p->layers++;
    p->layer = calloc(p->layers, sizeof *p->layer);
    p->part = calloc(p->layers, sizeof *p->part);
    p->chain = calloc(p->layers, sizeof *p->chain);
    if (!p->layer || !p->part || !p->chain) {
        cli_short_of_memory();
        return false;
    }
    for (size_t i = 0; i < p->layers; i++) {
        cli_net_layer *l = &p->layer[i];
        *l = (cli_net_layer){.stride = 1, .groups = 1};
        (void)rescl_model_get_layer_info(model, i, &l->info);
        for (size_t k = 0; k < l->info.ninputs; k++)
            l->input[k] = find_layer(p, i, l->info.inputs[k]);
        const rescl_layer_info *before = &p->layer[l->input[0]].info;
        if (i > 0 && before->ndim == 3 && l->info.ndim == 3 && l->info.shape[0] > 0)
            l->stride = (before->shape[0] + l->info.shape[0] / 2) / l->info.shape[0];
    }
    take_filters(p, model);
    return true;
}

/* ---- blocks ---- */

static bool reads(const cli_net_layer *l, size_t place)
{
    for (size_t k = 0; k < l->info.ninputs; k++)
        if (l->input[k] == place)
            return true;
    return false;
}

/* The layer behind `i` that everything between passes through: the first that no connection from before
 * it goes past. */
static size_t next_waist(const cli_net_plan *p, size_t i)
{
    size_t at = i + 1;
    for (bool past = true; past && at + 1 < p->layers; at += past) {
        past = false;
        for (size_t from = i; !past && from < at; from++)
            for (size_t to = at + 1; !past && to < p->layers; to++)
                past = reads(&p->layer[to], from);
    }
    return at;
}

static int by_length(const void *a, const void *b)
{
    const cli_net_branch *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

/* Sorts the layers between `fork` and the join into branches. False where a branch branches again, or there
 * are too many. */
static bool find_branches(const cli_net_plan *p, cli_net_part *b, size_t fork)
{
    size_t *next = p->chain + fork + 1;
    const cli_net_layer *join = &p->layer[b->join];
    size_t seen = 0;
    for (size_t k = 0; k < join->info.ninputs; k++) {
        size_t count = 0;
        for (size_t at = join->input[k]; at > fork; at = p->layer[at].input[0])
            count++;
        if (b->branches == CLI_BRANCHES)
            return false;
        cli_net_branch *branch = &b->branch[b->branches++];
        *branch = (cli_net_branch){next, count};
        size_t at = join->input[k];
        for (size_t i = count; i > 0; i--, at = p->layer[at].input[0]) {
            if (p->layer[at].info.ninputs != 1)
                return false;
            next[i - 1] = at;
        }
        if (at != fork || seen + count > b->join - fork - 1)
            return false;
        next += count;
        seen += count;
    }
    qsort(b->branch, b->branches, sizeof *b->branch, by_length);
    return seen == b->join - fork - 1;
}

/* Layers that only reshape the values of the join belong to the block. */
static bool is_activation(const cli_net_layer *l)
{
    return strcmp(l->info.type, "ReLU") == 0 || strcmp(l->info.type, "Activation") == 0;
}

static bool same_layer(const cli_net_layer *a, const cli_net_layer *b)
{
    return strcmp(a->info.type, b->info.type) == 0 && a->info.ndim == b->info.ndim &&
           memcmp(a->info.shape, b->info.shape, a->info.ndim * sizeof *a->info.shape) == 0 &&
           a->info.params == b->info.params && a->info.trainable == b->info.trainable &&
           a->rows == b->rows && a->columns == b->columns && a->stride == b->stride &&
           a->groups == b->groups;
}

static bool same_block(const cli_net_plan *p, const cli_net_part *a, const cli_net_part *b)
{
    bool same =
        a->branches > 0 && a->branches == b->branches && a->last - a->first == b->last - b->first;
    for (size_t i = 0; same && i < a->branches; i++)
        same = a->branch[i].count == b->branch[i].count;
    for (size_t i = 0; same && i <= a->last - a->first; i++)
        same = same_layer(&p->layer[a->first + i], &p->layer[b->first + i]);
    return same;
}

static void add_part(cli_net_plan *p, const cli_net_part *part, bool expand)
{
    const bool first = p->parts == 0;
    cli_net_part *before = p->part + (first ? 0 : p->parts - 1);
    if (!first && !part->branches && !before->branches) {
        before->last = part->last;
    } else if (!first && !expand && same_block(p, before, part)) {
        before->repeats++;
        before->last_join = part->join;
    } else {
        p->part[p->parts++] = *part;
    }
}

bool cli_net_plan_init(cli_net_plan *p, const rescl_model *model, bool expand)
{
    *p = (cli_net_plan){0};
    if (!take_layers(p, model))
        return false;
    const cli_net_part input = {.repeats = 1};
    add_part(p, &input, expand);
    for (size_t i = 0; i + 1 < p->layers;) {
        const size_t waist = next_waist(p, i);
        cli_net_part part = {.first = i + 1, .last = waist, .join = waist, .repeats = 1};
        if (waist > i + 1) {
            part.last_join = waist;
            if (!find_branches(p, &part, i))
                part.branches = 0; /* its layers, in the order of computation */
            else if (waist + 1 < p->layers && is_activation(&p->layer[waist + 1]) &&
                     next_waist(p, waist) == waist + 1)
                part.last = waist + 1;
        }
        add_part(p, &part, expand);
        i = part.last;
    }
    return true;
}

void cli_net_plan_fini(cli_net_plan *p)
{
    free(p->layer);
    free(p->part);
    free(p->chain);
    *p = (cli_net_plan){0};
}
