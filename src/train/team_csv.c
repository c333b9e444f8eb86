/* team.csv of the run folder of several devices: a row for each device in each epoch. */
#include "csv.h"
#include "error.h"
#include "path.h"
#include "watch.h"

#include <stdlib.h>

#define HEADER "epoch,device,share,img_s,busy,waited\n"

typedef struct team_csv {
    rs_team *team;
    char *path;
} team_csv;

static rescl_status close_csv(void *self, rescl_status st)
{
    team_csv *c = self;

    (void)st;
    if (c)
        free(c->path);
    free(c);
    return RESCL_OK;
}

static rescl_status open_csv(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    team_csv *c = NULL;

    if (!run->folder || !run->train_set || !run->team || rs_team_size(run->team) < 2)
        goto out;
    RS_OOM(c = calloc(1, sizeof *c));
    c->team = run->team;
    RS_OOM(c->path = rs_path_join(run->folder, "team.csv"));
    RS_TRY(rs_csv_begin(c->path, HEADER, run->epoch));
    *self = c, c = NULL;
out:
    (void)!close_csv(c, st);
    return st;
}

static rescl_status append_row(const team_csv *c, const rescl_epoch_event *e, size_t member)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(rs_team_device(c->team, member));
    rs_team_pace pace;
    rs_str line = {0};

    RS_TRY(rs_team_look(c->team, member, &pace));
    RS_TRY(rs_str_appendf(&line, "%zu,%zu:%zu", e->epoch + 1, info->platform, info->device));
    RS_TRY(rs_csv_append(&line, (double)pace.share, "%.0f"));
    RS_TRY(rs_csv_append(&line, pace.busy > 0.0 ? (double)pace.images / pace.busy : 0.0, "%.2f"));
    RS_TRY(rs_csv_append(&line, pace.busy, "%.3f"));
    RS_TRY(rs_csv_append(&line, pace.waited, "%.3f"));
    RS_TRY(rs_file_append_line(c->path, line.text));
out:
    rs_str_fini(&line);
    return st;
}

static rescl_status append_rows(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    const team_csv *c = self;

    (void)stop;
    for (size_t i = 0; i < rs_team_size(c->team); i++)
        RS_TRY(append_row(c, e, i));
out:
    return st;
}

const rs_watcher rs_watcher_team_csv = {
    .name = "team_csv", .open = open_csv, .epoch = append_rows, .close = close_csv};
