/* The bytes of exported models, read by a small decoder of protocol buffers. That ONNX Runtime
 * gives the same logits is checked by tests/oracle/check_onnx.py. */
#include "error.h"
#include "netmodel.h"
#include "onnx.h"
#include "path.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading protocol buffers ------------------------------------------------------------ */

typedef struct span {
    const unsigned char *at, *end;
} span;

typedef struct field {
    unsigned number, wire;
    uint64_t value; /* of a varint or a 32-bit one */
    span bytes;
} field;

static uint64_t varint(span *s)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(s->at < s->end && shift < 64);
        value |= (uint64_t)(*s->at & 0x7f) << shift;
        if (!(*s->at++ & 0x80))
            return value;
    }
}

/* The next field of a message; false at its end. */
static bool next(span *s, field *f)
{
    if (s->at == s->end)
        return false;
    const uint64_t tag = varint(s);
    *f = (field){.number = (unsigned)(tag >> 3), .wire = (unsigned)(tag & 7)};
    if (f->wire == 0) {
        f->value = varint(s);
    } else if (f->wire == 5) {
        assert_true(s->end - s->at >= 4);
        for (int i = 0; i < 4; i++)
            f->value |= (uint64_t)*s->at++ << 8 * i;
    } else {
        assert_int_equal(f->wire, 2);
        const uint64_t bytes = varint(s);
        assert_true((uint64_t)(s->end - s->at) >= bytes);
        f->bytes = (span){s->at, s->at + bytes};
        s->at += bytes;
    }
    return true;
}

/* The index-th field of that number; fails when there is none. */
static field get(span s, unsigned number, size_t index)
{
    field f;
    while (next(&s, &f))
        if (f.number == number && index-- == 0)
            return f;
    fail_msg("there is no field %u", number);
    return f;
}

static bool is_text(span s, const char *text)
{
    return (size_t)(s.end - s.at) == strlen(text) && memcmp(s.at, text, strlen(text)) == 0;
}

static void assert_text(span message, unsigned number, size_t index, const char *want)
{
    const span s = get(message, number, index).bytes;
    if (!is_text(s, want))
        fail_msg("field %u is '%.*s', expected '%s'", number, (int)(s.end - s.at),
                 (const char *)s.at, want);
}

/* The message among the fields `number` of `parent` whose field `key` is `text`. */
static span find(span parent, unsigned number, unsigned key, const char *text)
{
    field f;
    while (next(&parent, &f))
        if (f.number == number && is_text(get(f.bytes, key, 0).bytes, text))
            return f.bytes;
    fail_msg("there is no '%s'", text);
    return parent;
}

/* ---- a model's export -------------------------------------------------------------------- */

enum { GRAPH = 7, OPSET = 8, META = 14 };
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12 };

typedef struct exported {
    rescl_model *model;
    char *data;
    span file, graph;
} exported;

static void export_model(const char *name, size_t size, exported *x)
{
    char *dir = rs_test_dir_make(), *path = rs_path_join(dir, "model.onnx");
    size_t bytes;
    const char *const classes[] = {"a \"quoted\" one", "two", "three"};
    *x = (exported){0};
    assert_ok(rescl_model_create(&(rescl_model_options){.struct_size = sizeof(rescl_model_options),
                                                        .name = name,
                                                        .classes = 3,
                                                        .class_names = classes,
                                                        .image_size = size,
                                                        .dropout = 0.5},
                                 &x->model));
    assert_ok(rescl_model_export_onnx(x->model, path));
    assert_ok(rs_file_read(path, (size_t)1 << 30, &x->data, &bytes));
    free(path);
    rs_test_dir_remove(dir);
    x->file.at = (const unsigned char *)x->data;
    x->file.end = x->file.at + bytes;
    x->graph = get(x->file, GRAPH, 0).bytes;
}

static void release(exported *x)
{
    rescl_model_destroy(x->model);
    free(x->data);
}

static span initializer(const exported *x, const char *name)
{
    return find(x->graph, INITIALIZER, 8, name);
}

static span node(const exported *x, const char *name)
{
    return find(x->graph, NODE, 3, name);
}

static void assert_ints(span message, unsigned number, size_t count, const int64_t *want)
{
    for (size_t i = 0; i < count; i++)
        assert_true((int64_t)get(message, number, i).value == want[i]);
}

static void assert_attribute(span n, const char *name, size_t count, const int64_t *want)
{
    assert_ints(find(n, 5, 1, name), count == 1 ? 3 : 8, count, want);
}

static const float *weights_of(const exported *x, const char *name)
{
    const int i = rs_graph_find_param(x->model->graph, name);
    assert_true(i >= 0);
    return x->model->weights.data[i];
}

static float raw(span t, size_t index)
{
    const span bytes = get(t, 9, 0).bytes;
    float value;
    assert_true((size_t)(bytes.end - bytes.at) >= (index + 1) * sizeof value);
    memcpy(&value, bytes.at + index * sizeof value, sizeof value);
    return value;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void a_model_says_what_it_is(void **state)
{
    exported x;
    (void)state;
    export_model("resnet8", 32, &x);
    assert_int_equal(get(x.file, 1, 0).value, 7); /* IR version */
    assert_int_equal(get(get(x.file, OPSET, 0).bytes, 2, 0).value, 13);
    assert_text(find(x.file, META, 1, "model"), 2, 0, "resnet8");
    assert_text(find(x.file, META, 1, "preprocess"), 2, 0, "unit");
    assert_text(find(x.file, META, 1, "preprocess_input"), 2, 0, "RGB, 0 to 1");
    assert_text(find(x.file, META, 1, "image_size"), 2, 0, "32");
    assert_text(find(x.file, META, 1, "classes"), 2, 0,
                "[\"a \\\"quoted\\\" one\",\"two\",\"three\"]");

    /* input: (N, 3, 32, 32) */
    const span input = get(x.graph, INPUT, 0).bytes;
    assert_text(input, 1, 0, "input");
    const span type = get(get(input, 2, 0).bytes, 1, 0).bytes, shape = get(type, 2, 0).bytes;
    assert_int_equal(get(type, 1, 0).value, 1);
    assert_text(get(shape, 1, 0).bytes, 2, 0, "N");
    assert_int_equal(get(get(shape, 1, 1).bytes, 1, 0).value, 3);
    assert_int_equal(get(get(shape, 1, 3).bytes, 1, 0).value, 32);
    assert_text(get(x.graph, OUTPUT, 0).bytes, 1, 0, "logits");
    release(&x);
}

static void weights_have_torch_layouts(void **state)
{
    exported x;
    (void)state;
    export_model("resnet8", 32, &x);
    /* (3,3,16,32) to (32,16,3,3) */
    const span conv = initializer(&x, "layer2.0.conv1.weight");
    assert_ints(conv, 1, 4, (int64_t[]){32, 16, 3, 3});
    const float *ours = weights_of(&x, "layer2.0.conv1.weight");
    assert_true(raw(conv, ((7 * 16 + 5) * 3 + 2) * 3 + 1) == ours[((2 * 3 + 1) * 16 + 5) * 32 + 7]);
    /* (64,3) to (3,64) */
    const span dense = initializer(&x, "fc.weight");
    assert_ints(dense, 1, 2, (int64_t[]){3, 64});
    assert_true(raw(dense, 2 * 64 + 9) == weights_of(&x, "fc.weight")[9 * 3 + 2]);
    initializer(&x, "layer1.0.bn1.running_var");
    /* No dropout: the dense layer reads the pooling. */
    const span fc = node(&x, "fc");
    assert_text(fc, 4, 0, "Gemm");
    assert_text(fc, 1, 0, "avgpool");
    assert_text(fc, 2, 0, "logits");
    release(&x);
}

static void keras_names_become_torchvisions(void **state)
{
    exported x;
    (void)state;
    export_model("resnet50_signs", 128, &x);
    const span conv = node(&x, "res3a_branch2a");
    assert_text(conv, 4, 0, "Conv");
    assert_text(conv, 1, 1, "layer2.0.conv1.weight");
    assert_text(conv, 1, 2, "layer2.0.conv1.bias");
    assert_attribute(conv, "strides", 2, (int64_t[]){2, 2});
    initializer(&x, "layer2.0.downsample.1.running_mean");
    /* The maps of 2x2 that are flattened lie as (c,h,w): element (h, w, c) = (1, 0, 5). */
    assert_true(raw(initializer(&x, "fc.weight"), 1 * 8192 + 5 * 4 + 2) ==
                weights_of(&x, "fc3.weight")[(size_t)((1 * 2 + 0) * 2048 + 5) * 3 + 1]);
    release(&x);
}

static void groups_and_shortcuts_are_there(void **state)
{
    exported x;
    (void)state;
    export_model("resnext50_32x4d", 32, &x);
    assert_attribute(node(&x, "layer1.0.conv2"), "group", 1, (int64_t[]){32});
    assert_ints(initializer(&x, "layer1.0.conv2.weight"), 1, 4, (int64_t[]){128, 4, 3, 3});
    release(&x);

    export_model("resnet20", 32, &x);
    assert_text(node(&x, "layer2.0.shortcut"), 4, 0, "Pad");
    const span pads = initializer(&x, "layer2.0.shortcut.pads");
    assert_int_equal(get(pads, 2, 0).value, 7); /* int64 */
    assert_int_equal(get(pads, 9, 0).bytes.at[8], 8);
    release(&x);

    export_model("resnet18_keras", 32, &x); /* zeros around the pool, as Keras pads */
    assert_text(node(&x, "pool1_pool_pad"), 4, 0, "Pad");
    assert_text(node(&x, "pool1_pool"), 1, 0, "pool1_pool_pad");
    release(&x);
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
    rescl_model *m = NULL;
    char *dir = rs_test_dir_make();
    const char *path = rs_test_path("%s/absent/model.onnx", dir);
    (void)state;
    assert_ok(rescl_model_create(
        &(rescl_model_options){.struct_size = sizeof(rescl_model_options), .name = "resnet8"}, &m));
    assert_fails(rescl_model_export_onnx(m, path), RESCL_ERR_IO, path);
    rescl_model_destroy(m);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_says_what_it_is),
        cmocka_unit_test(weights_have_torch_layouts),
        cmocka_unit_test(keras_names_become_torchvisions),
        cmocka_unit_test(groups_and_shortcuts_are_there),
        cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
