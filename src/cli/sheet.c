#include "sheet.h"

#include "alloc.h"
#include "cli.h"
#include "drawing.h"
#include "html.h"
#include "outfile.h"
#include "output.h"
#include "text.h"
#include "thumbnail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SURE 0.9 /* and what is as certain at least, sure */

/* ---- collecting ---- */

bool cli_sheet_init(cli_sheet *s, const char *path, bool several)
{
    *s = (cli_sheet){.path = path, .unsure = several ? 0.7 : 0.5};
    if (!path || rs_ends_with(path, ".png") || rs_ends_with(path, ".html"))
        return true;
    cli_usage_error("--sheet: found '%s', expected a name that ends with .png or .html", path);
    return false;
}

void cli_sheet_fini(cli_sheet *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->item[i].text);
        free(s->item[i].overlay);
    }
    free(s->item);
    *s = (cli_sheet){0};
}

int cli_sheet_add(cli_sheet *s, size_t index, double certainty, const char *text,
                  const char *overlay)
{
    cli_sheet_item item = {.index = index, .certainty = certainty, .text = strdup(text)};
    if (overlay)
        item.overlay = strdup(overlay);
    if (!item.text || (overlay && !item.overlay) ||
        !rs_array_grow(&s->item, &s->room, s->count + 1, sizeof *s->item)) {
        cli_short_of_memory();
        free(item.text);
        free(item.overlay);
        return CLI_FAILURE;
    }
    s->item[s->count++] = item;
    return CLI_OK;
}

/* The least sure first, equal ones in their order. */
static int by_certainty(const void *a, const void *b)
{
    const cli_sheet_item *x = a, *y = b;
    if (x->certainty < y->certainty)
        return -1;
    if (x->certainty > y->certainty)
        return 1;
    return x->index < y->index ? -1 : x->index > y->index ? 1 : 0;
}

static const char *name_of(const cli_images *list, size_t index)
{
    const char *path = list->path[index], *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The name behind that of its folder: images of several folders may be called the same. */
static const char *place_of(const cli_images *list, size_t index)
{
    const char *path = list->path[index], *at = name_of(list, index);
    if (at > path)
        at--;
    while (at > path && at[-1] != '/')
        at--;
    return at;
}

/* ---- thumbnails ---- */

/* The image of an item, or its overlay. Exit code; one that cannot be read again is left out with a
 * message, and *out is empty. */
static int read_small(const cli_images *list, const cli_sheet_item *item, bool overlay, size_t side,
                      rescl_image *out)
{
    rescl_image whole = {0};
    *out = (rescl_image){0};
    const rescl_status st = overlay ? rescl_image_read(item->overlay, &whole)
                                    : cli_images_read_shown(list, item->index, &whole);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    const bool made = cli_thumbnail(&whole, side, out);
    rescl_image_free(&whole);
    if (!made)
        cli_short_of_memory();
    return made ? CLI_OK : CLI_FAILURE;
}

/* ---- HTML ---- */

enum { HTML_SIDE = 224 };

static int put_image(rs_html *h, const cli_images *list, const cli_sheet_item *item, bool overlay)
{
    const char *name = place_of(list, item->index);
    rescl_image image;
    uint8_t *png = NULL;
    size_t bytes = 0;
    int code = read_small(list, item, overlay, HTML_SIDE, &image);
    if (code == CLI_OK) {
        const rescl_status st = rescl_image_encode(&image, &png, &bytes);
        code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    }
    char *caption = rs_strf("%s; %s", name, item->text);
    char *alt = rs_strf(overlay ? "Where the network looked in %s" : "%s", name);
    if (code == CLI_OK && caption && alt)
        rs_html_png(h, png, bytes, 0, alt, overlay ? "what speaks for it" : caption);
    else if (code == CLI_OK)
        cli_short_of_memory();
    rescl_image_free(&image);
    free(png);
    free(caption);
    free(alt);
    return code;
}

/* The items of a range of certainty. *code becomes that of what failed. */
static size_t put_range(rs_html *h, const cli_sheet *s, size_t from, size_t shown, double below,
                        const char *heading, const cli_images *list, int *code)
{
    size_t to = from;
    while (to < shown && s->item[to].certainty < below)
        to++;
    if (to == from)
        return to;
    rs_html_section(h, heading);
    rs_html_gallery(h);
    for (size_t i = from; i < to; i++) {
        int put = put_image(h, list, &s->item[i], false);
        if (put == CLI_OK && s->item[i].overlay)
            put = put_image(h, list, &s->item[i], true);
        *code = put == CLI_OK ? *code : put;
    }
    rs_html_gallery_end(h);
    rs_html_section_end(h);
    return to;
}

static int write_html(const cli_sheet *s, size_t shown, const cli_images *list, const char *model,
                      FILE *f)
{
    const double below[] = {s->unsure, SURE, (double)INFINITY};
    char heading[3][64];
    rs_html h = {.f = f};
    size_t at = 0;
    int code = CLI_OK;
    snprintf(heading[0], sizeof heading[0], "Unsure: below %.0f %%", 100 * s->unsure);
    snprintf(heading[1], sizeof heading[1], "Likely: %.0f %% to %.0f %%", 100 * s->unsure,
             100 * SURE);
    snprintf(heading[2], sizeof heading[2], "Sure: %.0f %% and above", 100 * SURE);
    rs_html_begin(&h, "Predictions");
    rs_html_facts(&h);
    rs_html_fact(&h, "network", "%s", model);
    rs_html_fact(&h, "images", "%zu", s->count);
    rs_html_fact(&h, "least sure", "%.1f %%", 100 * s->item[0].certainty);
    rs_html_facts_end(&h);
    if (shown < s->count)
        rs_html_p(&h, "The %zu images that the network is least sure of.", shown);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        at = put_range(&h, s, at, shown, below[i], heading[i], list, &code);
    rs_html_end(&h);
    return code;
}

/* ---- PNG ---- */

enum {
    SIDE = 160,       /* of an image */
    CELL = SIDE + 12, /* and what is beside it */
    LINES = 3,        /* of text below */
    CELL_HEIGHT = SIDE + LINES * 16 + 16,
    COLUMNS = 6,
    HEAD = 36
};

static void put_cell(rescl_image *sheet, int x, int y, const rescl_image *small,
                     const cli_images *list, const cli_sheet_item *item, double unsure)
{
    enum { CHARS = SIDE / CLI_TEXT_WIDTH, BAR = 3 };
    char line[256], folder[256];
    const char *name = name_of(list, item->index), *place = place_of(list, item->index);
    const double certainty = item->certainty;
    cli_thumbnail_put(sheet, x, y, SIDE, small);
    /* Its certainty as a bar. */
    cli_image_fill(sheet, x, y + SIDE + 2, SIDE, BAR, 0xd8dee4);
    cli_image_fill(sheet, x, y + SIDE + 2, (int)(certainty * SIDE), BAR,
                   certainty < unsure ? 0xb5542f
                   : certainty < SURE ? 0xd0a215
                                      : 0x2f6fb5);
    cli_thumbnail_caption(item->text, CHARS, line);
    cli_image_text(sheet, x, y + SIDE + 7, 1, true, 0x1f2328, line);
    cli_thumbnail_caption(name, CHARS, line);
    cli_image_text(sheet, x, y + SIDE + 23, 1, false, 0x59636e, line);
    snprintf(folder, sizeof folder, "%.*s", (int)(name - place), place);
    cli_thumbnail_caption(folder, CHARS, line);
    cli_image_text(sheet, x, y + SIDE + 39, 1, false, 0x59636e, line);
}

static int write_png(const cli_sheet *s, size_t shown, const cli_images *list, const char *model)
{
    const size_t columns = shown < COLUMNS ? (shown < 3 ? 3 : shown) : COLUMNS;
    const size_t rows = (shown + columns - 1) / columns;
    rescl_image sheet = {.width = columns * CELL + 12, .height = HEAD + rows * CELL_HEIGHT};
    char head[160];
    int code = CLI_OK;
    sheet.pixels = malloc(3 * sheet.width * sheet.height);
    if (!sheet.pixels) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    memset(sheet.pixels, 0xff, 3 * sheet.width * sheet.height);
    snprintf(head, sizeof head, "%.60s: %s%zu of %zu images", model,
             shown < s->count ? "the least sure " : "", shown, s->count);
    cli_image_text(&sheet, 12, 12, 1, true, 0x1f2328, head);
    for (size_t i = 0; i < shown; i++) {
        const cli_sheet_item *item = &s->item[i];
        rescl_image small;
        const int read = read_small(list, item, item->overlay != NULL, SIDE, &small);
        if (read == CLI_OK)
            put_cell(&sheet, (int)(12 + i % columns * CELL),
                     (int)(HEAD + i / columns * CELL_HEIGHT), &small, list, item, s->unsure);
        else
            code = read;
        rescl_image_free(&small);
    }
    const rescl_status st = rescl_image_write(s->path, &sheet);
    rescl_image_free(&sheet);
    return st == RESCL_OK ? code : cli_fail(st, false);
}

int cli_sheet_write(cli_sheet *s, const cli_images *list, const rescl_model *model)
{
    rescl_model_info info;
    cli_outfile out = {0};
    int code = CLI_OK;
    if (!s->path || !s->count)
        return CLI_OK;
    rescl_model_get_info(model, &info);
    qsort(s->item, s->count, sizeof *s->item, by_certainty);
    const size_t shown = s->count < CLI_SHEET_IMAGES ? s->count : CLI_SHEET_IMAGES;
    if (rs_ends_with(s->path, ".png")) {
        code = write_png(s, shown, list, info.name);
    } else {
        code = cli_outfile_open(&out, s->path);
        if (code == CLI_OK)
            code = write_html(s, shown, list, info.name, out.f);
        const int written = cli_outfile_close(&out, out.f != NULL);
        code = written == CLI_OK ? code : written;
    }
    if (code == CLI_OK)
        cli_note("sheet   %s: %zu of %zu images, the least sure first", s->path, shown, s->count);
    return code;
}
