/* Expansion of #include, and reading compilers' logs. */
#include "buildlog.h"
#include "path.h"
#include "source.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = rs_test_dir_make();
    return setenv("RESCL_KERNEL_DIR", dir, 1);
}

static int remove_dir(void **state)
{
    (void)state;
    rs_test_dir_remove(dir);
    return unsetenv("RESCL_KERNEL_DIR");
}

static void put(const char *name, const char *text)
{
    char *path = rs_path_join(dir, name);
    assert_non_null(path);
    assert_ok(rs_file_write(path, text, strlen(text)));
    free(path);
}

static void check_line(const rs_source *s, size_t expanded, const char *file, size_t line)
{
    const rs_source_file *f = NULL;
    size_t n = 0;
    assert_true(rs_source_locate(s, expanded, &f, &n));
    assert_string_equal(f->name, file);
    assert_int_equal(n, line);
}

static void expands_includes(void **state)
{
    (void)state;
    rs_source s = {0};
    put("a.cl", "one\r\n  #  include \"b.clh\" // why\ntwo\n#include \"b.clh\"\nthree");
    put("b.clh", "b1\n#include \"c.clh\"\nb3\n");
    put("c.clh", "");
    assert_ok(rs_source_load(&s, "a"));
    assert_string_equal(s.text.text, "#line 1 \"a.cl\"\none\n"
                                     "#line 1 \"b.clh\"\nb1\n#line 1 \"c.clh\"\n#line 3 \"b.clh\"\n"
                                     "b3\n#line 3 \"a.cl\"\ntwo\n"
                                     "#line 1 \"b.clh\"\nb1\n#line 1 \"c.clh\"\n#line 3 \"b.clh\"\n"
                                     "b3\n#line 5 \"a.cl\"\nthree\n");
    check_line(&s, 2, "a.cl", 1);
    check_line(&s, 4, "b.clh", 1);
    check_line(&s, 7, "b.clh", 3);
    check_line(&s, 9, "a.cl", 3);
    check_line(&s, 16, "a.cl", 5);
    const rs_source_file *f = NULL;
    size_t line = 0;
    assert_false(rs_source_locate(&s, 17, &f, &line));
    assert_false(rs_source_locate(&s, 0, &f, &line));
    assert_string_equal(rs_source_find(&s, "/x/y/b.clh")->text, "b1\n#include \"c.clh\"\nb3\n");
    assert_null(rs_source_find(&s, "d.clh"));
    rs_source_fini(&s);
}

/* A template is included once for each value of what it is parametrised by. */
static void expands_templates_each_time(void **state)
{
    (void)state;
    rs_source s = {0};
    rs_build_error e;
    put("a.cl",
        "#define SPACE local\n#include \"t.clh\"\n#define SPACE global\n#include \"t.clh\"\n");
    put("t.clh", "SPACE int *x;\n#undef SPACE\n");
    assert_ok(rs_source_load(&s, "a"));
    assert_string_equal(s.text.text,
                        "#line 1 \"a.cl\"\n#define SPACE local\n"
                        "#line 1 \"t.clh\"\nSPACE int *x;\n#undef SPACE\n"
                        "#line 3 \"a.cl\"\n#define SPACE global\n"
                        "#line 1 \"t.clh\"\nSPACE int *x;\n#undef SPACE\n#line 5 \"a.cl\"\n");
    assert_int_equal(s.nfiles, 2);
    check_line(&s, 4, "t.clh", 1);
    check_line(&s, 9, "t.clh", 1);
    rs_build_log_parse(&s, "<kernel>:10:1: error: of the second one\n", &e);
    assert_string_equal(e.file->name, "t.clh");
    assert_int_equal(e.line, 2);
    rs_source_fini(&s);
}

/* What only looks like an include is left alone. */
static void leaves_comments_alone(void **state)
{
    (void)state;
    static const char *const text = "/* see\n#include \"none.clh\"\n*/\n"
                                    "// #include \"none.clh\" /*\n"
                                    "char c = '\"'; /* \" */ char *s = \"/*\";\n"
                                    "#define INC #include \"none.clh\"\n"
                                    "#include <none.clh>\n#includes \"none.clh\"\n#\n";
    rs_source s = {0};
    put("a.cl", text);
    assert_ok(rs_source_load(&s, "a"));
    assert_string_equal(strchr(s.text.text, '\n') + 1, text);
    rs_source_fini(&s);
}

static void finds_embedded_files(void **state)
{
    (void)state;
    rs_source s = {0};
    put("a.cl", "#include \"common.clh\"\n");
    assert_ok(rs_source_load(&s, "a"));
    assert_non_null(strstr(s.text.text, "RS_COMMON_CLH"));
    rs_source_fini(&s);
    put("common.clh", "mine\n");
    assert_ok(rs_source_load(&s, "a"));
    assert_null(strstr(s.text.text, "RS_COMMON_CLH"));
    assert_non_null(strstr(s.text.text, "mine"));
    rs_source_fini(&s);
}

static void check_refused(const char *stem, rescl_status status, const char *word,
                          const char *word2)
{
    rs_source s = {0};
    assert_fails(rs_source_load(&s, stem), status, word, word2);
    rs_source_fini(&s);
}

static void refuses_bad_includes(void **state)
{
    (void)state;
    put("missing.cl", "\n\n#include \"nowhere.clh\"\n");
    check_refused("missing", RESCL_ERR_NOT_FOUND, "missing.cl:3:", "nowhere.clh");
    put("up.cl", "#include \"../secret.clh\"\n");
    check_refused("up", RESCL_ERR_ARG, "up.cl:1:", "secret");
    check_refused("../up", RESCL_ERR_ARG, "../up", "kernel file's name");
    check_refused("", RESCL_ERR_ARG, ".cl", "name");
    check_refused("absent", RESCL_ERR_NOT_FOUND, "absent.cl", "RESCL_KERNEL_DIR");
    put("self.cl", "#include \"self.clh\"\n");
    put("self.clh", "x\n#include \"self.clh\"\n");
    check_refused("self", RESCL_ERR_BUILD, "self.clh:2:", "includes itself");
    for (int i = 0; i < 20; i++) {
        char name[16], text[64];
        snprintf(name, sizeof name, "deep%d.clh", i);
        snprintf(text, sizeof text, "#include \"deep%d.clh\"\n", i + 1);
        put(i ? name : "deep.cl", text);
    }
    check_refused("deep", RESCL_ERR_BUILD, "deep15.clh:1:", "nested");
    const char *absent = rs_test_path("%s/absent", dir);
    assert_int_equal(setenv("RESCL_KERNEL_DIR", absent, 1), 0);
    check_refused("a", RESCL_ERR_NOT_FOUND, "RESCL_KERNEL_DIR", absent);
    assert_int_equal(setenv("RESCL_KERNEL_DIR", dir, 1), 0);
}

static void check_log(const rs_source *s, const char *log, const char *file, size_t line,
                      const char *message)
{
    rs_build_error e;
    rs_build_log_parse(s, log, &e);
    assert_string_equal(e.message, message);
    if (file == NULL) {
        assert_null(e.file);
        return;
    }
    assert_non_null(e.file);
    assert_string_equal(e.file->name, file);
    assert_int_equal(e.line, line);
}

static void reads_build_logs(void **state)
{
    (void)state;
    rs_source s = {0};
    put("k.cl", "#include \"h.clh\"\nk2\nk3\n");
    put("h.clh", "h1\nh2\n");
    assert_ok(rs_source_load(&s, "k"));
    check_log(&s, "warning: errors follow\nk.cl:3:7: error: no such x\nk.cl:9:1: error: y\n",
              "k.cl", 3, "no such x");
    check_log(&s, "/tmp/a b/h.clh:2:1: fatal error: gone\r\n", "h.clh", 2, "gone");
    check_log(&s, "h.clh:1: error: bare\n", "h.clh", 1, "bare");
    check_log(&s, "error: k.cl:2:14: from PoCL\n", "k.cl", 2, "from PoCL");
    check_log(&s, "k.cl(3): error: in brackets", "k.cl", 3, "in brackets");
    check_log(&s, "\"/tmp/k.cl\", line 2: error: in words", "k.cl", 2, "in words");
    check_log(&s, "<kernel>:4:5: error: of the expanded text\n", "h.clh", 2,
              "of the expanded text");
    check_log(&s, "1:6:9: ERROR: of it, too\n", "k.cl", 2, "of it, too");
    check_log(&s, ":7:1: error: nameless\n", "k.cl", 3, "nameless");
    check_log(&s, "<kernel>:400:5: error: far out\n", NULL, 0, "far out");
    check_log(&s, "<kernel>:99999999999999999999:5: error: farther\n", NULL, 0, "farther");
    check_log(&s, "ld.lld: error: undefined symbol: x\n", NULL, 0, "undefined symbol: x");
    check_log(&s, "\nsomething failed\nmore\n", NULL, 0, "something failed");
    check_log(&s, "error", NULL, 0, "the compiler gave no reason");
    check_log(&s, "", NULL, 0, "the compiler gave no reason");
    rs_source_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_includes),      cmocka_unit_test(expands_templates_each_time),
        cmocka_unit_test(leaves_comments_alone), cmocka_unit_test(finds_embedded_files),
        cmocka_unit_test(refuses_bad_includes),  cmocka_unit_test(reads_build_logs),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
