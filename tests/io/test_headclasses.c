/* A head is taken by the names of its classes. */
#include "testing.h"

#include "error.h"
#include "fixtures.h"
#include "headclasses.h"

#include <string.h>

enum { CLASSES = 3 };

static rescl_model *model_of(const char *const *names, uint64_t seed)
{
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = CLASSES,
                                   .image_size = TEST_SIZE,
                                   .seed = seed,
                                   .class_names = names};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

/* Whether class `to` of `m` has the weights of class `from` of `old`. */
static bool same_class(const rescl_model *m, size_t to, const rescl_model *old, size_t from)
{
    const size_t w = (size_t)rs_graph_find_param(m->graph, "fc.weight");
    const size_t b = (size_t)rs_graph_find_param(m->graph, "fc.bias");
    bool same = memcmp(&m->weights.data[b][to], &old->weights.data[b][from], sizeof(float)) == 0;
    for (size_t i = 0; same && i < m->weights.elems[w] / CLASSES; i++)
        same = memcmp(&m->weights.data[w][i * CLASSES + to],
                      &old->weights.data[w][i * CLASSES + from], sizeof(float)) == 0;
    return same;
}

static const char *const animals[] = {"ant", "bee", "cow"};

static const struct {
    const char *const *file;
    const char *ours[CLASSES];
    rescl_head_match match;
    int from[CLASSES]; /* -1: the model's own */
    bool exact;        /* whether the exact modes take it */
} rows[] = {
    {animals, {"ant", "bee", "cow"}, RESCL_HEAD_SAME, {0, 1, 2}, true},
    {animals, {"cow", "ant", "bee"}, RESCL_HEAD_REORDERED, {2, 0, 1}, true},
    {animals, {"xxx", "yyy", "zzz"}, RESCL_HEAD_OTHER, {-1, -1, -1}, false},
    {animals, {"ant", "bee", "dog"}, RESCL_HEAD_OTHER, {-1, -1, -1}, false},
    {animals, {"ant", "bee", "bee"}, RESCL_HEAD_OTHER, {-1, -1, -1}, false},
    {animals, {"ant", "Bee", "cow"}, RESCL_HEAD_OTHER, {-1, -1, -1}, false},
    {NULL, {"ant", "bee", "cow"}, RESCL_HEAD_UNNAMED, {0, 1, 2}, true},
};

static void names_of_classes_decide(void **state)
{
    const char *path = rs_test_path("%s/w.safetensors", rs_test_dir);
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++)
        for (rescl_load_mode mode = RESCL_LOAD_COMPLETE; mode <= RESCL_LOAD_COMPLETE_BODY; mode++) {
            const bool exact = mode == RESCL_LOAD_COMPLETE || mode == RESCL_LOAD_STRICT;
            rescl_model *old = model_of(rows[i].file, 1), *m = model_of(rows[i].ours, 2);
            rescl_model *fresh = model_of(rows[i].ours, 2);
            rescl_weights *w = NULL;
            rescl_match_list *report = NULL;
            assert_ok(rescl_model_save(old, path));
            assert_ok(rescl_weights_open(path, &w));
            if (exact && !rows[i].exact) {
                assert_fails(rescl_weights_load(w, m, mode, &report), RESCL_ERR_ARG,
                             "its classes are 'ant', 'bee', 'cow', those of the model '",
                             rows[i].ours[2]);
            } else {
                assert_ok(rescl_weights_load(w, m, mode, &report));
                for (size_t c = 0; c < CLASSES; c++)
                    assert_true(rows[i].from[c] < 0
                                    ? same_class(m, c, fresh, c)
                                    : same_class(m, c, old, (size_t)rows[i].from[c]));
                const size_t anew = rows[i].from[0] < 0 ? 2 : 0; /* weight and bias */
                assert_int_equal(rescl_match_list_count(report, RESCL_MISSING), anew);
                assert_int_equal(rescl_match_list_count(report, RESCL_UNEXPECTED), anew);
            }
            assert_int_equal(rescl_match_list_head(report), rows[i].match);
            rescl_match_list_destroy(report);
            rescl_weights_close(w);
            rescl_model_destroy(fresh);
            rescl_model_destroy(m);
            rescl_model_destroy(old);
        }
}

/* A model that does not name its classes takes a whole file's by their number; a new head for data
 * that has numbers for names is safer than one of other classes. */
static void a_model_without_names(void **state)
{
    const char *path = rs_test_path("%s/w.safetensors", rs_test_dir);
    rescl_model *old = model_of(animals, 1), *m = model_of(NULL, 2);
    rescl_weights *w = NULL;
    rescl_match_list *report = NULL;
    rescl_weights_info info;
    (void)state;
    assert_ok(rescl_model_save(old, path));
    assert_ok(rescl_weights_open(path, &w));
    rescl_weights_get_info(w, &info);
    assert_string_equal(info.class_names[2], "cow");
    assert_ok(rescl_weights_load(w, m, RESCL_LOAD_BODY, &report));
    assert_int_equal(rescl_match_list_head(report), RESCL_HEAD_OTHER);
    rescl_match_list_destroy(report);
    assert_ok(rescl_weights_load(w, m, RESCL_LOAD_STRICT, &report));
    assert_int_equal(rescl_match_list_head(report), RESCL_HEAD_UNNAMED);
    rescl_match_list_destroy(report);
    assert_true(same_class(m, 1, old, 1));
    rescl_weights_close(w);
    assert_ok(rescl_model_save(m, path));
    assert_ok(rescl_weights_open(path, &w));
    rescl_weights_get_info(w, &info);
    assert_null(info.class_names);
    rescl_weights_close(w);
    rescl_model_destroy(m);
    rescl_model_destroy(old);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_of_classes_decide),
        TEST(a_model_without_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
