/* The trace event format: a JSON object with "traceEvents", of which those of phase "X" last from "ts"
 * for "dur" microseconds, and those of phase "M" name processes and threads. Events of a thread nest. */
#include "trace.h"

#include "cli.h"
#include "outfile.h"
#include "output.h"

#define PROCESS 1

static const char *const tracks[] = {[RESCL_TRACK_HOST] = "host: the thread that enqueues",
                                     [RESCL_TRACK_QUEUE] = "device: queue",
                                     [RESCL_TRACK_UPLOADS] = "device: uploads"};

static json_int_t thread_of(rescl_profile_track track)
{
    return (json_int_t)track + 1;
}

/* Names a process or a thread, or says where it stands. */
static json_t *metadata(const char *kind, json_int_t thread, const char *key, json_t *value)
{
    json_t *j = json_object(), *args = json_object();
    cli_json_set(args, key, value);
    cli_json_set(j, "name", json_string(kind));
    cli_json_set(j, "ph", json_string("M"));
    cli_json_set(j, "pid", json_integer(PROCESS));
    cli_json_set(j, "tid", json_integer(thread));
    cli_json_set(j, "args", args);
    return j;
}

static json_t *event_json(const rescl_profile_event *e)
{
    json_t *j = json_object(), *args = json_object();
    const char *category = e->track == RESCL_TRACK_HOST ? "host" : *e->op ? "kernel" : "transfer";
    cli_json_set(args, "step", json_integer((json_int_t)e->step));
    if (*e->op) {
        cli_json_set(args, "op", cli_json_string(e->op));
        cli_json_set(args, "pass", cli_json_string(e->pass));
        cli_json_set(args, "layer", cli_json_string(e->layer));
    }
    if (e->bytes)
        cli_json_set(args, "bytes", json_integer((json_int_t)e->bytes));
    cli_json_set(j, "name", cli_json_string(e->name));
    cli_json_set(j, "cat", json_string(category));
    cli_json_set(j, "ph", json_string("X"));
    cli_json_set(j, "ts", cli_json_real(e->begin_us));
    cli_json_set(j, "dur", cli_json_real(e->us));
    cli_json_set(j, "pid", json_integer(PROCESS));
    cli_json_set(j, "tid", json_integer(thread_of(e->track)));
    cli_json_set(j, "args", args);
    return j;
}

static json_t *trace_json(const rescl_profile *p, const char *what, const char *device)
{
    json_t *j = json_object(), *list = json_array(), *other = json_object();
    cli_json_append(list, metadata("process_name", 0, "name", cli_json_string(what)));
    for (size_t i = 0; i < sizeof tracks / sizeof *tracks; i++) {
        const json_int_t thread = thread_of((rescl_profile_track)i);
        cli_json_append(list, metadata("thread_name", thread, "name", json_string(tracks[i])));
        cli_json_append(list,
                        metadata("thread_sort_index", thread, "sort_index", json_integer(thread)));
    }
    for (size_t i = 0; i < p->events; i++)
        cli_json_append(list, event_json(&p->event[i]));
    cli_json_set(other, "device", cli_json_string(device));
    cli_json_set(j, "traceEvents", list);
    cli_json_set(j, "displayTimeUnit", json_string("ms"));
    cli_json_set(j, "otherData", other);
    return j;
}

int cli_trace_write(const rescl_profile *p, const char *what, const char *device, const char *path)
{
    cli_outfile out;
    int code = cli_outfile_open(&out, path);
    if (code == CLI_OK)
        code = cli_json_write(trace_json(p, what, device), out.f);
    const int written = cli_outfile_close(&out, code == CLI_OK);
    return code == CLI_OK ? written : code;
}
