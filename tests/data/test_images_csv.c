#include "testing.h"

#include <rescl/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

static rescl_status open_split(const char *path, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {
        .struct_size = sizeof options, .path = path, .split = split};
    return rescl_dataset_open(&options, set);
}

static const char *table(const char *name, const char *text)
{
    const char *path = rs_test_path("%s/%s", rs_test_dir, name);
    put_bytes(path, text, strlen(text));
    return path;
}

static int setup(void **state)
{
    if (rs_test_dir_setup(state) != 0 || rs_mkdirs(rs_test_path("%s/p", rs_test_dir)) != RESCL_OK)
        return -1;
    for (int i = 0; i < 6; i++)
        put_image(rs_test_path("%s/p/%d, \"x\".png", rs_test_dir, i), (uint8_t)(10 * i));
    for (int i = 0; i < 6; i++)
        put_image(rs_test_path("%s/p/%d.png", rs_test_dir, i), (uint8_t)(10 * i));
    return 0;
}

/* Image `index` has pixels of `value`, and its class has a name. */
static void expect(const rescl_dataset *set, size_t index, uint8_t value, const char *class)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_int_equal(image.pixels[0], value);
    assert_string_equal(rescl_dataset_class_name(set, (size_t)label), class);
    rescl_image_free(&image);
}

static void reads_named_columns(void **state)
{
    (void)state;
    rescl_dataset *set;
    const char *path = table("named.csv", "id,Label,SPLIT,file\r\n"
                                          "1,dog,train,\"p/1, \"\"x\"\".png\"\r\n"
                                          "2,cat,train,p/2.png\r\n"
                                          "3,cat,valid,p/3.png\r\n"
                                          "4,emu,test,p/4.png\r\n");
    assert_ok(open_split(path, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    assert_int_equal(rescl_dataset_classes(set), 3); /* of all splits, by name */
    assert_string_equal(rescl_dataset_class_name(set, 0), "cat");
    expect(set, 0, 10, "dog");
    expect(set, 1, 20, "cat");
    rescl_dataset_close(set);
    assert_ok(open_split(path, "val", &set));
    assert_int_equal(rescl_dataset_count(set), 1);
    expect(set, 0, 30, "cat");
    rescl_dataset_close(set);
    assert_ok(open_split(path, "test", &set));
    expect(set, 0, 40, "emu");
    rescl_dataset_close(set);
}

static void reads_tables_without_names(void **state)
{
    (void)state;
    rescl_dataset *set;
    char text[512];
    snprintf(text, sizeof text, "p/1.png,10\n%s/p/2.png,9\np/3.png,10\n", rs_test_dir);
    const char *path = table("bare.csv", text);
    assert_ok(open_split(path, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    assert_string_equal(rescl_dataset_class_name(set, 0), "9"); /* numbers by their values */
    expect(set, 0, 10, "10");
    expect(set, 1, 20, "9");
    rescl_dataset_close(set);
    assert_fails(open_split(path, "val", &set), RESCL_ERR_NOT_FOUND, "no column \"split\"");
    path = table("bare.tsv", "p/1.png\ta\ttrain\np/2.png\tb\tval\n");
    assert_ok(open_split(path, "test", &set)); /* val stands in */
    assert_string_equal(rescl_dataset_split(set), "val");
    expect(set, 0, 20, "b");
    rescl_dataset_close(set);
}

static void reads_a_table_for_each_split(void **state)
{
    (void)state;
    rescl_dataset *set;
    const char *folder = rs_test_path("%s/tables", rs_test_dir);
    assert_ok(rs_mkdirs(folder));
    table("tables/train.csv", "path,label\n../p/1.png,a\n");
    table("tables/Valid.csv", "path,label\n../p/2.png,a\n");
    assert_ok(open_split(folder, "train", &set));
    assert_non_null(strstr(rescl_dataset_note(set, 0, NULL), "--format folder"));
    expect(set, 0, 10, "a");
    rescl_dataset_close(set);
    assert_ok(open_split(folder, "val", &set));
    expect(set, 0, 20, "a");
    rescl_dataset_close(set);
    table("tables/val.csv", "path,label\n../p/2.png,a\n");
    assert_fails(open_split(folder, "val", &set), RESCL_ERR_FORMAT, "both tables of the split");
}

/* A table for a split names no rows of another one, and splits in folders are not passed over. */
static void refuses_splits_of_two_kinds(void **state)
{
    (void)state;
    rescl_dataset *set;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/both", rs_test_dir);
    assert_ok(rs_mkdirs(rs_test_path("%s/train/cat", folder)));
    put_image(rs_test_path("%s/train/cat/1.png", folder), 1);
    table("both/train.csv", "path,label,set\n../p/1.png,a,train\n../p/2.png,a,A\n");
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "folder 'train'",
                 "--format images_csv");
    const rescl_data_options chosen = {
        .struct_size = sizeof chosen, .path = folder, .split = "train", .format = "images_csv"};
    assert_ok(rescl_dataset_open(&chosen, &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    rescl_dataset_close(set);
    snprintf(folder, sizeof folder, "%s/divided", rs_test_dir);
    assert_ok(rs_mkdirs(folder));
    table("divided/train.csv", "path,label,split\n../p/1.png,a,train\n../p/2.png,a,test\n");
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "train.csv, line 3",
                 "path of the table");
}

static void tells_which_of_two_columns_it_takes(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_log_level level;
    assert_ok(
        open_split(table("two.csv", "path,category,label\np/1.png,pet,cat\n"), "train", &set));
    expect(set, 0, 10, "cat");
    assert_non_null(strstr(rescl_dataset_note(set, 0, &level), "'label' and 'category'"));
    assert_int_equal(level, RESCL_LOG_WARN);
    rescl_dataset_close(set);
    assert_ok(open_split(table("ends.csv", "path,label\np/1.png,\" cat\",,\n"), "train", &set));
    expect(set, 0, 10, " cat");
    rescl_dataset_close(set);
}

/* Columns that say "validation" by True and False, as fastai's tables do; what is not used is named. */
static void reads_columns_of_true_and_false(void **state)
{
    (void)state;
    rescl_dataset *set;
    const char *path = table("flags.csv", "name,label,is_valid,path,fold,IS_TEST\n"
                                          "a,cat,False,p/1.png,1,0\n"
                                          "b,cat,True,p/2.png,2,0\n"
                                          "c,dog,false,p/3.png,2,1\n");
    assert_ok(open_split(path, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 1);
    expect(set, 0, 10, "cat");
    assert_non_null(strstr(rescl_dataset_note(set, 0, NULL), "not used: name, fold"));
    rescl_dataset_close(set);
    assert_ok(open_split(path, "val", &set));
    expect(set, 0, 20, "cat");
    rescl_dataset_close(set);
    assert_ok(open_split(path, "test", &set));
    expect(set, 0, 30, "dog");
    rescl_dataset_close(set);
    assert_ok(open_split(table("own.csv", "path,label,split,is_valid\np/1.png,a,train,True\n"),
                         "train", &set));
    assert_non_null(strstr(rescl_dataset_note(set, 0, NULL), "not used: is_valid"));
    rescl_dataset_close(set);
}

static void names_the_line_of_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word, *word2;
    } bad[] = {
        {"", "is empty", "path,label"},
        {"path,label\n", "names no images", ""},
        {"path,what\n", "line 1", "none \"label\""},
        {"label,what\n", "line 1", "none \"path\""},
        {"p/1.png\n", "line 1", "one column"},
        {"name,kind\np/1.png,a\n", "line 1", "'name' neither names an image"},
        {"path,label\np/1.png,a\np/2.png\n", "line 3",
         "has 1 column, expected the label in column 2"},
        {"path,label\n,a\n", "line 2", "has no path"},
        {"path,label\np/1.png,\n", "line 2", "has no label"},
        {"path,label\np/1.png,\"a\n", "line 2", "not closed"},
        {"path,label\np/1.png,;\n", "none of its 1 images", "none of its 1 images has a label"},
        {"id\n1\n", "none \"label\"", "rescl predict"},
        {"id,label\nx,a\ny,b\n", "none of the 2 names", "--images DIR"},
        {"path,label\np/1.png,Paris, France\n", "line 2", "has 3 columns, expected 2"},
        {"p/1.png,Paris, France\n", "line 1", "expected 2 (path,label or"},
        {"p/1.png,a\np/2.png,Paris, France\n", "line 2", "expected 2 (path,label or"},
        {"path,label,Label\np/1.png,a,b\n", "line 1", "columns 2 and 3 are both called"},
        {"path,label\np/1.png,1\np/2.png,01\n", "'01' and '1'", "the same number"},
        {"path,label,split\np/1.png,a,fold1\n", "line 2", "'fold1' is no split"},
        {"path,label,is_valid\np/1.png,a,maybe\n", "line 2", "expected True or False"},
        {"path,label,is_valid,is_test\np/1.png,a,1,1\n", "line 2", "of val and of test"},
        {"path,label,split\np/1.png,a,test\n", "no row is of the split", "train"},
    };
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        rescl_dataset *set;
        const rescl_status st = open_split(table("bad.csv", bad[i].text), "train", &set);
        assert_true(st == RESCL_ERR_FORMAT || st == RESCL_ERR_NOT_FOUND);
        assert_fails(st, st, "bad.csv", bad[i].word, bad[i].word2);
        assert_null(set);
    }
}

/* A file that is gone is found before the first step, with its reason. */
static void lists_what_cannot_be_read(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_bad_image bad;
    size_t checked;
    assert_ok(open_split(table("gone.csv", "p/1.png,a\np/none.png,b\np/2.png,b\n"), "train", &set));
    assert_ok(rescl_dataset_check(set, &checked));
    assert_int_equal(checked, 3);
    assert_int_equal(rescl_dataset_count(set), 2);
    assert_true(rescl_dataset_bad(set, 0, &bad));
    assert_non_null(strstr(bad.path, "p/none.png"));
    rescl_dataset_close(set);
}

static void expect_labels(const rescl_dataset *set, size_t index, const char *names)
{
    int32_t label[4];
    char text[64] = "";
    const size_t n = rescl_dataset_labels(set, index, label, RS_COUNT(label));
    assert_true(n <= RS_COUNT(label));
    for (size_t i = 0; i < n; i++) {
        strcat(text, rescl_dataset_class_name(set, (size_t)label[i]));
        strcat(text, " ");
    }
    assert_string_equal(text, names);
}

static void reads_several_labels(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_image image;
    size_t counts[3];
    int32_t label;
    char one[RESCL_FINGERPRINT_BYTES], other[RESCL_FINGERPRINT_BYTES];
    assert_ok(open_split(table("several.csv", "path,labels\np/1.png, dog ;cat;\np/2.png,\n"
                                              "p/3.png,dog;dog\np/4.png,emu\n"),
                         "train", &set));
    assert_true(rescl_dataset_multi_label(set));
    assert_int_equal(rescl_dataset_classes(set), 3);
    expect_labels(set, 0, "cat dog ");
    expect_labels(set, 1, "");
    expect_labels(set, 2, "dog ");
    expect_labels(set, 3, "emu ");
    rescl_dataset_class_counts(set, counts);
    assert_true(counts[0] == 1 && counts[1] == 2 && counts[2] == 1);
    assert_ok(rescl_dataset_get(set, 1, &image, &label));
    assert_int_equal(label, -1);
    rescl_image_free(&image);
    assert_non_null(strstr(rescl_dataset_note(set, 0, NULL), "1 rows name a label more than once"));
    assert_ok(rescl_dataset_fingerprint(set, one));
    rescl_dataset_close(set);
    assert_ok(open_split(table("several.csv", "path,labels\np/1.png,dog;emu\np/2.png,\n"
                                              "p/3.png,dog\np/4.png,emu;cat\n"),
                         "train", &set));
    assert_ok(rescl_dataset_fingerprint(set, other));
    assert_string_not_equal(one, other);
    rescl_dataset_close(set);
    const rescl_data_options forced = {.struct_size = sizeof forced,
                                       .path =
                                           table("forced.csv", "path,label\np/1.png,a\np/2.png,\n"),
                                       .split = "train",
                                       .multi_label = true};
    assert_ok(rescl_dataset_open(&forced, &set));
    assert_true(rescl_dataset_multi_label(set));
    expect_labels(set, 0, "a ");
    expect_labels(set, 1, "");
    rescl_dataset_close(set);
}

/* Of all images, not of each class, of which an image may have several or none. */
static void holds_out_of_several_labels(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_data_options o = {.struct_size = sizeof o,
                            .path =
                                table("held.csv", "path,label\np/0.png,a;b\np/1.png,\np/2.png,b\n"
                                                  "p/3.png,c\np/4.png,\n"),
                            .split = "val",
                            .validation_split = 0.4};
    assert_ok(rescl_dataset_open(&o, &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    rescl_dataset_close(set);
    o.split = "train";
    assert_ok(rescl_dataset_open(&o, &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    rescl_dataset_close(set);
}

/* Whatever the seed: nothing could be learned of a label whose images are all held out. */
static void keeps_an_image_of_each_label(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_data_options o = {.struct_size = sizeof o,
                            .path = table("rare.csv",
                                          "path,label\np/0.png,a;b\np/1.png,a\np/2.png,c\n"
                                          "p/3.png,a\np/4.png,a\np/5.png,a;b\np/6.png,c;d\n"),
                            .validation_split = 0.5};
    for (o.seed = 0; o.seed < 20; o.seed++) {
        size_t counts[4], images;
        o.split = "val";
        assert_ok(rescl_dataset_open(&o, &set));
        images = rescl_dataset_count(set);
        rescl_dataset_close(set);
        o.split = "train";
        assert_ok(rescl_dataset_open(&o, &set));
        assert_int_equal(rescl_dataset_count(set) + images, 7);
        assert_true(images >= 3);
        rescl_dataset_class_counts(set, counts);
        for (size_t c = 0; c < RS_COUNT(counts); c++)
            assert_true(counts[c] > 0);
        rescl_dataset_close(set);
    }
}

/* As the table has them, where it lies in the current folder. */
static void names_images_as_they_are_written(void **state)
{
    (void)state;
    char **paths = NULL, before[4096];
    size_t count = 0;
    table("here.csv", "id\np/1\np/2.png\n./p/3\n");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(rs_test_dir), 0);
    const rescl_status st = rescl_table_read_paths("here.csv", NULL, &paths, &count);
    assert_int_equal(chdir(before), 0);
    assert_ok(st);
    assert_int_equal(count, 3);
    assert_string_equal(paths[0], "p/1.png");
    assert_string_equal(paths[1], "p/2.png");
    assert_string_equal(paths[2], "./p/3.png");
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

/* Kaggle's tables: ids, images in another folder, a test table without labels. */
static void finds_images_by_ids(void **state)
{
    (void)state;
    rescl_dataset *set;
    char **paths = NULL;
    size_t count = 0;
    assert_ok(rs_mkdirs(rs_test_path("%s/p/2", rs_test_dir))); /* hides no image */
    rescl_data_options o = {.struct_size = sizeof o,
                            .path = table("ids.csv", "Image_ID,Class\n1,cat\n2,dog\n3.png,dog\n"),
                            .split = "train",
                            .images = rs_test_path("%s/p", rs_test_dir)};
    assert_ok(rescl_dataset_open(&o, &set));
    expect(set, 0, 10, "cat");
    expect(set, 1, 20, "dog");
    expect(set, 2, 30, "dog");
    rescl_dataset_close(set);
    put_image(rs_test_path("%s/p/twin.png", rs_test_dir), 1);
    put_image(rs_test_path("%s/p/twin.jpg", rs_test_dir), 1);
    o.path = table("ids.csv", "id,label\n1,a\ntwin,b\n");
    assert_fails(rescl_dataset_open(&o, &set), RESCL_ERR_FORMAT, "line 3", "twin.jpg or twin.png");
    o.images = "nowhere";
    assert_fails(rescl_dataset_open(&o, &set), RESCL_ERR_NOT_FOUND, "--images nowhere");
    assert_ok(rescl_table_read_paths(table("test.csv", "id\np/1\np/none\n"), NULL, &paths, &count));
    assert_int_equal(count, 2);
    assert_non_null(strstr(paths[0], "p/1.png"));
    assert_non_null(strstr(paths[1], "p/none"));
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    assert_fails(rescl_table_read_paths(table("lost.csv", "id\nnone\nnil\n"), NULL, &paths, &count),
                 RESCL_ERR_FORMAT, "lost.csv: none of the 2 names of its images, such as 'none'",
                 "--images DIR");
    /* A folder's test table without labels is no test. */
    assert_ok(rs_mkdirs(rs_test_path("%s/kaggle", rs_test_dir)));
    table("kaggle/train.csv", "id,label\n../p/1,a\n../p/2,b\n");
    table("kaggle/test.csv", "id\n../p/3\n");
    assert_ok(open_split(rs_test_path("%s/kaggle", rs_test_dir), "train", &set));
    expect(set, 0, 10, "a");
    rescl_dataset_close(set);
    assert_fails(open_split(rs_test_path("%s/kaggle", rs_test_dir), "test", &set),
                 RESCL_ERR_NOT_FOUND, "has no labels", "rescl predict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_named_columns),
        cmocka_unit_test(reads_several_labels),
        cmocka_unit_test(holds_out_of_several_labels),
        cmocka_unit_test(keeps_an_image_of_each_label),
        cmocka_unit_test(names_images_as_they_are_written),
        cmocka_unit_test(finds_images_by_ids),
        cmocka_unit_test(reads_tables_without_names),
        cmocka_unit_test(reads_a_table_for_each_split),
        cmocka_unit_test(refuses_splits_of_two_kinds),
        cmocka_unit_test(tells_which_of_two_columns_it_takes),
        cmocka_unit_test(reads_columns_of_true_and_false),
        cmocka_unit_test(names_the_line_of_what_is_wrong),
        cmocka_unit_test(lists_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, setup, rs_test_dir_teardown);
}
