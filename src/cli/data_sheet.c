#include "data_sheet.h"

#include "alloc.h"
#include "cli.h"
#include "drawing.h"
#include "output.h"
#include "text.h"
#include "thumbnail.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 96, /* of an image */
    GAP = 8,
    COLUMNS = 10,
    LINE = 20, /* of a heading, and of the text below an image */
    MARGIN = 12,
    WIDTH = 2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP,
    CLASSES = 200, /* the most that are drawn */
    GROUPS = 50,
    CHARS = SIDE / CLI_TEXT_WIDTH
};

static const uint32_t ink = 0x1f2328, grey = 0x59636e, alarm = 0xb5542f;

/* A line of images with a heading. */
typedef struct row {
    char *heading;
    bool alarming;
    size_t image[COLUMNS], count;
} row;

typedef struct sheet {
    const rescl_survey *survey;
    row *row;
    size_t rows, room;
} sheet;

bool cli_data_sheet_name(const char *path)
{
    if (!path || rs_ends_with(path, ".png"))
        return true;
    cli_usage_error("--sheet: found '%s', expected a name that ends with .png", path);
    return false;
}

/* NULL after a message when memory is short. Takes the heading. */
static row *add_row(sheet *s, char *heading)
{
    if (!heading || !rs_array_grow(&s->row, &s->room, s->rows + 1, sizeof *s->row)) {
        cli_short_of_memory();
        free(heading);
        return NULL;
    }
    s->row[s->rows] = (row){.heading = heading};
    return &s->row[s->rows++];
}

static char *class_heading(const rescl_survey *s, size_t class_index)
{
    char counts[128] = "";
    for (size_t k = 0, at = 0; k < rescl_survey_splits(s) && at < sizeof counts; k++)
        at += (size_t)snprintf(counts + at, sizeof counts - at, "%s%s %zu", k ? ", " : "",
                               rescl_dataset_split(rescl_survey_set(s, k)),
                               rescl_survey_class_count(s, k, class_index));
    return rs_strf("%s: %s", rescl_survey_class_name(s, class_index), counts);
}

/* Images of each class, spread over those that can be read. */
static bool add_classes(sheet *s)
{
    const rescl_survey *v = s->survey;
    const size_t all = rescl_survey_classes(v), classes = all < CLASSES ? all : CLASSES;
    rescl_survey_image_info i;
    size_t *readable = calloc(classes + 1, sizeof *readable);
    size_t *seen = calloc(classes + 1, sizeof *seen);
    bool good = readable && seen;
    if (!good)
        cli_short_of_memory();
    for (size_t c = 0; good && c < classes; c++)
        good = add_row(s, class_heading(v, c)) != NULL;
    for (size_t k = 0; good && rescl_survey_image(v, k, &i); k++)
        if (!i.reason && i.class_index < classes)
            readable[i.class_index]++;
    for (size_t k = 0; good && rescl_survey_image(v, k, &i); k++) {
        if (i.reason || i.class_index >= classes)
            continue;
        row *r = &s->row[i.class_index];
        const size_t n = readable[i.class_index], at = seen[i.class_index]++;
        const size_t wanted = n < COLUMNS ? n : COLUMNS;
        if (wanted > 0 && r->count < wanted && at == r->count * n / wanted)
            r->image[r->count++] = k;
    }
    free(readable);
    free(seen);
    return good;
}

static bool add_copies(sheet *s)
{
    rescl_copies g;
    size_t groups = 0;
    for (size_t i = 0; groups < GROUPS && rescl_survey_copies(s->survey, i, &g); i++) {
        if (!g.shared && !g.contradict)
            continue;
        row *r = add_row(s, rs_strf("the same image, of %s", g.contradict && g.shared
                                                                 ? "several splits and classes"
                                                             : g.shared ? "several splits"
                                                                        : "several classes"));
        if (!r)
            return false;
        r->alarming = true;
        r->count = g.count < COLUMNS ? g.count : COLUMNS;
        memcpy(r->image, g.image, r->count * sizeof *r->image);
        groups++;
    }
    return true;
}

/* An image that went away since is left blank. */
static void put_image(const sheet *s, rescl_image *page, size_t index, int x, int y, bool alarming)
{
    rescl_image image = {0}, small = {0};
    rescl_survey_image_info i = {0};
    int32_t label;
    char text[640], line[256];
    (void)rescl_survey_image(s->survey, index, &i);
    const rescl_dataset *set = rescl_survey_set(s->survey, i.split);
    const char *slash = i.path ? strrchr(i.path, '/') : NULL;
    if (alarming)
        snprintf(text, sizeof text, "%s/%s", rescl_dataset_split(set),
                 i.class_index < rescl_survey_classes(s->survey)
                     ? rescl_survey_class_name(s->survey, i.class_index)
                     : "no label");
    else if (i.path)
        snprintf(text, sizeof text, "%s", slash ? slash + 1 : i.path);
    else
        snprintf(text, sizeof text, "%zu", i.sample);
    cli_thumbnail_caption(text, CHARS, line);
    cli_image_text(page, x, y + SIDE + 2, 1, false, grey, line);
    if (rescl_dataset_get(set, i.sample, &image, &label) == RESCL_OK &&
        cli_thumbnail(&image, SIDE, &small))
        cli_thumbnail_put(page, x, y, SIDE, &small);
    rescl_image_free(&image);
    rescl_image_free(&small);
}

static int draw(const sheet *s, const char *data, const char *path)
{
    const size_t row_height = LINE + SIDE + LINE + GAP;
    rescl_image page = {.width = WIDTH, .height = MARGIN + LINE + s->rows * row_height + MARGIN};
    rescl_survey_summary sum;
    char head[256];
    page.pixels = malloc(3 * page.width * page.height);
    if (!page.pixels) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    memset(page.pixels, 0xff, 3 * page.width * page.height);
    rescl_survey_get_summary(s->survey, &sum);
    snprintf(head, sizeof head, "%.100s: %zu images, %zu classes, %zu unreadable, %zu copies", data,
             sum.images, rescl_survey_classes(s->survey), sum.unreadable, sum.copies);
    cli_image_text(&page, MARGIN, MARGIN, 1, true, ink, head);
    for (size_t r = 0; r < s->rows; r++) {
        const row *of = &s->row[r];
        const int y = (int)(MARGIN + LINE + r * row_height);
        cli_image_text(&page, MARGIN, y, 1, true, of->alarming ? alarm : ink, of->heading);
        for (size_t i = 0; i < of->count; i++)
            put_image(s, &page, of->image[i], MARGIN + (int)i * (SIDE + GAP), y + LINE,
                      of->alarming);
    }
    const rescl_status st = rescl_image_write(path, &page);
    rescl_image_free(&page);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

int cli_data_sheet_write(const rescl_survey *survey, const char *data, const char *path)
{
    sheet s = {.survey = survey};
    int code = CLI_FAILURE;
    if (add_classes(&s) && add_copies(&s))
        code = draw(&s, data, path);
    for (size_t i = 0; i < s.rows; i++)
        free(s.row[i].heading);
    free(s.row);
    if (code == CLI_OK)
        cli_note("sheet   %s", path);
    return code;
}
