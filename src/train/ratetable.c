#include "ratetable.h"

#include "alloc.h"
#include "error.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One pair, without the blanks around it. */
static rescl_status add(rs_rate_table *t, size_t *room, char *pair)
{
    rescl_status st = RESCL_OK;
    char *colon = strchr(pair, ':');
    uint64_t epoch = 0;
    double rate = 0.0;

    if (colon)
        *colon = '\0';
    const bool good = colon && rs_parse_u64(pair, &epoch) && epoch > 0 && epoch < SIZE_MAX &&
                      rs_parse_f64(colon + 1, &rate) && rate >= 0.0 && isfinite(rate);
    if (colon)
        *colon = ':';
    RS_FAIL_IF(!good, RESCL_ERR_ARG,
               "lr_table: found '%.60s', expected EPOCH:RATE such as 31:0.01, epochs from 1", pair);
    RS_FAIL_IF(t->count > 0 && t->entry[t->count - 1].epoch + 1 >= epoch, RESCL_ERR_ARG,
               "lr_table: epoch %llu comes after epoch %zu, expected growing epochs",
               (unsigned long long)epoch, t->entry[t->count - 1].epoch + 1);
    RS_TRY(rs_array_reserve(&t->entry, room, t->count + 1, sizeof *t->entry));
    t->entry[t->count++] = (struct rs_rate_entry){(size_t)epoch - 1, rate};
out:
    return st;
}

rescl_status rs_rate_table_init(rs_rate_table *t, const char *text)
{
    static const char between[] = ", \t\r\n";
    rescl_status st = RESCL_OK;
    char *copy = NULL, *rest = NULL;
    size_t room = 0;

    *t = (rs_rate_table){0};
    RS_OOM(copy = strdup(text ? text : ""));
    for (char *pair = strtok_r(copy, between, &rest); pair; pair = strtok_r(NULL, between, &rest))
        RS_TRY(add(t, &room, pair));
out:
    free(copy);
    if (st != RESCL_OK)
        rs_rate_table_fini(t);
    return st;
}

void rs_rate_table_fini(rs_rate_table *t)
{
    free(t->entry);
    *t = (rs_rate_table){0};
}

double rs_rate_table_at(const rs_rate_table *t, size_t epoch, double before)
{
    double rate = before;
    for (size_t i = 0; t && i < t->count && t->entry[i].epoch <= epoch; i++)
        rate = t->entry[i].rate;
    return rate;
}
