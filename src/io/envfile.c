#include "envfile.h"

#include "error.h"
#include "jsonload.h"
#include "jsonvalue.h"
#include "path.h"
#include "str.h"
#include "threadpool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static json_t *device_json(const rescl_device_info *d)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:I}", "name", rs_json_text(d->name),
                     "vendor", rs_json_text(d->vendor), "platform", rs_json_text(d->platform_name),
                     "platform_version", rs_json_text(d->platform_version), "driver",
                     rs_json_text(d->driver), "opencl_c", rs_json_text(d->opencl_c),
                     "compute_units", (int)d->compute_units, "float_width", (int)d->float_width,
                     "global_bytes", (json_int_t)d->global_bytes);
}

/* null where nothing is tuned. */
static json_t *tuning_json(const rescl_tuning_info *t)
{
    if (t->problems == 0)
        return json_null();
    return json_pack("{s:I, s:o, s:s}", "problems", (json_int_t)t->problems, "source",
                     rs_json_text(t->source), "fingerprint", t->fingerprint);
}

rescl_status rs_env_write(const char *path, const rescl_device_info *device,
                          const rescl_tuning_info *tuning, const char *model, const json_t *options,
                          const json_t *data)
{
    rescl_status st = RESCL_OK;
    struct utsname sys = {0};
    json_t *env = NULL;
    char *text = NULL, *lines = NULL;

    RS_FAIL_IF(uname(&sys) < 0, RESCL_ERR_IO, "the system does not say its name");
    errno = 0; /* values for which there was no memory may have been left out */
    env = json_pack("{s:s, s:o, s:o, s:{s:s, s:s, s:s, s:i}, s:s, s:O, s:O}", "rescl",
                    rescl_version(), "device", device_json(device), "tuning", tuning_json(tuning),
                    "system", "name", sys.sysname, "release", sys.release, "machine", sys.machine,
                    "cpus", (int)rs_cpu_count(), "model", model, "options", options, "data", data);
    RS_OOM(env && errno != ENOMEM ? env : NULL);
    RS_TRY(rs_json_dump(env, JSON_INDENT(2) | JSON_REAL_PRECISION(10), &text));
    RS_OOM(lines = rs_strf("%s\n", text));
    RS_TRY(rs_file_write(path, lines, strlen(lines)));
out:
    free(lines);
    free(text);
    json_decref(env);
    return st;
}
