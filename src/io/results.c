#include "results.h"

#include "error.h"
#include "optionlist.h"
#include "path.h"
#include "str.h"
#include "threadpool.h"

#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define HEADER  "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib\n"
#define COLUMNS 10
#define MAX_CSV ((size_t)256 << 20)

/* True when the line [text, end) is a whole row; its epoch goes to *epoch. */
static bool parse_row(const char *text, const char *end, uint64_t *epoch)
{
    const char *comma = memchr(text, ',', (size_t)(end - text));
    char number[24];
    size_t digits, commas = 0;

    if (!comma || (digits = (size_t)(comma - text)) >= sizeof number)
        return false;
    for (const char *c = text; c < end; c++)
        commas += *c == ',';
    memcpy(number, text, digits);
    number[digits] = '\0';
    return commas == COLUMNS - 1 && rs_parse_u64(number, epoch);
}

rescl_status rs_results_begin(const char *path, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    char *old = NULL;
    size_t bytes = 0, keep = 0;

    if (epoch > 0) {
        st = rs_file_read(path, MAX_CSV, &old, &bytes);
        if (st != RESCL_OK && st != RESCL_ERR_NOT_FOUND)
            goto out;
        st = RESCL_OK;
    }
    if (old && strncmp(old, HEADER, sizeof HEADER - 1) == 0) {
        const char *line = old + sizeof HEADER - 1, *end;
        uint64_t row;
        while ((end = strchr(line, '\n')) != NULL && parse_row(line, end, &row) && row < epoch)
            line = end + 1;
        keep = (size_t)(line - old);
    }
    if (keep == bytes && keep > 0)
        goto out;
    RS_TRY(keep ? rs_file_write(path, old, keep) : rs_file_write(path, HEADER, sizeof HEADER - 1));
out:
    free(old);
    return st;
}

/* The library may serve a program whose locale writes decimal commas. */
static void point_decimals(char *text)
{
    const char point = *localeconv()->decimal_point;
    for (char *c = text; point != '.' && *c; c++)
        if (*c == point)
            *c = '.';
}

static rescl_status append_real(rs_str *line, double value, const char *format)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    point_decimals(text);
    return rs_str_appendf(line, ",%s", text);
}

rescl_status rs_results_append(const char *path, const rs_result_row *row)
{
    rescl_status st = RESCL_OK;
    rs_str line = {0};

    RS_TRY(rs_str_appendf(&line, "%zu", row->epoch));
    RS_TRY(append_real(&line, row->time, "%.3f"));
    RS_TRY(append_real(&line, row->train_loss, "%.9g"));
    RS_TRY(append_real(&line, row->train_top1, "%.9g"));
    if (row->has_eval) {
        RS_TRY(append_real(&line, row->eval_loss, "%.9g"));
        RS_TRY(append_real(&line, row->eval_top1, "%.9g"));
    } else {
        RS_TRY(rs_str_append(&line, ",,"));
    }
    RS_TRY(append_real(&line, row->lr, "%.9g"));
    RS_TRY(append_real(&line, row->img_s, "%.2f"));
    RS_TRY(append_real(&line, row->data_wait, "%.3f"));
    RS_TRY(append_real(&line, row->mem_mib, "%.1f"));
    RS_TRY(rs_file_append_line(path, line.text));
out:
    rs_str_fini(&line);
    return st;
}

static json_t *device_json(const rescl_device_info *d)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "name", rs_json_text(d->name), "vendor",
                     rs_json_text(d->vendor), "platform", rs_json_text(d->platform_name), "driver",
                     rs_json_text(d->driver), "opencl_c", rs_json_text(d->opencl_c),
                     "compute_units", (int)d->compute_units, "global_bytes",
                     (json_int_t)d->global_bytes);
}

/* null where nothing is tuned. */
static json_t *tuning_json(const rescl_tuning *t)
{
    if (t->problems == 0)
        return json_null();
    return json_pack("{s:I, s:o, s:s}", "problems", (json_int_t)t->problems, "source",
                     rs_json_text(t->source), "fingerprint", t->fingerprint);
}

rescl_status rs_results_env(const char *path, const rescl_device_info *device,
                            const rescl_tuning *tuning, const char *model,
                            const rescl_train_options *options)
{
    rescl_status st = RESCL_OK;
    struct utsname sys = {0};
    json_t *env = NULL;
    char *text = NULL, *lines = NULL;

    RS_FAIL_IF(uname(&sys) < 0, RESCL_ERR_IO, "the system does not say its name");
    env = json_pack("{s:s, s:o, s:o, s:{s:s, s:s, s:s, s:i}, s:s, s:o}", "rescl", rescl_version(),
                    "device", device_json(device), "tuning", tuning_json(tuning), "system", "name",
                    sys.sysname, "release", sys.release, "machine", sys.machine, "cpus",
                    (int)rs_cpu_count(), "model", model, "options", rs_options_json(options));
    RS_OOM(env);
    RS_OOM(text = json_dumps(env, JSON_INDENT(2) | JSON_REAL_PRECISION(10)));
    RS_OOM(lines = rs_strf("%s\n", text));
    RS_TRY(rs_file_write(path, lines, strlen(lines)));
out:
    free(lines);
    free(text);
    json_decref(env);
    return st;
}
