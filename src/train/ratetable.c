#include "ratetable.h"

#include "alloc.h"
#include "error.h"
#include "path.h"
#include "str.h"
#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const char between[] = ", \t\r\n";

rescl_status rs_rate_table_init(rs_rate_table *t, const char *text)
{
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

rescl_status rs_milestones_init(rs_rate_table *t, const char *name, const char *text)
{
    rescl_status st = RESCL_OK;
    char *copy = NULL, *rest = NULL;
    size_t room = 0;
    uint64_t epoch = 0;

    *t = (rs_rate_table){0};
    RS_OOM(copy = strdup(text ? text : ""));
    for (char *word = strtok_r(copy, between, &rest); word; word = strtok_r(NULL, between, &rest)) {
        const uint64_t before = t->count ? t->entry[t->count - 1].epoch : 0;
        RS_FAIL_IF(!rs_parse_u64(word, &epoch) || epoch <= before || epoch >= SIZE_MAX,
                   RESCL_ERR_ARG, "%s: found '%.60s', expected growing epochs such as 30,60,80",
                   name, word);
        RS_TRY(rs_array_reserve(&t->entry, &room, t->count + 1, sizeof *t->entry));
        t->entry[t->count] = (struct rs_rate_entry){(size_t)epoch, (double)(t->count + 1)};
        t->count++;
    }
out:
    free(copy);
    if (st != RESCL_OK)
        rs_rate_table_fini(t);
    return st;
}

/* Appends the pairs of a line; `words`: one that begins with a letter is a heading. */
static rescl_status take_line(const char *path, size_t number, char *line, bool words, rs_str *out)
{
    static const char blanks[] = ",; \t\r";
    rescl_status st = RESCL_OK;
    char *rest = NULL;

    line[strcspn(line, "#")] = '\0';
    const char *first = line + strspn(line, blanks);
    if (!*first || (words && isalpha((unsigned char)*first)))
        goto out;
    if (strchr(first, ':')) {
        RS_TRY(rs_str_appendf(out, "%s, ", first));
        goto out;
    }
    const char *epoch = strtok_r(line, blanks, &rest), *rate = strtok_r(NULL, blanks, &rest);
    RS_FAIL_IF(!rate || strtok_r(NULL, blanks, &rest), RESCL_ERR_FORMAT,
               "%s:%zu: found %s after '%.60s', expected an epoch and a rate such as '31 0.01'",
               path, number, rate ? "more than a rate" : "nothing", epoch);
    RS_TRY(rs_str_appendf(out, "%s:%s, ", epoch, rate));
out:
    return st;
}

rescl_status rs_rate_table_text(const char *given, char **out)
{
    rescl_status st = RESCL_OK;
    char *data = NULL, *rest = NULL;
    rs_str pairs = {0};
    size_t bytes = 0, number = 0;

    *out = NULL;
    if (!given)
        goto out;
    if (!*given || strchr(given, ':')) {
        RS_OOM(*out = strdup(given));
        goto out;
    }
    RS_FAIL_IF(access(given, F_OK) != 0, RESCL_ERR_ARG,
               "found '%.60s', expected rates such as 1:0.1,31:0.01, or a file of them", given);
    RS_TRY(rs_file_read(given, (size_t)1 << 20, &data, &bytes));
    RS_FAIL_IF(strlen(data) != bytes || rs_wide_encoding(data, bytes), RESCL_ERR_FORMAT,
               "%s: is no text, expected lines of an epoch and a rate", given);
    rest = data + rs_bom_bytes(data, bytes);
    while (rest) {
        char *line = strsep(&rest, "\n");
        RS_TRY(take_line(given, ++number, line, pairs.len == 0, &pairs));
    }
    RS_FAIL_IF(!pairs.len, RESCL_ERR_FORMAT, "%s: holds no rates, expected lines such as '31 0.01'",
               given);
    *out = pairs.text;
    pairs = (rs_str){0};
out:
    if (st != RESCL_OK)
        rs_error_prefix("lr_table");
    rs_str_fini(&pairs);
    free(data);
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
