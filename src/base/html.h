/* Pages that stand alone: one file without scripts and without references to others, light or dark as the
 * reader's system is, from the width of a phone to that of a desk. Plain functions, which the program
 * links too. What they write goes to a stream; whoever opened it looks at ferror
 * and `failed` in the end.
 *
 *     rs_html h = {.f = f};
 *     rs_html_begin(&h, "Run 7");
 *     rs_html_section(&h, "Accuracy");
 *     rs_html_p(&h, "Measured on %s.", name);
 *     rs_html_section_end(&h);
 *     rs_html_end(&h);
 *
 * All text is given as it is and escaped here, names from outside too. chart.h has the charts. */
#ifndef RS_HTML_H
#define RS_HTML_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct rs_html {
    FILE *f;
    unsigned ids; /* given out so far: an id is unique in its page */
    bool failed;  /* memory was short: something is missing */
} rs_html;

/* `text` for an element or an attribute in quotes: characters that mean something to HTML become
 * references, what rs_escape escapes is shown by its escape, and bytes that are not UTF-8 as U+FFFD. */
void rs_html_text(rs_html *h, const char *text);
void rs_html_textf(rs_html *h, const char *fmt, ...) RESCL_PRINTF(2, 3);
/* The same of at most `most` characters (at least 2), the last of which is "..." where there are more. */
void rs_html_cut(rs_html *h, const char *text, size_t most);
/* A name from outside, whose direction of writing does not change what stands beside it. */
void rs_html_name(rs_html *h, const char *name);

void rs_html_begin(rs_html *h, const char *title);
void rs_html_end(rs_html *h);

void rs_html_section(rs_html *h, const char *heading);
void rs_html_section_end(rs_html *h);
void rs_html_heading(rs_html *h, const char *text); /* within a section */
void rs_html_p(rs_html *h, const char *fmt, ...) RESCL_PRINTF(2, 3);
/* A paragraph that stands out. */
typedef enum rs_html_tone { RS_TONE_NOTE, RS_TONE_GOOD, RS_TONE_BAD } rs_html_tone;
void rs_html_notice(rs_html *h, rs_html_tone tone, const char *fmt, ...) RESCL_PRINTF(3, 4);
/* Text of lines that are kept, such as commands. */
void rs_html_code(rs_html *h, const char *text);

/* What a click unfolds. */
void rs_html_fold(rs_html *h, const char *summary);
void rs_html_fold_end(rs_html *h);

/* Facts in short: a term and a large value each. */
void rs_html_facts(rs_html *h);
void rs_html_fact(rs_html *h, const char *term, const char *fmt, ...) RESCL_PRINTF(3, 4);
void rs_html_facts_end(rs_html *h);

/* A table. The first column heads its rows; numbers, also with a unit, are aligned to the right; an
 * empty cell is shown as a dash. */
void rs_html_table(rs_html *h, const char *caption, const char *const *heads, size_t columns);
void rs_html_row(rs_html *h, const char *const *cells, size_t columns);
/* A row cell by cell: any number of rs_html_cell between the two. */
void rs_html_row_begin(rs_html *h, const char *head);
void rs_html_cell(rs_html *h, const char *fmt, ...) RESCL_PRINTF(2, 3);
void rs_html_row_end(rs_html *h);
void rs_html_table_end(rs_html *h);

/* A bar in the current row, from 0 to `value` of `full` (above 0). What lies between `low` and `high` is
 * drawn as a whisker; NaN: no whisker. The number stands in a cell of its own. */
void rs_html_bar(rs_html *h, double value, double full, double low, double high);

/* Images beside each other, each with its caption. `alt` says what is seen. Each is shown `width` pixels
 * wide, or as wide as the page is; 0: as wide as a column. */
void rs_html_gallery(rs_html *h);
void rs_html_gallery_end(rs_html *h);
void rs_html_png(rs_html *h, const void *png, size_t bytes, size_t width, const char *alt,
                 const char *caption);

#endif
