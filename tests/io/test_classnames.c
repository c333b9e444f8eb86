#include "testing.h"

#include <rescl/rescl.h>
#include <stdio.h>
#include <string.h>

#include "path.h"

static char file[4096];

static int make_dir(void **state)
{
    rs_test_dir_setup(state);
    snprintf(file, sizeof file, "%s/names", rs_test_dir);
    return 0;
}

static rescl_model *three_classes(void)
{
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&(rescl_model_options){.struct_size = sizeof(rescl_model_options),
                                                        .name = "resnet8",
                                                        .classes = 3,
                                                        .image_size = 8},
                                 &m));
    return m;
}

static rescl_status read_names(rescl_model *m, const char *text)
{
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return rescl_model_read_class_names(m, file);
}

static void reads_each_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "{\"0\": [\"n1\", \"a cat\"], \"2\": [\"n3\", \"d\"], \"1\": [\"n2\", \"b\"]}",
        "{\"0\": \"a cat\", \"1\": \"b\", \"2\": \"d\"}",
        " \n[\"a cat\", \"b\", \"d\"]\n",
        "a cat\nb\nd",
        "a cat\r\nb\r\nd\r\n\r\n",
        "\357\273\277a cat\r\nb\r\nd",
        "\xef\xbb\xbf[\"a cat\", \"b\", \"d\"]\r\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        rescl_model *m = three_classes();
        assert_string_equal(rescl_model_class_name(m, 1), "1");
        assert_ok(read_names(m, forms[i]));
        assert_string_equal(rescl_model_class_name(m, 0), "a cat");
        assert_string_equal(rescl_model_class_name(m, 1), "b");
        assert_string_equal(rescl_model_class_name(m, 2), "d");
        assert_null(rescl_model_class_name(m, 3));
        rescl_model_destroy(m);
    }
}

static void refuses_and_keeps_the_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"", "no class 0"},
        {"a\nb\n", "no class 2"},
        {"a\nb\nc\nd\n", "names class 3"},
        {"a\n\nc\n", "class 1 is empty"},
        {"a\nb\tb\nc\n", "control character"},
        {"a\nb\xe9\nc\n", "class 1 is not UTF-8"},
        {"a\rb\rc\r", "carriage return"},
        {"a\nb\xc2\x9b\nc\n", "control character"},
        {"\xff\xfe[", "is UTF-16"},
        {"[\"a\", \"b\"]", "no class 2"},
        {"[\"a\", \"b\", 3]", "class 2 is neither"},
        {"[\"a\", \"b\", [\"x\"]]", "class 2 is neither"},
        {"[\"a\", \"b\", \"c\\nd\"]", "control character"},
        {"[\"a\", \"b\"", "names:1"},
        {"{\"0\": \"a\", \"1\": \"b\", \"01\": \"c\"}", "class 1 twice"},
        {"{\"0\": \"a\", \"1\": \"b\", \"1\": \"c\"}", "names:1"},
        {"{\"0\": \"a\", \"1\": \"b\", \"two\": \"c\"}", "\"two\""},
        {"{\"0\": \"a\", \"1\": \"b\", \"99999999999999999999\": \"c\"}", "999"},
        {"{\"0\": \"a\", \"1\": \"b\", \"7\": \"c\"}", "names class 7"},
    };
    rescl_model *m = three_classes();
    assert_ok(read_names(m, "x\ny\nz\n"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(read_names(m, bad[i].text), RESCL_ERR_FORMAT, file, bad[i].word);
        assert_string_equal(rescl_model_class_name(m, 0), "x");
        assert_string_equal(rescl_model_class_name(m, 2), "z");
    }
    const char *absent = rs_test_path("%s/absent", rs_test_dir);
    assert_fails(rescl_model_read_class_names(m, absent), RESCL_ERR_NOT_FOUND, absent);
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_form),
        cmocka_unit_test(refuses_and_keeps_the_names),
    };
    return cmocka_run_group_tests(tests, make_dir, rs_test_dir_teardown);
}
