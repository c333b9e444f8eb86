/* Ranks of which one process plays all: what they compare, and how they add up. */
#include "ranks.h"

#include "half.h"
#include "testing.h"
#include "threadranks.h"

#include <math.h>
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

/* ---- threads that play ranks --------------------------------------------------------------- */

#define RANKS  THREAD_RANKS
#define FLOATS 100

typedef struct player {
    float image[FLOATS], sum[FLOATS], met[RANKS * 2];
    rescl_status st;
} player;

static thread_ranks threads;
static player players[RANKS];

static float gradient(size_t rank, size_t i)
{
    return (float)(1 + rank) / (float)(3 + i);
}

static void play(rescl_ranks *r, void *wire)
{
    const size_t own = r->index;
    player *p = &players[own];
    rs_rank_sum s = {0};

    p->st = rs_rank_sum_init(&s, r, *(rs_wire *)wire, FLOATS);
    for (size_t i = 0; i < FLOATS; i++)
        p->image[i] = gradient(own, i);
    for (size_t q = 0; q < RANKS; q++)
        s.shape[q] = (rs_tree){{{q, 1, q == own ? p->image : NULL}}, 1};
    p->met[2 * own] = (float)own;
    p->met[2 * own + 1] = (float)own + 0.123456f;
    if (p->st == RESCL_OK)
        p->st = rs_rank_meet(&s, p->met, 2);
    threads.sent[own] = 0;
    if (p->st == RESCL_OK)
        p->st = rs_rank_sum_bucket(&s, 20, FLOATS - 20);
    if (p->st == RESCL_OK)
        p->st = rs_rank_sum_bucket(&s, 0, 20);
    if (p->st == RESCL_OK)
        memcpy(p->sum, s.sum, sizeof p->sum);
    rs_rank_sum_fini(&s);
}

static void play_all(rs_wire wire)
{
    memset(players, 0, sizeof players);
    thread_ranks_run(&threads, play, &wire);
    for (size_t q = 0; q < RANKS; q++) {
        assert_int_equal(players[q].st, RESCL_OK);
        assert_memory_equal(players[q].sum, players[0].sum, sizeof players[q].sum);
        for (size_t k = 0; k < RANKS; k++)
            assert_true(players[q].met[2 * k + 1] == (float)k + 0.123456f);
    }
}

static void sums_have_the_same_bits_in_all(void **state)
{
    (void)state;
    play_all(RS_WIRE_FP32);
    for (size_t i = 0; i < FLOATS; i++)
        assert_true(players[0].sum[i] == (gradient(0, i) + gradient(1, i)) + gradient(2, i));
}

/* Half the bytes, and no statistic is rounded. */
static void sixteen_bits_have_the_same_bits_in_all(void **state)
{
    size_t wide[RANKS];
    (void)state;
    play_all(RS_WIRE_FP32);
    for (size_t q = 0; q < RANKS; q++)
        wide[q] = threads.sent[q];
    play_all(RS_WIRE_BF16);
    for (size_t q = 0; q < RANKS; q++)
        assert_int_equal(2 * threads.sent[q], wide[q]);
    for (size_t i = 0; i < FLOATS; i++) {
        const float sum = gradient(0, i) + gradient(1, i) + gradient(2, i), is = players[0].sum[i];
        assert_true(is == rs_float_of_bf16(rs_bf16_of_float(is)));
        assert_true(fabsf(is - sum) <= 2 * 0x1p-8f * sum);
    }
}

static void knows_its_wires(void **state)
{
    rs_wire wire;
    (void)state;
    assert_ok(rs_wire_take("bf16", &wire));
    assert_int_equal(wire, RS_WIRE_BF16);
    assert_ok(rs_wire_take("fp32", &wire));
    assert_int_equal(wire, RS_WIRE_FP32);
    assert_fails(rs_wire_take("fp16", &wire), RESCL_ERR_ARG, "expected fp32 or bf16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_rank_that_differs),
        cmocka_unit_test(alone_without_ranks),
        cmocka_unit_test(sums_have_the_same_bits_in_all),
        cmocka_unit_test(sixteen_bits_have_the_same_bits_in_all),
        cmocka_unit_test(knows_its_wires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
