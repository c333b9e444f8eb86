#include "netdraw.h"

#include "cli.h"
#include "output.h"

#include <string.h>

enum {
    MARGIN = 16,
    ROW = 18,   /* a layer */
    PAD = 8,    /* left and right of a row's text */
    STRIP = 5,  /* the colour at its left */
    GAP = 16,   /* between boxes, which an arrow crosses */
    FRAME = 12, /* around a block */
    TITLE = 22, /* of a block */
    SPINE = 20, /* arrows come down so far from the left of a box */
    BESIDE = 28 /* between branches */
};

#define INK      0x1f2328u
#define FAINT    0x59636eu
#define EDGE     0x8c959fu
#define RULE     0xd8dee4u
#define PAPER    0xffffffu
#define FRAME_BG 0xf6f8fau

enum { NAME, KIND, SHAPE, PARAMS, CELLS };

/* The columns of the boxes of a branch, in characters. */
typedef struct columns {
    int width[CELLS];
} columns;

typedef struct sheet {
    cli_drawing *d;
    const cli_net_plan *plan;
    cli_netdraw_options show;
    columns main, side;
    int y;    /* where the next part begins */
    int tail; /* the lower edge of the box before it; 0: there is none */
} sheet;

typedef struct cells {
    char text[CELLS][160];
} cells;

/* ---- text ---- */

/* "layer1.0" of "layer1.0.add", "res2a" of "res2a_add": what the layers of a block have in common. */
static size_t stem_length(const char *join)
{
    const char *dot = strrchr(join, '.'), *line = strrchr(join, '_');
    const char *cut = dot > line ? dot : line;
    return cut && cut > join ? (size_t)(cut - join) : strlen(join);
}

/* Within a block, whose title says the rest of the name. */
static const char *short_name(const char *name, const char *join)
{
    const size_t stem = join ? stem_length(join) : 0;
    return stem && strncmp(name, join, stem) == 0 && (name[stem] == '.' || name[stem] == '_')
               ? name + stem + 1
               : name;
}

static void describe(const sheet *s, const cli_net_layer *l, const char *join, cells *out)
{
    const rescl_layer_info *i = &l->info;
    char filters[48] = "", stride[24] = "", groups[32] = "", count[32];
    size_t used = 0;
    if (l->rows)
        snprintf(filters, sizeof filters, " %zux%zu", l->rows, l->columns);
    if (l->stride > 1 && strncmp(i->type, "Global", 6) != 0)
        snprintf(stride, sizeof stride, " /%zu", l->stride);
    if (l->groups > 1)
        snprintf(groups, sizeof groups, " in %zu", l->groups);
    *out = (cells){0};
    snprintf(out->text[NAME], sizeof out->text[NAME], "%s", short_name(i->name, join));
    snprintf(out->text[KIND], sizeof out->text[KIND], "%s%s%s%s", i->type, filters, stride, groups);
    for (size_t k = 0; s->show.shapes && k < i->ndim; k++)
        used += (size_t)snprintf(out->text[SHAPE] + used, sizeof out->text[SHAPE] - used, "%s%zu",
                                 k ? "x" : "", i->shape[k]);
    if (s->show.params && i->params)
        snprintf(out->text[PARAMS], sizeof out->text[PARAMS], "%s%s",
                 cli_thousands(i->params, count), i->trainable ? "" : " frozen");
}

static void measure(const sheet *s, size_t layer, const char *join, columns *c)
{
    cells row;
    describe(s, &s->plan->layer[layer], join, &row);
    for (int i = 0; i < CELLS; i++) {
        const int n = cli_text_length(row.text[i]);
        c->width[i] = n > c->width[i] ? n : c->width[i];
    }
}

static const char *join_of(const cli_net_plan *plan, const cli_net_part *part)
{
    return part->branches ? plan->layer[part->join].info.name : NULL;
}

/* Finds the widths of the columns. */
static void measure_all(sheet *s)
{
    for (size_t i = 0; i < s->plan->parts; i++) {
        const cli_net_part *part = &s->plan->part[i];
        const char *join = join_of(s->plan, part);
        for (size_t l = part->branches ? part->join : part->first; l <= part->last; l++)
            measure(s, l, join, &s->main);
        for (size_t b = 0; b < part->branches; b++)
            for (size_t k = 0; k < part->branch[b].count; k++)
                measure(s, part->branch[b].layer[k], join, b ? &s->side : &s->main);
    }
}

static int width_of(const columns *c)
{
    int chars = 0;
    for (int i = 0; i < CELLS; i++)
        chars += c->width[i] ? c->width[i] + 2 : 0;
    return STRIP + 2 * PAD + (chars > 2 ? chars - 2 : 0) * CLI_TEXT_WIDTH;
}

/* ---- boxes ---- */

/* By what a layer does. */
static uint32_t colour_of(const char *type)
{
    static const struct {
        const char *part;
        uint32_t colour;
    } colours[] = {{"Conv", 0x2f6fb5}, {"Norm", 0x4f9a94}, {"Pool", 0xb5542f}, {"Dense", 0x7b4fa3},
                   {"Add", 0x1f2328},  {"ReLU", 0xd0a215}, {"Drop", 0x8c959f}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strstr(type, colours[i].part))
            return colours[i].colour;
    return EDGE;
}

/* A layer that stands in the box of the one before it. */
static bool follows(const cli_net_layer *l)
{
    static const char *const types[] = {"BatchNormalization", "ReLU", "Dropout"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(l->info.type, types[i]) == 0)
            return true;
    return false;
}

static void draw_row(sheet *s, const columns *c, int x, int y, size_t layer, const char *join)
{
    const cli_net_layer *l = &s->plan->layer[layer];
    cells row;
    describe(s, l, join, &row);
    cli_draw_box(s->d, x, y, STRIP, ROW, colour_of(l->info.type), colour_of(l->info.type));
    x += STRIP + PAD;
    for (int i = 0; i < CELLS; i++) {
        if (!c->width[i])
            continue;
        const int spare = i == PARAMS ? c->width[i] - cli_text_length(row.text[i]) : 0;
        if (*row.text[i])
            cli_draw_text(s->d, x + spare * CLI_TEXT_WIDTH, y + 2, i == NAME,
                          i == NAME ? INK : FAINT, "%s", row.text[i]);
        x += (c->width[i] + 2) * CLI_TEXT_WIDTH;
    }
}

/* Layers one under the other, at `list` or, where that is NULL, from `first` on; those that follow share a
 * box. The first box is met by an arrow from `tail`, above; its lower edge is returned. */
static int draw_chain(sheet *s, const columns *c, int x, int y, int tail, const size_t *list,
                      size_t first, size_t count, const char *join)
{
    const int width = width_of(c);
    for (size_t i = 0; i < count;) {
        size_t n = 1;
        while (i + n < count && follows(&s->plan->layer[list ? list[i + n] : first + i + n]))
            n++;
        if (tail > 0)
            cli_draw_arrow(s->d, x + SPINE, tail, 0, y - 1 - tail, EDGE);
        cli_draw_box(s->d, x, y, width, (int)n * ROW, PAPER, EDGE);
        for (size_t k = 0; k < n; k++) {
            if (k > 0)
                cli_draw_line(s->d, x + STRIP, y + (int)k * ROW, width - STRIP - 2, 0, RULE);
            draw_row(s, c, x, y + (int)k * ROW, list ? list[i + k] : first + i + k, join);
        }
        tail = y + (int)n * ROW;
        y = tail + GAP;
        i += n;
    }
    return tail;
}

/* What draw_chain takes from the top of the first box to the lower edge of the last. */
static int chain_height(const sheet *s, const cli_net_branch *b)
{
    int height = 0;
    for (size_t i = 0; i < b->count; i++)
        height += ROW + (i > 0 && !follows(&s->plan->layer[b->layer[i]]) ? GAP : 0);
    return height;
}

/* ---- parts ---- */

static size_t params_of(const sheet *s, const cli_net_part *part)
{
    size_t all = 0;
    for (size_t l = part->first; l <= part->last; l++)
        all += s->plan->layer[l].info.params;
    return all;
}

/* "layer3.1 to layer3.35, 35 equal blocks". */
static void draw_title(sheet *s, const cli_net_part *part, int x, int y)
{
    const char *join = join_of(s->plan, part), *last = s->plan->layer[part->last_join].info.name;
    char range[340], params[32], each[80] = "";
    if (part->repeats > 1)
        snprintf(range, sizeof range, "%.*s to %.*s: %zu equal blocks", (int)stem_length(join),
                 join, (int)stem_length(last), last, part->repeats);
    else
        snprintf(range, sizeof range, "%.*s", (int)stem_length(join), join);
    if (s->show.params)
        snprintf(each, sizeof each, "%s parameters%s", cli_thousands(params_of(s, part), params),
                 part->repeats > 1 ? " each" : "");
    cli_draw_text(s->d, x, y, true, INK, "%s", range);
    cli_draw_text(s->d, x + (cli_text_length(range) + 3) * CLI_TEXT_WIDTH, y, false, FAINT, "%s",
                  each);
}

/* A branch beside the main one, from the fork to the right side of the join's box. */
static void draw_shortcut(sheet *s, const cli_net_branch *b, int x, int fork, int join_x,
                          int join_y, const char *join)
{
    int y = fork, tail = fork;
    cli_draw_line(s->d, MARGIN + FRAME + SPINE, fork, x - MARGIN - FRAME, 0, EDGE);
    if (b->count)
        tail = draw_chain(s, &s->side, x, y + GAP, fork, b->layer, 0, b->count, join);
    else
        cli_draw_text(s->d, x + SPINE + PAD, fork + GAP, false, FAINT, "identity");
    cli_draw_line(s->d, x + SPINE, tail, 0, join_y - tail, EDGE);
    cli_draw_arrow(s->d, x + SPINE, join_y, join_x + 1 - x - SPINE, 0, EDGE);
}

static void draw_block(sheet *s, const cli_net_part *part)
{
    const char *join = join_of(s->plan, part);
    const int x = MARGIN + FRAME, width = width_of(&s->main), side = width_of(&s->side) + BESIDE;
    const int fork = s->y + TITLE + 4;
    int height = 0;
    for (size_t b = 0; b < part->branches; b++) {
        const int h = chain_height(s, &part->branch[b]);
        height = h > height ? h : height;
    }
    const int join_y = fork + GAP + height + GAP;
    const int bottom = join_y + (int)(part->last - part->join + 1) * ROW;
    cli_draw_box(s->d, MARGIN, s->y, s->d->width - 2 * MARGIN, bottom + FRAME - s->y, FRAME_BG,
                 RULE);
    draw_title(s, part, x + SPINE + 12, s->y + 6);
    const int tail = draw_chain(s, &s->main, x, fork + GAP, s->tail, part->branch[0].layer, 0,
                                part->branch[0].count, join);
    s->tail = draw_chain(s, &s->main, x, join_y, tail, NULL, part->join,
                         part->last - part->join + 1, join);
    for (size_t b = 1; b < part->branches; b++)
        draw_shortcut(s, &part->branch[b], x + width + BESIDE + (int)(b - 1) * side, fork,
                      x + width, join_y + ROW / 2 + 4 * (int)(b - 1), join);
    s->y = bottom + FRAME + GAP;
}

static void draw_head(sheet *s, const rescl_model_info *info)
{
    char classes[64], params[32], trainable[32], macs[32];
    cli_draw_text(s->d, MARGIN, MARGIN, true, INK, "%s", info->name);
    cli_draw_text(s->d, MARGIN, MARGIN + ROW, false, FAINT,
                  "%zux%zu, %s: %s parameters, %s trainable, %s MACs an image", info->image_size,
                  info->image_size, cli_count(info->classes, "class", classes),
                  cli_thousands(info->params, params), cli_thousands(info->trainable, trainable),
                  cli_si(info->macs, macs));
    s->y = MARGIN + 2 * ROW + GAP;
}

/* How many branches stand beside the main one, where most do. */
static int most_beside(const cli_net_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < plan->parts; i++)
        if (plan->part[i].branches > most)
            most = plan->part[i].branches;
    return most > 1 ? (int)most - 1 : 0;
}

void cli_netdraw(const cli_net_plan *plan, const rescl_model_info *info,
                 const cli_netdraw_options *options, cli_drawing *out)
{
    enum { HEAD_CHARS = 84, TITLE_CHARS = 72 };
    sheet s = {.d = out, .plan = plan, .show = *options};
    measure_all(&s);
    const int beside = most_beside(plan), title = SPINE + 12 + TITLE_CHARS * CLI_TEXT_WIDTH;
    int width = width_of(&s.main) + beside * (BESIDE + width_of(&s.side));
    width = beside && width < title ? title : width;
    width += 2 * FRAME;
    width = width < HEAD_CHARS * CLI_TEXT_WIDTH ? HEAD_CHARS * CLI_TEXT_WIDTH : width;
    out->width = width + 2 * MARGIN;
    draw_head(&s, info);
    for (size_t i = 0; i < plan->parts; i++) {
        const cli_net_part *part = &plan->part[i];
        if (part->branches) {
            draw_block(&s, part);
            continue;
        }
        s.tail = draw_chain(&s, &s.main, MARGIN + FRAME, s.y, s.tail, NULL, part->first,
                            part->last - part->first + 1, NULL);
        s.y = s.tail + GAP;
    }
    out->height = s.y - GAP + MARGIN;
}
