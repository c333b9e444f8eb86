/* What `rescl data check` found, in words and as JSON. */
#ifndef CLI_DATA_REPORT_H
#define CLI_DATA_REPORT_H

#include <rescl/rescl.h>

/* Whether something wants the user's attention: images that cannot be read, that several splits have,
 * or that lie in several classes. */
bool cli_data_has_findings(const rescl_survey *survey);

/* To cli_result(). Exit code. */
int cli_data_report_text(const rescl_survey *survey, const char *path);
int cli_data_report_json(const rescl_survey *survey, const char *path);

#endif
