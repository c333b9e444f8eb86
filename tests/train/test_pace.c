/* Which devices are worth having. */
#include "pace.h"

#include "testing.h"

static void keeps_what_helps(void **state)
{
    bool keep[3];
    (void)state;
    const rs_pace equal[] = {{100, 95, 0.01}, {100, 95, 0.01}};
    rs_pace_choose(equal, 2, 32, keep);
    assert_true(keep[0] && keep[1]);
    const rs_pace slow[] = {{1000, 990, 0.02}, {5, 5, 0.05}};
    rs_pace_choose(slow, 2, 32, keep);
    assert_true(keep[0]);
    assert_false(keep[1]);
    /* two that share the same processors are no faster than one */
    const rs_pace same[] = {{100, 48, 0.0}, {90, 45, 0.0}};
    rs_pace_choose(same, 2, 32, keep);
    assert_true(keep[0]);
    assert_false(keep[1]);
    const rs_pace three[] = {{300, 290, 0.001}, {2, 2, 0.05}, {310, 300, 0.001}};
    rs_pace_choose(three, 3, 64, keep);
    assert_true(keep[0] && keep[2]);
    assert_false(keep[1]);
    /* the faster one alone, though it is slower beside the other */
    const rs_pace odd[] = {{50, 49, 0.0}, {200, 20, 0.0}};
    rs_pace_choose(odd, 2, 32, keep);
    assert_true(keep[1] && !keep[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_what_helps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
