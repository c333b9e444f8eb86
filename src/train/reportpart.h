/* What the pages of one run and of several have in common. */
#ifndef RS_REPORTPART_H
#define RS_REPORTPART_H

#include "history.h"
#include "html.h"

/* A table of more classes is folded. */
#define RS_REPORT_ROWS 30

/* "0.9321", "1.5e-05"; "" for NaN. Returns `out`. */
const char *rs_report_number(double x, char out[32]);
/* A cell with it. */
void rs_report_cell(rs_html *h, double x);
/* "1 h 02 min", "2 min 03 s", "7.1 s"; "" for NaN. */
const char *rs_report_time(double seconds, char out[32]);

/* The section of an evaluation.json; nothing of NULL. */
rescl_status rs_report_evaluation(rs_html *h, const json_t *evaluation, const char *heading)
    RESCL_CHECK;

/* The section of a profile.json; nothing of NULL. */
rescl_status rs_report_profile(rs_html *h, const json_t *profile) RESCL_CHECK;

/* The section of a team.csv; nothing without one. */
void rs_report_team(rs_html *h, const rs_history *run);

/* Closes the stream of a page, which may have been short of memory. */
rescl_status rs_report_close(rs_html *h) RESCL_CHECK;

#endif
