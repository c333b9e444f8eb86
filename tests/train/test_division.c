/* Which images of a batch go where. */
#include "division.h"

#include "testing.h"

static void shares_are_whole_numbers(void **state)
{
    const double equal[] = {1, 1, 1}, uneven[] = {3, 1}, tiny[] = {1e-9, 1};
    size_t out[3];
    (void)state;
    rs_apportion(10, equal, 3, out);
    assert_int_equal(out[0], 4);
    assert_int_equal(out[1], 3);
    assert_int_equal(out[2], 3);
    rs_apportion(32, uneven, 2, out);
    assert_int_equal(out[0], 24);
    assert_int_equal(out[1], 8);
    rs_apportion(32, tiny, 2, out);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 32);
}

static void reads_shares(void **state)
{
    double w[2];
    (void)state;
    assert_ok(rs_shares_parse("3,1.5", 2, w));
    assert_true(w[0] == 3.0 && w[1] == 1.5);
    assert_fails(rs_shares_parse("3", 2, w), RESCL_ERR_ARG, "found 1", "2 devices");
    assert_fails(rs_shares_parse("3,1,1", 2, w), RESCL_ERR_ARG, "found 3");
    const char *const bad[] = {"",      "3,",    "3,0",   "3,-1",  "3;1",   "x,1",
                               "nan,1", "inf,1", "3, 1,", "0x3,1", "1e10,1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(rs_shares_parse(bad[i], 2, w), RESCL_ERR_ARG, bad[i]);
}

static void shares_follow_speeds(void **state)
{
    const double twice[] = {200, 100, 100}, near[] = {104, 100, 98}, some[] = {100, 0, 50};
    const double slow[] = {1000, 1000, 1};
    size_t share[] = {8, 8, 8};
    (void)state;
    assert_false(rs_shares_follow(1, near, 3, share)); /* noise */
    assert_false(rs_shares_follow(1, some, 3, share)); /* it had nothing to do */
    assert_int_equal(share[0], 8);
    assert_true(rs_shares_follow(1, twice, 3, share));
    assert_int_equal(share[0], 12);
    assert_int_equal(share[1], 6);
    assert_int_equal(share[2], 6);
    assert_false(rs_shares_follow(1, twice, 3, share));
    assert_true(rs_shares_follow(2, slow, 3, share)); /* as many as it needs to train */
    assert_int_equal(share[0], 11);
    assert_int_equal(share[1], 11);
    assert_int_equal(share[2], 2);
    assert_false(rs_shares_follow(9, twice, 3, share));
}

/* Each image is in one leaf, each leaf with one member, in order. */
static void check_cover(const rs_division *d, size_t n, const rs_leaves *l)
{
    size_t images = 0, leaves = 0;
    for (size_t k = 0; k < l->count; k++) {
        assert_int_equal(l->leaf[k].first, images);
        assert_true(l->leaf[k].count >= d->least);
        images += l->leaf[k].count;
    }
    assert_int_equal(images, n);
    for (size_t m = 0; m < d->members; m++) {
        assert_int_equal(l->member[m].first, leaves);
        leaves += l->member[m].count;
    }
    assert_int_equal(leaves, l->count);
}

static void divides_among_members(void **state)
{
    const rs_division d = {.members = 3, .least = 2, .weight = {8, 5, 3}};
    rs_leaves l;
    (void)state;
    for (size_t n = 2; n <= 16; n++) {
        rs_divide(&d, n, &l);
        check_cover(&d, n, &l);
    }
    rs_divide(&d, 16, &l);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.leaf[1].count, 5);
    rs_divide(&d, 2, &l);
    assert_int_equal(l.count, 1);
}

static void shards_do_not_depend_on_members(void **state)
{
    const rs_division one = {.members = 1, .shards = 8, .least = 1, .weight = {8}};
    const rs_division two = {.members = 2, .shards = 8, .least = 1, .weight = {6, 2}};
    rs_leaves a, b;
    (void)state;
    for (size_t n = 1; n <= 33; n++) {
        rs_divide(&one, n, &a);
        rs_divide(&two, n, &b);
        check_cover(&one, n, &a);
        check_cover(&two, n, &b);
        assert_int_equal(a.count, n < 8 ? n : 8);
        assert_memory_equal(a.leaf, b.leaf, sizeof a.leaf);
    }
    assert_int_equal(b.member[0].count, 6);
}

/* Its running statistics are those that count. */
static void the_first_member_has_the_first_shard(void **state)
{
    const rs_division all[] = {{.members = 2, .shards = 5, .least = 1, .weight = {1, 4}},
                               {.members = 2, .shards = 5, .least = 1, .weight = {2, 3}},
                               {.members = 3, .shards = 5, .least = 2, .weight = {1, 1, 3}},
                               {.members = 4, .shards = 64, .least = 1, .weight = {1, 1, 1, 61}}};
    rs_leaves l;
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t n = all[i].least; n <= all[i].least * all[i].shards + 3; n++) {
            rs_divide(&all[i], n, &l);
            check_cover(&all[i], n, &l);
            assert_true(l.member[0].count >= 1);
            for (size_t m = 0; l.count == all[i].shards && m < all[i].members; m++)
                assert_int_equal(l.member[m].count, all[i].weight[m]);
        }
}

/* Whose running statistics count. */
static void the_first_has_some_where_it_has_to(void **state)
{
    rs_division d = {.members = 3, .least = 1, .weight = {1, 7, 8}, .first_has_some = true};
    (void)state;
    for (size_t least = 1; least <= 2; least++)
        for (size_t n = least; n <= 16; n++) {
            rs_leaves l;
            size_t images = 0;
            d.least = least;
            rs_divide(&d, n, &l);
            assert_int_equal(l.member[0].count, 1);
            for (size_t k = 0; k < l.count; k++) {
                assert_int_equal(l.leaf[k].first, images);
                assert_true(l.leaf[k].count >= least);
                images += l.leaf[k].count;
            }
            assert_int_equal(images, n);
        }
    d.first_has_some = false;
    rs_leaves l;
    rs_divide(&d, 2, &l);
    assert_int_equal(l.member[0].count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_whole_numbers),
        cmocka_unit_test(reads_shares),
        cmocka_unit_test(shares_follow_speeds),
        cmocka_unit_test(divides_among_members),
        cmocka_unit_test(shards_do_not_depend_on_members),
        cmocka_unit_test(the_first_member_has_the_first_shard),
        cmocka_unit_test(the_first_has_some_where_it_has_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
