#include "tuning.h"

#include "error.h"
#include "hash.h"
#include "log.h"
#include "str.h"
#include "tunefile.h"

#include <rescl/tune.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* " bf16" after the words of a problem that is stored so, " bf16-f32" where src and dst differ. */
static void storage_words(const rs_problem *p, char text[16])
{
    const rs_dtype src = p->src_type[0], dst = p->dst_type;
    text[0] = '\0';
    if (src != dst)
        snprintf(text, 16, " %s-%s", rs_dtype_name(src), rs_dtype_name(dst));
    else if (src != RS_F32)
        snprintf(text, 16, " %s", rs_dtype_name(src));
    else if (p->math == RS_MATH_TF32)
        snprintf(text, 16, " tf32");
}

bool rs_tuning_key(const rs_problem *p, rs_pass pass, char text[RS_TUNE_KEY])
{
    char words[RS_TUNE_KEY / 2], storage[16];
    rs_problem q = *p;
    if (!p->op->key)
        return false;
    for (int i = 0; i < RS_OP_SRC; i++) /* adding to diff_src concerns one pass alone */
        q.accumulate[i] = pass == RS_BWD_DATA && p->accumulate[i];
    q.op->key(&q, words, sizeof words);
    storage_words(&q, storage);
    return snprintf(text, RS_TUNE_KEY, "%s %s %s %s%s", p->op->name, rs_pass_name(pass),
                    p->training ? "train" : "infer", words, storage) < RS_TUNE_KEY;
}

/* ---- the table of a device --------------------------------------------------------------- */

typedef struct tuning {
    rs_tune_table table;
    rs_str source;
    char fingerprint[33];
} tuning;

static void tuning_destroy(void *data)
{
    tuning *t = data;
    rs_tune_table_fini(&t->table);
    rs_str_fini(&t->source);
    free(t);
}

/* After a file was read, or was not: `expected` ones that are missing are worth a warning. Short
 * memory is the only failure. */
static rescl_status take_note(tuning *t, rescl_status st, const char *path, bool expected)
{
    const char *why = st == RESCL_OK ? "" : rescl_last_error()->message;
    if (st == RESCL_OK)
        return rs_str_appendf(&t->source, "%s%s", t->source.len ? ", " : "", path);
    if (st == RESCL_ERR_MEMORY)
        return st;
    if (st == RESCL_ERR_FORMAT || expected)
        rs_log(RESCL_LOG_WARN, "no tuning: %s", why);
    else if (st != RESCL_ERR_NOT_FOUND && rs_verbose("dispatch"))
        rs_log(RESCL_LOG_INFO, "dispatch: no tuning: %s", why);
    return RESCL_OK;
}

static rescl_status read_files(tuning *t, const rescl_device_info *dev)
{
    rescl_status st = RESCL_OK;
    const char *chosen = getenv("RESCL_TUNE");
    char class[RS_TUNE_CLASS_TEXT], name[RS_TUNE_CLASS_TEXT + 24];
    char *path = NULL;

    if (chosen && strcmp(chosen, "off") == 0)
        goto out;
    if (chosen && *chosen) {
        RS_TRY(
            take_note(t, rs_tune_table_read(&t->table, chosen, dev, RS_TUNE_CLASS), chosen, true));
        goto out;
    }
    snprintf(name, sizeof name, "%s.tune", rs_tune_class(dev, class));
    const char *text = rs_embedded_tuning(name);
    if (text) {
        snprintf(name, sizeof name, "built-in %s.tune", class);
        RS_TRY(take_note(
            t, rs_tune_table_parse(&t->table, text, strlen(text), name, dev, RS_TUNE_CLASS), name,
            false));
    }
    st = rs_tune_path(dev, &path);
    if (st == RESCL_OK)
        st = rs_tune_table_read(&t->table, path, dev, RS_TUNE_DEVICE);
    const bool missing = path && st == RESCL_ERR_NOT_FOUND;
    RS_TRY(take_note(t, st, path ? path : "", false));
    if (missing)
        rs_tune_warn_outdated(path, dev);
out:
    free(path);
    return st;
}

static rescl_status take_fingerprint(tuning *t)
{
    rescl_status st = RESCL_OK;
    rs_str all = {0};
    for (size_t i = 0; i < t->table.count; i++)
        RS_TRY(rs_str_appendf(&all, "%s=%s\n", t->table.entry[i].key, t->table.entry[i].choice));
    if (t->table.count)
        rs_hash_hex(rs_hash_bytes(all.text, all.len), t->fingerprint);
out:
    rs_str_fini(&all);
    return st;
}

/* Attached when it is whole. */
static rescl_status tuning_of(rescl_device *dev, const tuning **out)
{
    rescl_status st = RESCL_OK;
    tuning *t = NULL;

    *out = rs_device_attached(dev, RS_ATTACHED_TUNING);
    if (*out)
        goto out;
    RS_OOM(t = calloc(1, sizeof *t));
    RS_TRY(read_files(t, rescl_device_get_info(dev)));
    RS_TRY(take_fingerprint(t));
    if (t->table.count && rs_verbose("dispatch"))
        rs_log(RESCL_LOG_INFO, "dispatch: %zu problems are tuned by %s", t->table.count,
               t->source.text ? t->source.text : "");
    rs_device_attach(dev, RS_ATTACHED_TUNING, t, tuning_destroy);
    *out = t, t = NULL;
out:
    if (t)
        tuning_destroy(t);
    return st;
}

rescl_status rs_tuning_find(rescl_device *dev, const rs_problem *p, rs_pass pass, const char **out)
{
    rescl_status st = RESCL_OK;
    char key[RS_TUNE_KEY];
    const tuning *t;

    *out = NULL;
    if (!p->op->key)
        goto out;
    RS_TRY(tuning_of(dev, &t));
    if (t->table.count > 0 && rs_tuning_key(p, pass, key))
        *out = rs_tune_table_get(&t->table, key);
out:
    return st;
}

rescl_status rs_tuning_use(rescl_device *dev, const rs_tune_table *table)
{
    rescl_status st = RESCL_OK;
    tuning *t = NULL;

    RS_OOM(t = calloc(1, sizeof *t));
    for (size_t i = 0; i < table->count; i++)
        RS_TRY(rs_tune_table_set(&t->table, table->entry[i].key, table->entry[i].choice,
                                 table->entry[i].note));
    RS_TRY(take_fingerprint(t));
    rs_device_attach(dev, RS_ATTACHED_TUNING, t, tuning_destroy);
    t = NULL;
out:
    if (t)
        tuning_destroy(t);
    return st;
}

void rs_tuning_forget(rescl_device *dev)
{
    rs_device_attach(dev, RS_ATTACHED_TUNING, NULL, NULL);
}

void rescl_device_get_tuning(rescl_device *device, rescl_tuning_info *out)
{
    const tuning *t;
    *out = (rescl_tuning_info){.source = ""};
    if (tuning_of(device, &t) != RESCL_OK || t->table.count == 0)
        return;
    out->problems = t->table.count;
    out->source = t->source.text ? t->source.text : "";
    memcpy(out->fingerprint, t->fingerprint, sizeof out->fingerprint);
}

rescl_status rescl_tune_path(const rescl_device *device, char *path, size_t bytes)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    RS_TRY(rs_tune_path(rescl_device_get_info(device), &text));
    RS_FAIL_IF(strlen(text) >= bytes, RESCL_ERR_ARG, "%s does not fit into %zu bytes", text, bytes);
    memcpy(path, text, strlen(text) + 1);
out:
    free(text);
    return st;
}
