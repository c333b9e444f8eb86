#include "pickle.h"

#include "alloc.h"
#include "error.h"
#include "picklestack.h"

#include <stdlib.h>
#include <string.h>

typedef rs_pickle_value value;

#define NEWEST_PROTOCOL 5
#define STOP            '.'

/* ---- values -------------------------------------------------------------------------------- */

static rescl_status push_string(rs_pickle_machine *m, rs_pickle_kind kind, size_t width)
{
    rescl_status st = RESCL_OK;
    const unsigned char *from;
    uint64_t len;
    value *v;
    char *text;
    RS_TRY(rs_pickle_get_number(m, width, &len));
    RS_TRY(rs_pickle_get_bytes(m, len, &from));
    RS_TRY(rs_pickle_push_new(m, kind, &v));
    v->len = (size_t)len;
    v->text = (const char *)from;
    if (kind == RS_PICKLE_TEXT) {
        RS_TRY(rs_pickle_take(m->p, v->len + 1, &text));
        memcpy(text, from, v->len);
        v->text = text;
    }
out:
    return st;
}

static rescl_status push_text(rs_pickle_machine *m, size_t width)
{
    return push_string(m, RS_PICKLE_TEXT, width);
}

static rescl_status push_bytes(rs_pickle_machine *m, size_t width)
{
    return push_string(m, RS_PICKLE_BYTES, width);
}

/* A number in two's complement. */
static rescl_status push_long(rs_pickle_machine *m, size_t width)
{
    rescl_status st = RESCL_OK;
    const unsigned char *from;
    uint64_t len, bits = 0;
    value *v;
    RS_TRY(rs_pickle_get_number(m, width, &len));
    RS_TRY(rs_pickle_get_bytes(m, len, &from));
    RS_TRY(rs_pickle_push_new(m, len <= 8 ? RS_PICKLE_INT : RS_PICKLE_LONG, &v));
    v->text = (const char *)from;
    v->len = (size_t)len;
    if (len > 8)
        goto out;
    if (len > 0 && from[len - 1] & 0x80)
        bits = UINT64_MAX;
    for (size_t i = (size_t)len; i > 0; i--)
        bits = bits << 8 | from[i - 1];
    v->integer = (int64_t)bits;
out:
    return st;
}

static rescl_status push_int(rs_pickle_machine *m, size_t width)
{
    rescl_status st = RESCL_OK;
    uint64_t bits;
    value *v;
    RS_TRY(rs_pickle_get_number(m, width, &bits));
    RS_TRY(rs_pickle_push_new(m, RS_PICKLE_INT, &v));
    v->integer = width == 4 ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
out:
    return st;
}

static rescl_status push_float(rs_pickle_machine *m, size_t width)
{
    rescl_status st = RESCL_OK;
    const unsigned char *from;
    uint64_t bits = 0;
    value *v;
    RS_TRY(rs_pickle_get_bytes(m, width, &from));
    for (size_t i = 0; i < width; i++) /* big-endian */
        bits = bits << 8 | from[i];
    RS_TRY(rs_pickle_push_new(m, RS_PICKLE_FLOAT, &v));
    memcpy(&v->real, &bits, sizeof v->real);
out:
    return st;
}

static rescl_status push_bool(rs_pickle_machine *m, size_t truth)
{
    rescl_status st = RESCL_OK;
    value *v;
    RS_TRY(rs_pickle_push_new(m, RS_PICKLE_BOOL, &v));
    v->integer = (int64_t)truth;
out:
    return st;
}

static rescl_status push_global(rs_pickle_machine *m, const char *module, size_t module_len,
                                const char *name, size_t name_len)
{
    rescl_status st = RESCL_OK;
    value *v;
    char *text;
    RS_PICKLE_FAIL_IF(memchr(module, '\0', module_len) || memchr(name, '\0', name_len), "%s",
                      "has a name with a NUL in it; it is damaged");
    RS_TRY(rs_pickle_push_new(m, RS_PICKLE_GLOBAL, &v));
    v->len = module_len + 1 + name_len;
    RS_TRY(rs_pickle_take(m->p, v->len + 1, &text));
    memcpy(text, module, module_len);
    text[module_len] = '.';
    memcpy(text + module_len + 1, name, name_len);
    v->text = text;
    RS_TRY(m->allow(text, m->arg));
out:
    return st;
}

static rescl_status do_global(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    const char *module, *name;
    size_t module_len, name_len;
    (void)unused;
    RS_TRY(rs_pickle_get_line(m, &module, &module_len));
    RS_TRY(rs_pickle_get_line(m, &name, &name_len));
    RS_TRY(push_global(m, module, module_len, name, name_len));
out:
    return st;
}

static rescl_status do_stack_global(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    value *module, *name;
    (void)unused;
    RS_TRY(rs_pickle_pop(m, &name));
    RS_TRY(rs_pickle_pop(m, &module));
    RS_PICKLE_FAIL_IF(module->kind != RS_PICKLE_TEXT || name->kind != RS_PICKLE_TEXT, "%s",
                      "names a class by what is no text; it is damaged");
    RS_TRY(push_global(m, module->text, module->len, name->text, name->len));
out:
    return st;
}

/* ---- containers ---------------------------------------------------------------------------- */

/* The last `count` values become one. */
static rescl_status gather(rs_pickle_machine *m, rs_pickle_kind kind, size_t first)
{
    rescl_status st = RESCL_OK;
    const size_t count = m->depth - first;
    value *v;
    RS_PICKLE_FAIL_IF(kind == RS_PICKLE_DICT && count % 2 != 0, "%s",
                      "has a key without a value; it is damaged");
    RS_TRY(rs_pickle_make(m, kind, &v));
    RS_TRY(rs_pickle_take(m->p, count * sizeof *v->item, &v->item));
    if (count > 0)
        memcpy(v->item, m->stack + first, count * sizeof *v->item);
    v->count = v->cap = count;
    m->depth = first;
    RS_TRY(rs_pickle_push(m, v));
out:
    return st;
}

static rescl_status gather_marked(rs_pickle_machine *m, size_t kind)
{
    rescl_status st = RESCL_OK;
    size_t first;
    RS_TRY(rs_pickle_pop_mark(m, &first));
    RS_TRY(gather(m, (rs_pickle_kind)kind, first));
out:
    return st;
}

static rescl_status gather_last(rs_pickle_machine *m, size_t count)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->depth - rs_pickle_floor_of(m) < count, "%s",
                      "takes more values than it made; it is damaged");
    RS_TRY(gather(m, RS_PICKLE_TUPLE, m->depth - count));
out:
    return st;
}

/* Puts the values from `first` on, `each` making an item, into the container below them. Objects of
 * classes have no room for any: nobody looks at it. */
static rescl_status put_items(rs_pickle_machine *m, size_t first, size_t each)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(first <= rs_pickle_floor_of(m) || first > m->depth, "%s",
                      "puts values into nothing; it is damaged");
    value *into = m->stack[first - 1];
    const bool holds = each == 2 ? into->kind == RS_PICKLE_DICT
                                 : into->kind == RS_PICKLE_LIST || into->kind == RS_PICKLE_SET;
    RS_PICKLE_FAIL_IF((!holds && into->kind != RS_PICKLE_CALL) || (m->depth - first) % each != 0,
                      "%s", "puts values into what cannot hold them; it is damaged");
    for (size_t i = first; holds && i < m->depth; i++)
        RS_TRY(rs_pickle_add_item(m, into, m->stack[i]));
    m->depth = first;
out:
    return st;
}

static rescl_status put_marked(rs_pickle_machine *m, size_t each)
{
    rescl_status st = RESCL_OK;
    size_t first;
    RS_TRY(rs_pickle_pop_mark(m, &first));
    RS_TRY(put_items(m, first, each));
out:
    return st;
}

static rescl_status put_last(rs_pickle_machine *m, size_t each)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->depth < each, "%s", "takes more values than it made; it is damaged");
    RS_TRY(put_items(m, m->depth - each, each));
out:
    return st;
}

/* ---- calls --------------------------------------------------------------------------------- */

/* The containers among Python's classes, and what they are made of. */
static const struct {
    const char *global;
    rs_pickle_kind kind;
} containers[] = {
    {"collections.OrderedDict", RS_PICKLE_DICT}, {"collections.defaultdict", RS_PICKLE_DICT},
    {"collections.Counter", RS_PICKLE_DICT},     {"builtins.dict", RS_PICKLE_DICT},
    {"__builtin__.dict", RS_PICKLE_DICT},        {"builtins.list", RS_PICKLE_LIST},
    {"__builtin__.list", RS_PICKLE_LIST},        {"builtins.set", RS_PICKLE_SET},
    {"__builtin__.set", RS_PICKLE_SET},          {"builtins.frozenset", RS_PICKLE_SET},
    {"__builtin__.frozenset", RS_PICKLE_SET},
};

static bool is_sequence(const value *v)
{
    return v && (v->kind == RS_PICKLE_LIST || v->kind == RS_PICKLE_TUPLE);
}

/* A container made of the list, dict or list of pairs that `args` ends with. */
static rescl_status fill_container(rs_pickle_machine *m, value *v, const value *args)
{
    rescl_status st = RESCL_OK;
    const value *from = args->count > 0 ? args->item[args->count - 1] : NULL;
    if (from && from->kind == v->kind)
        for (size_t i = 0; i < from->count; i++)
            RS_TRY(rs_pickle_add_item(m, v, from->item[i]));
    for (size_t i = 0; is_sequence(from) && from->kind != v->kind && i < from->count; i++) {
        value *item = from->item[i];
        RS_PICKLE_FAIL_IF(v->kind == RS_PICKLE_DICT && (!is_sequence(item) || item->count != 2),
                          "%s", "makes a dict of what is no list of pairs; it is damaged");
        if (v->kind == RS_PICKLE_DICT)
            RS_TRY(rs_pickle_add_item(m, v, item->item[0]));
        RS_TRY(rs_pickle_add_item(m, v, v->kind == RS_PICKLE_DICT ? item->item[1] : item));
    }
out:
    return st;
}

static rescl_status do_call(rs_pickle_machine *m, size_t keywords)
{
    rescl_status st = RESCL_OK;
    value *callable, *args, *ignored, *v;
    rs_pickle_kind kind = RS_PICKLE_CALL;
    if (keywords)
        RS_TRY(rs_pickle_pop(m, &ignored));
    RS_TRY(rs_pickle_pop(m, &args));
    RS_TRY(rs_pickle_pop(m, &callable));
    RS_PICKLE_FAIL_IF(callable->kind != RS_PICKLE_GLOBAL && callable->kind != RS_PICKLE_CALL, "%s",
                      "calls what is no function; it is damaged");
    RS_PICKLE_FAIL_IF(args->kind != RS_PICKLE_TUPLE, "%s", "calls with no tuple; it is damaged");
    for (size_t i = 0; i < RS_COUNT(containers); i++)
        if (rs_pickle_is_global(callable, containers[i].global))
            kind = containers[i].kind;
    RS_TRY(rs_pickle_push_new(m, kind, &v));
    if (kind != RS_PICKLE_CALL) {
        RS_TRY(fill_container(m, v, args));
        goto out;
    }
    v->callable = callable;
    v->args = args;
out:
    return st;
}

static rescl_status do_persistent(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    value *id, *v;
    (void)unused;
    RS_TRY(rs_pickle_pop(m, &id));
    RS_TRY(rs_pickle_push_new(m, RS_PICKLE_PERSISTENT, &v));
    v->args = id;
    RS_TRY(rs_array_reserve(&m->p->persistent, &m->p->persistent_cap, m->p->persistents + 1,
                            sizeof *m->p->persistent));
    m->p->persistent[m->p->persistents++] = v;
out:
    return st;
}

/* ---- the memo ------------------------------------------------------------------------------ */

/* A width of 0: as the next. */
static rescl_status memo_put(rs_pickle_machine *m, size_t width)
{
    rescl_status st = RESCL_OK;
    uint64_t index = m->memos;
    value *v;
    if (width > 0)
        RS_TRY(rs_pickle_get_number(m, width, &index));
    RS_TRY(rs_pickle_top(m, &v));
    RS_PICKLE_FAIL_IF(index > RS_PICKLE_MAX_VALUES,
                      "keeps a value as number %" PRIu64 "; it is damaged", index);
    RS_TRY(rs_array_reserve(&m->memo, &m->memo_cap, (size_t)index + 1, sizeof *m->memo));
    for (; m->memos <= index; m->memos++)
        m->memo[m->memos] = NULL;
    m->memo[index] = v;
out:
    return st;
}

static rescl_status memo_get(rs_pickle_machine *m, size_t width)
{
    rescl_status st = RESCL_OK;
    uint64_t index;
    RS_TRY(rs_pickle_get_number(m, width, &index));
    RS_PICKLE_FAIL_IF(index >= m->memos || !m->memo[index],
                      "wants the value %" PRIu64 ", which it did not keep; it is damaged", index);
    RS_TRY(rs_pickle_push(m, m->memo[index]));
out:
    return st;
}

/* ---- running ------------------------------------------------------------------------------- */

static rescl_status do_protocol(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    uint64_t number;
    (void)unused;
    RS_TRY(rs_pickle_get_number(m, 1, &number));
    RS_PICKLE_FAIL_IF(number > NEWEST_PROTOCOL, "has protocol %" PRIu64 ", at most 5 is read",
                      number);
out:
    return st;
}

static rescl_status do_frame(rs_pickle_machine *m, size_t width)
{
    uint64_t bytes;
    return rs_pickle_get_number(m, width, &bytes);
}

static rescl_status do_mark(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    (void)unused;
    RS_TRY(rs_array_reserve(&m->mark, &m->mark_cap, m->marks + 1, sizeof *m->mark));
    m->mark[m->marks++] = m->depth;
out:
    return st;
}

static rescl_status do_pop(rs_pickle_machine *m, size_t unused)
{
    value *dropped;
    (void)unused;
    if (m->marks == 0 || m->depth > rs_pickle_floor_of(m))
        return rs_pickle_pop(m, &dropped);
    m->marks--;
    return RESCL_OK;
}

static rescl_status do_pop_mark(rs_pickle_machine *m, size_t unused)
{
    (void)unused;
    return rs_pickle_pop_mark(m, &m->depth);
}

static rescl_status do_dup(rs_pickle_machine *m, size_t unused)
{
    rescl_status st = RESCL_OK;
    value *v;
    (void)unused;
    RS_TRY(rs_pickle_top(m, &v));
    RS_TRY(rs_pickle_push(m, v));
out:
    return st;
}

static rescl_status push_empty(rs_pickle_machine *m, size_t kind)
{
    value *v;
    return rs_pickle_push_new(m, (rs_pickle_kind)kind, &v);
}

/* What is given to an object for its attributes: nobody looks at them. */
static rescl_status do_build(rs_pickle_machine *m, size_t unused)
{
    value *state;
    (void)unused;
    return rs_pickle_pop(m, &state);
}

/* By the names and numbers of Python's pickletools. */
static const struct {
    unsigned char op;
    rescl_status (*run)(rs_pickle_machine *m, size_t with);
    size_t with;
} opcodes[] = {
    {0x80, do_protocol, 0},                /* PROTO */
    {0x95, do_frame, 8},                   /* FRAME */
    {'(', do_mark, 0},                     /* MARK */
    {'0', do_pop, 0},                      /* POP */
    {'1', do_pop_mark, 0},                 /* POP_MARK */
    {'2', do_dup, 0},                      /* DUP */
    {'q', memo_put, 1},                    /* BINPUT */
    {'r', memo_put, 4},                    /* LONG_BINPUT */
    {0x94, memo_put, 0},                   /* MEMOIZE */
    {'h', memo_get, 1},                    /* BINGET */
    {'j', memo_get, 4},                    /* LONG_BINGET */
    {'N', push_empty, RS_PICKLE_NONE},     /* NONE */
    {0x88, push_bool, true},               /* NEWTRUE */
    {0x89, push_bool, false},              /* NEWFALSE */
    {'K', push_int, 1},                    /* BININT1 */
    {'M', push_int, 2},                    /* BININT2 */
    {'J', push_int, 4},                    /* BININT */
    {0x8a, push_long, 1},                  /* LONG1 */
    {0x8b, push_long, 4},                  /* LONG4 */
    {'G', push_float, 8},                  /* BINFLOAT */
    {'U', push_text, 1},                   /* SHORT_BINSTRING */
    {'T', push_text, 4},                   /* BINSTRING */
    {0x8c, push_text, 1},                  /* SHORT_BINUNICODE */
    {'X', push_text, 4},                   /* BINUNICODE */
    {0x8d, push_text, 8},                  /* BINUNICODE8 */
    {'C', push_bytes, 1},                  /* SHORT_BINBYTES */
    {'B', push_bytes, 4},                  /* BINBYTES */
    {0x8e, push_bytes, 8},                 /* BINBYTES8 */
    {0x96, push_bytes, 8},                 /* BYTEARRAY8 */
    {')', push_empty, RS_PICKLE_TUPLE},    /* EMPTY_TUPLE */
    {']', push_empty, RS_PICKLE_LIST},     /* EMPTY_LIST */
    {'}', push_empty, RS_PICKLE_DICT},     /* EMPTY_DICT */
    {0x8f, push_empty, RS_PICKLE_SET},     /* EMPTY_SET */
    {'t', gather_marked, RS_PICKLE_TUPLE}, /* TUPLE */
    {'l', gather_marked, RS_PICKLE_LIST},  /* LIST */
    {'d', gather_marked, RS_PICKLE_DICT},  /* DICT */
    {0x91, gather_marked, RS_PICKLE_SET},  /* FROZENSET */
    {0x85, gather_last, 1},                /* TUPLE1 */
    {0x86, gather_last, 2},                /* TUPLE2 */
    {0x87, gather_last, 3},                /* TUPLE3 */
    {'a', put_last, 1},                    /* APPEND */
    {'s', put_last, 2},                    /* SETITEM */
    {'e', put_marked, 1},                  /* APPENDS */
    {0x90, put_marked, 1},                 /* ADDITEMS */
    {'u', put_marked, 2},                  /* SETITEMS */
    {'c', do_global, 0},                   /* GLOBAL */
    {0x93, do_stack_global, 0},            /* STACK_GLOBAL */
    {'R', do_call, 0},                     /* REDUCE */
    {0x81, do_call, 0},                    /* NEWOBJ */
    {0x92, do_call, 1},                    /* NEWOBJ_EX */
    {'b', do_build, 0},                    /* BUILD */
    {'Q', do_persistent, 0},               /* BINPERSID */
};

static rescl_status run(rs_pickle_machine *m)
{
    rescl_status st = RESCL_OK;
    const unsigned char *op;
    value *root;
    for (;;) {
        size_t i = 0;
        RS_TRY(rs_pickle_get_bytes(m, 1, &op));
        if (*op == STOP)
            break;
        while (i < RS_COUNT(opcodes) && opcodes[i].op != *op)
            i++;
        RS_PICKLE_FAIL_IF(
            i == RS_COUNT(opcodes),
            "has the opcode 0x%02x, which rescl does not read; it is damaged, or of protocol 0",
            *op);
        RS_TRY(opcodes[i].run(m, opcodes[i].with));
    }
    RS_TRY(rs_pickle_pop(m, &root));
    m->p->root = root;
    m->p->bytes = m->at;
out:
    return st;
}

rescl_status rs_pickle_read(const char *path, uint64_t at, const void *data, size_t bytes,
                            rs_pickle_global_fn allow, const void *arg, bool *cut, rs_pickle **out)
{
    rescl_status st = RESCL_OK;
    rs_pickle_machine m = {.path = path,
                           .origin = at,
                           .data = data,
                           .bytes = bytes,
                           .cut = cut,
                           .allow = allow,
                           .arg = arg};
    RS_OOM(m.p = calloc(1, sizeof *m.p));
    RS_TRY(run(&m));
    *out = m.p;
    m.p = NULL;
out:
    free(m.memo);
    free(m.mark);
    free(m.stack);
    rs_pickle_free(m.p);
    return st;
}

void rs_pickle_free(rs_pickle *p)
{
    if (!p)
        return;
    while (p->blocks) {
        rs_pickle_block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
    free(p->persistent);
    free(p);
}

const value *rs_pickle_root(const rs_pickle *p)
{
    return p->root;
}

size_t rs_pickle_bytes(const rs_pickle *p)
{
    return p->bytes;
}

const value *rs_pickle_persistent(const rs_pickle *p, size_t index)
{
    return index < p->persistents ? p->persistent[index] : NULL;
}
