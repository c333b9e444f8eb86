/**
 * @file report.h
 * What a training run left in its folder, as a page to look at.
 */
#ifndef RESCL_REPORT_H
#define RESCL_REPORT_H

#include <rescl/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Writes `path` (NULL: report.html in the folder) from the files of a run folder: curves, scores by
 * class, mistakes, data, network, environment. The page stands alone: it has no script and loads
 * nothing. A run writes it at its end. RESCL_ERR_NOT_FOUND if the folder is that of no run.
 */
RESCL_API rescl_status rescl_report_write(const char *folder, const char *path) RESCL_CHECK;

/** Writes a page that compares the runs of `count` folders (2 to RESCL_REPORT_RUNS). */
#define RESCL_REPORT_RUNS 8
RESCL_API rescl_status rescl_report_compare(const char *const *folders, size_t count,
                                            const char *path) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
