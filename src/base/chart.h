/* Charts as SVG within a page of html.h. Each has its title and a description, which screen readers read,
 * and the numbers in a table that a click unfolds. */
#ifndef RS_CHART_H
#define RS_CHART_H

#include "html.h"

#include <stdbool.h>

/* The most series whose colours differ. */
#define RS_CHART_SERIES 8

typedef struct rs_series {
    const char *name;
    const double *x, *y;      /* NaN: no point; a line goes on to the next */
    const char *const *label; /* of points; NULL: none */
    size_t count;
    bool points; /* points alone, without a line through them */
    bool exact;  /* no average is drawn */
} rs_series;

typedef struct rs_chart {
    const char *title, *about; /* about: what is to be seen, for who does not see it */
    const char *x_name, *y_name;
    bool log_x, log_y; /* values of 0 and below are not drawn then */
    bool y_from_zero;
    double y_least, y_most; /* the axis' ends; both 0: by the values */
    const rs_series *series;
    size_t count;
    bool no_table; /* the numbers stand elsewhere in the page */
} rs_chart;

/* Lines, points, or both. A line of more than RS_CHART_SMOOTH points is drawn faintly under its moving
 * average, the exponential one of TensorBoard: weight 0.6, without a bias to its start. */
#define RS_CHART_SMOOTH 60
void rs_chart_draw(rs_html *h, const rs_chart *c);

/* A matrix, as of confusion: value(row, column), at least 0, of a stronger colour where it is larger in its row. */
typedef struct rs_matrix {
    const char *title, *about, *row_name, *column_name;
    const double *value;     /* (count, count), rows from the top */
    const char *const *name; /* of rows and columns */
    size_t count;
} rs_matrix;

/* Of more than RS_MATRIX_CELLS rows neighbours are summed, and there is no table. */
#define RS_MATRIX_CELLS 100
void rs_chart_matrix(rs_html *h, const rs_matrix *m);

#endif
