#include "testing.h"

#include "jsonload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* `begin`, `count` times `part`, `end`. */
static char *repeat(const char *begin, const char *part, size_t count, const char *end)
{
    const size_t bytes = strlen(begin) + count * strlen(part) + strlen(end) + 1;
    char *text = malloc(bytes), *at = text;
    assert_non_null(text);
    at = stpcpy(at, begin);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, part);
    memcpy(at, end, strlen(end) + 1);
    return text;
}

static void reads_what_files_hold(void **state)
{
    (void)state;
    json_error_t why;
    char *texts[] = {
        repeat("[", "0,", 300000, "0]"),
        repeat("{\"a\":\"", ",:{[\\\"", 1000000, "\"}"), /* within a string they are text */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *root = rs_json_load(texts[i], strlen(texts[i]), 0, &why);
        assert_non_null(root);
        json_decref(root);
        free(texts[i]);
    }
}

static void refuses_what_takes_too_much_memory(void **state)
{
    (void)state;
    char *texts[] = {
        repeat("[", "0,", 5000000, "0]"),
        repeat("[", "[],", 2000000, "0]"),
        repeat("[", "{},", 1000000, "0]"),
        repeat("{", "\"a\":0,", 3000000, "\"b\":0}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_error_t why;
        assert_null(rs_json_load(texts[i], strlen(texts[i]), 0, &why));
        assert_non_null(strstr(why.text, "MiB of memory"));
        free(texts[i]);
    }
}

static void says_what_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{", "\"", "\"\\", "[0,]", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_error_t why;
        assert_null(rs_json_load(texts[i], strlen(texts[i]), JSON_REJECT_DUPLICATES, &why));
        assert_true(why.text[0] != '\0');
    }
}

/* ---- short memory ------------------------------------------------------------------------ */

static size_t left = SIZE_MAX; /* allocations until the one that fails */

static void *fail_once(size_t bytes)
{
    if (--left > 0)
        return malloc(bytes);
    left = SIZE_MAX;
    errno = ENOMEM;
    return NULL;
}

/* Whether the allocation that was to fail did, so that there may be a next. */
static bool fired(void)
{
    const bool yes = left > SIZE_MAX / 2;
    left = SIZE_MAX;
    return yes;
}

/* Whichever allocation fails: the value is whole, or memory is short. */
static void short_memory_is_no_damage(void **state)
{
    (void)state;
    char *text =
        repeat("{\"name\":\"a text of more than sixteen bytes\",\"a longer name of numbers\":"
               "[1,2.5,[3,4],{\"x\":true,\"y\":null}],\"z\":\"",
               "a text that grows ", 1000, "\",\"after it\":[{\"a\":\"b\"}]}");
    json_error_t why;
    char *right = NULL;
    json_t *root = rs_json_load(text, strlen(text), 0, &why);
    size_t loads = 0, dumps = 0;
    assert_non_null(root);
    assert_ok(rs_json_dump(root, JSON_COMPACT, &right));
    for (bool more = true; more; loads++) {
        left = loads + 1;
        json_t *again = rs_json_load(text, strlen(text), 0, &why);
        more = fired();
        if (again)
            assert_true(json_equal(again, root));
        else
            assert_int_equal(rs_json_why(&why), RESCL_ERR_MEMORY);
        json_decref(again);
    }
    for (bool more = true; more; dumps++) {
        char *again = NULL;
        left = dumps + 1;
        const rescl_status st = rs_json_dump(root, JSON_COMPACT, &again);
        more = fired();
        if (st == RESCL_OK)
            assert_string_equal(again, right);
        else
            assert_int_equal(st, RESCL_ERR_MEMORY);
        free(again);
    }
    assert_true(loads > 10 && dumps > 2);
    assert_null(rs_json_load("{", 1, 0, &why));
    assert_int_equal(rs_json_why(&why), RESCL_ERR_FORMAT);
    json_decref(root);
    free(right);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_files_hold),
        cmocka_unit_test(refuses_what_takes_too_much_memory),
        cmocka_unit_test(says_what_is_no_json),
        cmocka_unit_test(short_memory_is_no_damage),
    };
    json_set_alloc_funcs(fail_once, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
