#include "testing.h"

#include "error.h"
#include "pickle.h"

#include <stdlib.h>
#include <string.h>

static rescl_status allow(const char *global, const void *arg)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(strcmp(global, "os.system") == 0, RESCL_ERR_FORMAT, "%s: calls %s",
               (const char *)arg, global);
out:
    return st;
}

/* In a block of its exact size, so that a read past its end shows under AddressSanitizer. */
static char *exact(const char *data, size_t bytes)
{
    char *copy = malloc(bytes + (bytes == 0));
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

static rs_pickle *read_ok(const char *data, size_t bytes)
{
    rs_pickle *p = NULL;
    bool cut = false;
    assert_ok(rs_pickle_read("a.pkl", 0, data, bytes, allow, "a.pkl", &cut, &p));
    assert_int_equal(rs_pickle_bytes(p), bytes);
    assert_false(cut);
    return p;
}

#define READ(text) read_ok(text, sizeof text - 1)

/* {"i": [0, 300, -5, 2**40, 2**80], "f": 1.5, "t": (True, False, None), "s": {1}, "y": "\u00e9"} as
 * pickle.dumps of Python 3 writes it. */
static const char protocol_2[] =
    "\x80\x02}q\x00(X\x01\x00\x00\x00iq\x01]q\x02(K\x00M,\x01J\xfb\xff\xff\xff\x8a\x06\x00\x00\x00"
    "\x00\x00\x01\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
    "eX\x01\x00\x00\x00"
    "fq\x03G?\xf8\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00tq\x04\x88\x89N\x87q\x05X\x01\x00\x00\x00"
    "sq\x06"
    "c__builtin__\nset\nq\x07]q\x08K\x01"
    "a\x85q\x09Rq\nX\x01\x00\x00\x00yq\x0bX\x02\x00\x00\x00\xc3\xa9q\x0cu.";

static const char protocol_4[] =
    "\x80\x04\x95L\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01i\x94]\x94(K\x00M,\x01J\xfb\xff\xff\xff"
    "\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
    "e\x8c\x01"
    "f\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x01t\x94\x88\x89N\x87\x94\x8c\x01s\x94\x8f\x94(K\x01"
    "\x90\x8c\x01y\x94\x8c\x02\xc3\xa9\x94u.";

static void check_values(rs_pickle *p)
{
    static const int64_t ints[] = {0, 300, -5, (int64_t)1 << 40};
    const rs_pickle_value *root = rs_pickle_root(p), *list = rs_pickle_get(root, "i");
    assert_int_equal(root->kind, RS_PICKLE_DICT);
    assert_int_equal(root->count, 10);
    for (size_t i = 0; i < RS_COUNT(ints); i++)
        assert_int_equal(rs_pickle_at(list, i)->integer, ints[i]);
    assert_int_equal(rs_pickle_at(list, 4)->kind, RS_PICKLE_LONG);
    assert_int_equal(rs_pickle_at(list, 4)->len, 11);
    assert_null(rs_pickle_at(list, 5));
    assert_float_equal(rs_pickle_get(root, "f")->real, 1.5, 0.0);
    const rs_pickle_value *tuple = rs_pickle_get(root, "t");
    assert_int_equal(tuple->kind, RS_PICKLE_TUPLE);
    assert_int_equal(rs_pickle_at(tuple, 0)->integer, 1);
    assert_int_equal(rs_pickle_at(tuple, 1)->integer, 0);
    assert_int_equal(rs_pickle_at(tuple, 2)->kind, RS_PICKLE_NONE);
    assert_int_equal(rs_pickle_get(root, "s")->kind, RS_PICKLE_SET);
    assert_int_equal(rs_pickle_get(root, "s")->count, 1);
    assert_true(rs_pickle_is_text(rs_pickle_get(root, "y"), "\xc3\xa9"));
    assert_null(rs_pickle_get(root, "none"));
    rs_pickle_free(p);
}

static void reads_values_of_both_kinds_of_protocol(void **state)
{
    (void)state;
    check_values(READ(protocol_2));
    check_values(READ(protocol_4));
}

static void a_call_becomes_a_value(void **state)
{
    (void)state;
    rs_pickle *p = READ("\x80\x02"
                        "cpathlib\nPosixPath\n(X\x01\x00\x00\x00/X\x03\x00\x00\x00tmptR}X\x01\x00"
                        "\x00\x00kK\x01sb.");
    const rs_pickle_value *v = rs_pickle_root(p);
    assert_true(rs_pickle_is_call(v, "pathlib.PosixPath"));
    assert_string_equal(rs_pickle_called(v), "pathlib.PosixPath");
    assert_true(rs_pickle_is_text(rs_pickle_at(v->args, 1), "tmp"));
    rs_pickle_free(p);

    p = READ("\x80\x02(X\x07\x00\x00\x00storageK\x05tQ.");
    assert_int_equal(rs_pickle_root(p)->kind, RS_PICKLE_PERSISTENT);
    assert_ptr_equal(rs_pickle_persistent(p, 0), rs_pickle_root(p));
    assert_null(rs_pickle_persistent(p, 1));
    assert_int_equal(rs_pickle_at(rs_pickle_root(p)->args, 1)->integer, 5);
    rs_pickle_free(p);

    /* OrderedDict as Python 2 made it, of a list of pairs. */
    p = READ("\x80\x02"
             "ccollections\nOrderedDict\n](]U\x01"
             "aaK\x07"
             "ae\x85R.");
    assert_int_equal(rs_pickle_get(rs_pickle_root(p), "a")->integer, 7);
    rs_pickle_free(p);
}

static void a_value_may_hold_itself(void **state)
{
    (void)state;
    rs_pickle *p = READ("\x80\x02]q\x00h\x00"
                        "a.");
    assert_ptr_equal(rs_pickle_at(rs_pickle_root(p), 0), rs_pickle_root(p));
    rs_pickle_free(p);
}

static void refuses_names_that_are_not_allowed(void **state)
{
    static const char *const calls[] = {"cos\nsystem\n.", "\x8c\x02os\x8c\x06system\x93."};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(calls); i++) {
        rs_pickle *p = NULL;
        bool cut = false;
        assert_fails(
            rs_pickle_read("a.pkl", 0, calls[i], strlen(calls[i]), allow, "a.pkl", &cut, &p),
            RESCL_ERR_FORMAT, "a.pkl", "os.system");
        assert_null(p);
        assert_false(cut);
    }
}

#define BAD(text, word)                                                                            \
    {                                                                                              \
        text, sizeof text - 1, word                                                                \
    }

static void refuses_what_is_malformed(void **state)
{
    static const struct {
        const char *data;
        size_t bytes;
        const char *word;
    } rows[] = {
        BAD(".", "more values than it made"),
        BAD("0.", "more values than it made"),
        BAD("2.", "more values than it made"),
        BAD("t.", "lacks a mark"),
        BAD("N(.", "more values than it made"),
        BAD("\x80\x06N.", "protocol 6"),
        BAD("I1\n.", "opcode 0x49"),
        BAD("\x82\x01.", "opcode 0x82"),
        BAD("h\x00.", "which it did not keep"),
        BAD("Nr\xff\xff\xff\xff.", "keeps a value as number 4294967295"),
        BAD("q\x00.", "more values than it made"),
        BAD("}(Nu.", "cannot hold"),
        BAD("(Nd.", "a key without a value"),
        BAD("NNa.", "cannot hold"),
        BAD("]NNs.", "cannot hold"),
        BAD("NN\x86"
            "a.",
            "into nothing"),
        BAD("(Ne.", "into nothing"),
        BAD("NN\x87.", "more values than it made"),
        BAD("N)R.", "calls what is no function"),
        BAD("ca\nb\nNR.", "calls with no tuple"),
        BAD("NN\x93.", "by what is no text"),
        BAD("c\x00\nb\n.", "NUL"),
        BAD("ccollections\nOrderedDict\n]Na\x85R.", "no list of pairs"),
        BAD("b.", "more values than it made"),
        BAD("Q.", "more values than it made"),
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        char *data = exact(rows[i].data, rows[i].bytes);
        rs_pickle *p = NULL;
        bool cut = false;
        assert_fails(rs_pickle_read("a.pkl", 0, data, rows[i].bytes, allow, "a.pkl", &cut, &p),
                     RESCL_ERR_FORMAT, "a.pkl", rows[i].word);
        assert_null(p);
        assert_false(cut);
        free(data);
    }
}

static void tells_when_it_does_not_end(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < sizeof protocol_2 - 1; bytes++) {
        char *data = exact(protocol_2, bytes);
        rs_pickle *p = NULL;
        bool cut = false;
        assert_fails(rs_pickle_read("a.pkl", 100, data, bytes, allow, "a.pkl", &cut, &p),
                     RESCL_ERR_FORMAT, "a.pkl", "begins at byte 100 does not end");
        assert_true(cut);
        free(data);
    }
    /* Lengths of strings beyond the pickle, of up to 8 bytes. */
    static const char *const longest[] = {"X\xff\xff\xff\xff.",
                                          "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
                                          "\x8b\xff\xff\xff\x7f.", "\x8a\xff.", "cnever"};
    for (size_t i = 0; i < RS_COUNT(longest); i++) {
        rs_pickle *p = NULL;
        bool cut = false;
        assert_fails(
            rs_pickle_read("a.pkl", 0, longest[i], strlen(longest[i]), allow, "a.pkl", &cut, &p),
            RESCL_ERR_FORMAT, "does not end");
        assert_true(cut);
    }
}

/* Each list holds the one before twice, by a few bytes: walkers are warned, and reading is quick. */
static void takes_what_would_grow_without_end(void **state)
{
    (void)state;
    char data[4096] = "\x80\x02]q", *at = data + 4;
    *at++ = 0;
    for (int i = 0; i < 100; i++) {
        memcpy(at, "]h\0ah\0aq\0", 9);
        at += 9;
    }
    *at++ = '.';
    rs_pickle *p = read_ok(data, (size_t)(at - data));
    rs_pickle_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values_of_both_kinds_of_protocol),
        cmocka_unit_test(a_call_becomes_a_value),
        cmocka_unit_test(a_value_may_hold_itself),
        cmocka_unit_test(refuses_names_that_are_not_allowed),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(tells_when_it_does_not_end),
        cmocka_unit_test(takes_what_would_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
