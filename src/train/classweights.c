#include "classweights.h"

#include "error.h"
#include "path.h"
#include "str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)64 << 20)
#define KEPT     "class_weight_values"

const char *const *rs_sampler_names(void)
{
    static const char *const names[] = {"shuffle", "balanced", NULL};
    return names;
}

static rescl_status balance(const rescl_model *m, const rescl_dataset *set,
                            const int32_t *label_map, float *weight)
{
    rescl_status st = RESCL_OK;
    size_t *count = NULL, present = 0;
    RS_OOM(count = calloc(m->classes, sizeof *count));
    for (size_t i = 0; i < set->count; i++) {
        const int32_t label = rs_dataset_label(set, i);
        count[label_map ? label_map[label] : label]++;
    }
    for (size_t c = 0; c < m->classes; c++)
        present += count[c] > 0;
    for (size_t c = 0; c < m->classes; c++)
        if (count[c] > 0)
            weight[c] = (float)((double)set->count / ((double)present * (double)count[c]));
out:
    free(count);
    return st;
}

/* "name:weight", in which a name may hold colons. The text is changed. */
static rescl_status take_weight(char *item, const rescl_model *m, const char *where, float *weight)
{
    rescl_status st = RESCL_OK;
    char *colon = strrchr(item, ':');
    const char *why = "";
    double value = 0;
    size_t c = 0;
    RS_FAIL_IF(!colon || !rs_parse_f64(colon + 1 + strspn(colon + 1, " \t"), &value) ||
                   !(value >= 0.0) || !isfinite(value),
               RESCL_ERR_ARG,
               "%s: found '%.80s', expected CLASS:WEIGHT with a weight of at least 0", where, item);
    while (colon > item && strchr(" \t", colon[-1]))
        colon--;
    *colon = '\0';
    while (c < m->classes && strcmp(m->class_name[c], item) != 0)
        c++;
    if (c == m->classes) {
        const char *near =
            rescl_class_near(item, (const char *const *)m->class_name, m->classes, &why);
        RS_FAIL(RESCL_ERR_ARG, "%s: there is no class '%.80s'%s%s%s%s", where, item,
                near ? "; did you mean '" : "", near ? near : "", near ? "'" : "", near ? why : "");
    }
    weight[c] = (float)value;
out:
    return st;
}

/* Items between any of `ends`; empty ones are passed over. */
static rescl_status take_list(char *text, const char *ends, const rescl_model *m, const char *where,
                              float *weight)
{
    rescl_status st = RESCL_OK;
    char *rest = NULL;
    for (char *item = strtok_r(text, ends, &rest); item; item = strtok_r(NULL, ends, &rest)) {
        item += strspn(item, " \t");
        size_t n = strlen(item);
        while (n > 0 && strchr(" \t", item[n - 1]))
            item[--n] = '\0';
        if (n > 0)
            RS_TRY(take_weight(item, m, where, weight));
    }
out:
    return st;
}

rescl_status rs_class_weights(const char *text, const rescl_model *model, const rescl_dataset *set,
                              const int32_t *label_map, float **out)
{
    rescl_status st = RESCL_OK;
    float *weight = NULL;
    char *list = NULL;
    size_t bytes = 0;
    double sum = 0;
    *out = NULL;
    if (!text)
        goto out;
    RS_OOM(weight = calloc(model->classes, sizeof *weight));
    for (size_t c = 0; c < model->classes; c++)
        weight[c] = 1.0f;
    if (strcmp(text, "balanced") == 0) {
        RS_TRY(balance(model, set, label_map, weight));
    } else if (strchr(text, ':')) {
        RS_OOM(list = rs_strf("%s", text));
        RS_TRY(take_list(list, ",", model, "class_weights", weight));
    } else {
        RS_TRY(rs_file_read(text, MAX_FILE, &list, &bytes));
        RS_TRY(take_list(list + rs_bom_bytes(list, bytes), "\r\n", model, text, weight));
    }
    for (size_t c = 0; c < model->classes; c++)
        sum += (double)weight[c];
    RS_FAIL_IF(!(sum > 0.0), RESCL_ERR_ARG, "class_weights: all weights are 0");
    *out = weight;
    weight = NULL;
out:
    free(list);
    free(weight);
    return st;
}

rescl_status rs_class_weights_keep(const float *weight, size_t classes, json_t *options)
{
    rescl_status st = RESCL_OK;
    json_t *list = NULL;
    if (!weight)
        goto out;
    RS_OOM(list = json_array());
    for (size_t c = 0; c < classes; c++)
        RS_OOM(json_array_append_new(list, json_real((double)weight[c])) == 0 ? list : NULL);
    RS_OOM(json_object_set(options, KEPT, list) == 0 ? list : NULL);
out:
    json_decref(list);
    return st;
}

rescl_status rs_class_weights_match(const json_t *options, const rescl_model *model,
                                    const float *weight, const char *path)
{
    rescl_status st = RESCL_OK;
    const json_t *list = json_object_get(options, KEPT);
    if (!weight || !list)
        goto out;
    RS_FAIL_IF(json_array_size(list) != model->classes, RESCL_ERR_FORMAT,
               "%s: metadata '%s' has %zu numbers, expected one for each of %zu classes", path,
               KEPT, json_array_size(list), model->classes);
    for (size_t c = 0; c < model->classes; c++) {
        const float was = (float)json_number_value(json_array_get(list, c));
        RS_FAIL_IF(was < weight[c] || was > weight[c], RESCL_ERR_ARG,
                   "cannot resume from %s: the class '%.80s' had a weight of %g, this run gives it "
                   "%g; use the same class_weights, or start a new run from its weights",
                   path, model->class_name[c], (double)was, (double)weight[c]);
    }
out:
    return st;
}
