/* Ranks of which one process plays all: what they compare. */
#include "ranks.h"

#include "testing.h"

#include <string.h>

/* Others have what they were said to have. */
static rs_hash others[3];

static rescl_status gather(rescl_ranks *r, void *data, const size_t *part)
{
    char *at = data;
    for (size_t i = 0; i < r->count; at += part[i++])
        if (i != r->index)
            memcpy(at, &others[i], part[i]);
    return RESCL_OK;
}

static const rs_exchange_def fake = {.name = "fake", .gather = gather};

static void names_the_rank_that_differs(void **state)
{
    rescl_ranks r = {.def = &fake, .count = 3, .index = 1};
    const rs_hash mine = rs_hash_bytes("a", 1);
    (void)state;
    others[0] = others[2] = mine;
    assert_ok(rs_ranks_check(&r, "options", mine));
    others[2] = rs_hash_bytes("b", 1);
    assert_fails(rs_ranks_check(&r, "options", mine), RESCL_ERR_ARG, "rank 2 has other options");
    others[0] = others[2];
    assert_fails(rs_ranks_check(&r, "options", mine), RESCL_ERR_ARG, "rank 1 has other options");
}

static void alone_without_ranks(void **state)
{
    rescl_ranks_info info;
    (void)state;
    rescl_ranks_get(NULL, &info);
    assert_int_equal(info.count, 1);
    assert_int_equal(info.index, 0);
    assert_int_equal(info.local_count, 1);
    rescl_ranks_close(NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_rank_that_differs),
        cmocka_unit_test(alone_without_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
