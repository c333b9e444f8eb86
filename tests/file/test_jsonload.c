#include "testing.h"

#include "jsonload.h"

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
    strcpy(at, end);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_files_hold),
        cmocka_unit_test(refuses_what_takes_too_much_memory),
        cmocka_unit_test(says_what_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
