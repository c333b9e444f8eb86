/* The same bits however the leaves are spread. */
#include "treesum.h"

#include "rng.h"
#include "testing.h"

#include <string.h>

enum { MOST = 20, WIDTH = 3 };

static float leaf[MOST][WIDTH];

static void push(rs_tree *t, const rs_tree_block *block)
{
    rs_tree_add add[RS_TREE_BLOCKS];
    const size_t n = rs_tree_push(t, block, add);
    for (size_t i = 0; i < n; i++)
        rs_tree_do(&add[i], 0, WIDTH);
}

/* The sum of `count` leaves, held by members that begin at `begin`. */
static void sum_by(size_t count, const size_t *begin, size_t members, float *out)
{
    float copy[MOST][WIDTH];
    rs_tree part[MOST], all = {.count = 0};
    rs_tree_add add[RS_TREE_BLOCKS];
    memcpy(copy, leaf, sizeof copy);
    for (size_t m = 0; m < members; m++) {
        part[m].count = 0;
        for (size_t k = begin[m]; k < (m + 1 < members ? begin[m + 1] : count); k++)
            push(&part[m], &(rs_tree_block){k, 1, copy[k]});
    }
    for (size_t m = 0; m < members; m++)
        for (size_t i = 0; i < part[m].count; i++)
            push(&all, &part[m].block[i]);
    const size_t n = rs_tree_close(&all, add);
    for (size_t i = 0; i < n; i++)
        rs_tree_do(&add[i], 0, WIDTH);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.block[0].leaves, count);
    memcpy(out, all.block[0].values, WIDTH * sizeof *out);
}

/* As the definition has it. */
static float sum_range(size_t first, size_t count, size_t column)
{
    size_t half = 1;
    if (count == 1)
        return leaf[first][column];
    while (half * 2 < count)
        half *= 2;
    return sum_range(first, half, column) + sum_range(first + half, count - half, column);
}

static void adds_in_one_order(void **state)
{
    rs_rng rng;
    (void)state;
    rs_rng_init(&rng, 5, 0);
    for (size_t i = 0; i < MOST; i++)
        for (size_t k = 0; k < WIDTH; k++)
            leaf[i][k] = rs_rng_normal(&rng) * (float)(1 + i * i);
    for (size_t count = 1; count <= MOST; count++)
        for (size_t a = 0; a <= count; a++)
            for (size_t b = a; b <= count; b++) {
                const size_t begin[] = {0, a, b};
                float sum[WIDTH];
                sum_by(count, begin, 3, sum);
                for (size_t k = 0; k < WIDTH; k++) {
                    const float expected = sum_range(0, count, k);
                    assert_memory_equal(&sum[k], &expected, sizeof expected);
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adds_in_one_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
