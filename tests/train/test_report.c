/* What a run leaves to be looked at, and the pages that are made of it. */
#include "testing.h"

#include "error.h"
#include "path.h"
#include "str.h"
#include "train_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_in(const char *folder, const char *name, size_t *bytes)
{
    char *text;
    size_t count;
    assert_ok(rs_file_read(rs_test_path("%s/%s", folder, name), 1 << 24, &text, &count));
    if (bytes)
        *bytes = count;
    return text;
}

static void want(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("expected '%s' in the page", text);
}

/* One behind the other. */
static void want_in_order(const char *page, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        want(page, texts[i]);
        page = strstr(page, texts[i]);
    }
}

/* Nothing is run, loaded or left open. */
static void check_page(const char *page)
{
    static const char *const none[] = {"<script", "http:", "https:", ">nan", ">inf", "nan "};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strstr(page, none[i]))
            fail_msg("'%s' in the page: %.60s", none[i], strstr(page, none[i]));
    want(page, "<!DOCTYPE html>");
    want(page, "</html>");
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        lines++;
    return lines;
}

static void is_left_by_a_run(void **state)
{
    (void)state;
    train_run r = {.options = train_options(rs_test_dir)};
    size_t bytes, again_bytes;
    r.options.epochs = 2;
    train_do(&r);
    assert_ok(r.status);
    char *page = read_in(rs_test_dir, "report.html", &bytes);
    check_page(page);
    want(page, "Confusion matrix");
    want(page, "Calibration");
    want(page, "Precision and recall");
    want(page, "Grad-CAM, of layer ");
    want(page, "alt=\"Training images, resized and augmented\"");
    want(page, "Images of each class");
    want(page, "activations, their gradients and scratch");
    want(page, " were in use at most.");
    assert_null(strstr(page, "Time of a step"));
    want(page, "handsigns: 40 images to train, 20 to evaluate");
    assert_null(strstr(page, "interrupted"));
    char *predictions = read_in(rs_test_dir, "predictions.csv", NULL);
    assert_int_equal(count_lines(predictions), TEST_EVAL_SAMPLES + 1);
    assert_int_equal(strncmp(predictions, "path,label,prediction,probability,loss\n0,", 41), 0);
    /* The same page from the same folder. */
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *again = read_in(rs_test_dir, "report.html", &again_bytes);
    assert_string_equal(page, again);
    assert_null(strstr(page, "could not be read"));
    free(page);
    free(again);
    /* Also of what was left out, a reason of two lines among it, and a name that is not UTF-8. */
    const char *path = rs_test_path("%s/skipped.csv", rs_test_dir);
    static const char list[] =
        "split,class,file,reason\ntrain,a,1.png,\"one\ntwo\"\ntrain,a,\xe9.png,three\n";
    assert_ok(rs_file_write(path, list, (size_t)(strstr(list, "train,a,\xe9") - list)));
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    page = read_in(rs_test_dir, "report.html", NULL);
    want(page, "Images that could not be read: 1; skipped.csv tells");
    free(page);
    assert_ok(rs_file_write(path, list, sizeof list - 1));
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    page = read_in(rs_test_dir, "report.html", NULL);
    want(page, "Images that could not be read: some; skipped.csv tells");
    free(page);
    free(predictions);
}

static void says_that_it_was_interrupted(void **state)
{
    (void)state;
    train_run r = {.options = train_options(rs_test_dir), .stop = STOP_AT_STEP, .stop_step = 4};
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    char *page = read_in(rs_test_dir, "report.html", NULL);
    check_page(page);
    want(page, "This run was interrupted after 1 of 3 epochs");
    free(page);
    r = (train_run){.options = train_options(rs_test_dir)};
    r.options.resume = rs_test_dir;
    train_do(&r);
    assert_ok(r.status);
    page = read_in(rs_test_dir, "report.html", NULL);
    assert_null(strstr(page, "interrupted"));
    want(page, " of 3</bdi>");
    free(page);
}

static void is_an_option(void **state)
{
    (void)state;
    train_run r = {.options = train_options(rs_test_dir)};
    r.options.epochs = 1;
    r.options.report = false;
    train_do(&r);
    assert_ok(r.status);
    size_t bytes;
    char *text;
    assert_fails(rs_file_read(rs_test_path("%s/report.html", rs_test_dir), 1 << 20, &text, &bytes),
                 RESCL_ERR_NOT_FOUND, "report.html");
}

/* What the first epoch has learnt is lost in those that follow. */
static double spoil(size_t epoch, double lr, void *user)
{
    (void)user;
    return epoch == 0 ? lr : 0.3;
}

/* The weights that spoke for mistakes are those of the best epoch; the trainer keeps the last. */
static void leaves_the_weights_alone(void **state)
{
    (void)state;
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0),
                  *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *model = rs_test_model();
    rescl_train_options o = train_options(rs_test_dir);
    rescl_trainer *trainer = NULL;
    rescl_parameter_info info;
    const rescl_train_callbacks callbacks = {.struct_size = sizeof callbacks, .on_lr = spoil};
    rescl_train_progress ended;
    o.epochs = 3;
    o.monitor = "loss";
    assert_ok(rescl_trainer_create(rs_test_device(), model, train, eval, &o, &trainer));
    assert_ok(rescl_trainer_run(trainer, &callbacks));
    rescl_trainer_get_progress(trainer, &ended);
    assert_true(ended.has_best && ended.best_epoch < 2);
    for (size_t i = 0; rescl_model_get_parameter_info(model, i, &info); i++) {
        float *now = calloc(info.count, sizeof *now), *then = calloc(info.count, sizeof *then);
        assert_true(now && then);
        assert_ok(rescl_trainer_get_parameter(trainer, info.name, now, info.count));
        assert_ok(rescl_model_get_parameter(model, info.name, then, info.count));
        assert_memory_equal(now, then, info.count * sizeof *now);
        free(now);
        free(then);
    }
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

/* ---- pages of files ----------------------------------------------------------------------- */

static void write_in(const char *name, const char *text)
{
    assert_ok(rs_file_write(rs_test_path("%s/%s", rs_test_dir, name), text, strlen(text)));
}

#define EPOCHS  300
#define CLASSES 1000

static void write_results(void)
{
    rs_str s = {0};
    assert_ok(rs_str_append(
        &s, "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib\n"));
    for (int i = 1; i <= EPOCHS; i++)
        assert_ok(rs_str_appendf(&s, "%d,%d.5,%g,0.5,,,0.001,100,0.1,20\n", i, i, 2.0 / i));
    write_in("results.csv", s.text);
    rs_str_fini(&s);
}

/* An evaluation.json of names that mean harm, or trouble. */
static void write_evaluation(void)
{
    static const char *const names[] = {
        "<script>alert(1)</script>", "\\\"><img src=x onerror=alert(1)>",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "it's", "\\u202eturned"};
    rs_str s = {0};
    assert_ok(rs_str_append(&s, "{\"epoch\":3,\"split\":\"val\",\"images\":50000,\"top1\":0.5,"
                                "\"macro\":{\"f1\":0.5},\"confusion\":["));
    for (int i = 0; i < 20000; i++)
        assert_ok(rs_str_appendf(&s, "%s[%d,%d,2]", i ? "," : "", i % CLASSES, i * 7919 % CLASSES));
    assert_ok(rs_str_append(&s,
                            "],\"confused\":[[0,1,9],[5000,2,1]],\"calibration\":[[0,1,5,0.5,0.6]],"
                            "\"classes\":["));
    for (size_t i = 0; i < CLASSES; i++)
        assert_ok(rs_str_appendf(&s,
                                 "%s{\"name\":\"%s%0200zu\",\"support\":50,\"precision\":0.25,"
                                 "\"recall\":1,\"f1\":0.4,\"average_precision\":null}",
                                 i ? "," : "", i < 5 ? names[i] : "", i));
    assert_ok(rs_str_append(&s, "]}"));
    write_in("evaluation.json", s.text);
    rs_str_fini(&s);
}

static void stays_small_and_harmless(void **state)
{
    (void)state;
    size_t bytes;
    write_results();
    write_evaluation();
    write_in("env.json", "{\"model\":\"resnet50\",\"options\":{\"epochs\":400}}");
    write_in("args.ini", "[model]\nmodel = <b>x</b> ; flag --model\n");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *page = read_in(rs_test_dir, "report.html", &bytes);
    check_page(page);
    assert_in_range(bytes, 100000, 5000000);
    assert_null(strstr(page, "<img src=x"));
    assert_null(strstr(page, "\xe2\x80\xae"));
    want(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
    want(page, "<bdi>\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d");
    want(page, "&lt;b&gt;x&lt;/b&gt;");
    want(page, "This run has done 300 of 400 epochs: it is still running, or it was killed.");
    want(page, "Neighbouring classes are summed");
    free(page);
}

#define BEST_HEAD "epoch,train_loss,train_top1,eval_loss,eval_top1\n"

/* The row that the head of the page calls the best. */
static void want_best(const char *env, const char *results, const char *evaluation,
                      const char *best)
{
    write_in("env.json", env);
    write_in("results.csv", results);
    if (evaluation)
        write_in("evaluation.json", evaluation);
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *page = read_in(rs_test_dir, "report.html", NULL);
    want(page, best);
    free(page);
}

static void shows_the_best_that_was_kept(void **state)
{
    (void)state;
    static const char results[] = BEST_HEAD "1,2,0.1,1,0.5\n2,0.9,0.8,0.5,0.4\n3,1,0.7,2,0.6\n";
    static const char alone[] = BEST_HEAD "1,2,0.1,,\n2,1,0.2,,\n3,0.5,0.3,,\n";
    want_best("{}", results, NULL, "3 of 3");
    want_best("{\"options\":{\"monitor\":\"val_loss\"}}", results, NULL, "2 of 3");
    want_best("{\"options\":{\"monitor\":\"loss\"}}", results, NULL, "2 of 3");
    want_best("{\"options\":{\"monitor\":\"val_accuracy\"}}", results, NULL, "3 of 3");
    /* The third epoch has 1 of 3 steps. */
    want_best("{\"options\":{\"max_steps\":7,\"batch_size\":16},\"data\":{\"count\":40}}", alone,
              NULL, "2 of 3");
    want_best("{\"options\":{\"max_steps\":9,\"batch_size\":16},\"data\":{\"count\":40}}", alone,
              NULL, "3 of 3");
    want_best("{\"options\":{\"monitor\":\"val_loss\"}}", results,
              "{\"epoch\":1,\"images\":1,\"classes\":[]}", "1 of 3");
}

/* Kernels are summed by layer, and the longest layer comes first. */
static void shows_the_time_of_layers(void **state)
{
    (void)state;
    write_in("env.json", "{}");
    write_in("profile.json",
             "{\"model\":\"resnet8\",\"size\":32,\"batch\":16,\"device\":\"<d>\","
             "\"advice\":\"Buy & sell.\",\"step\":{\"ms\":8,\"steps\":7,\"kernel_ms\":6},"
             "\"kernels\":["
             "{\"layer\":\"conv1\",\"op\":\"conv2d\",\"pass\":\"fwd\",\"ms\":1},"
             "{\"layer\":\"fc\",\"op\":\"dense\",\"pass\":\"fwd\",\"ms\":1.5},"
             "{\"layer\":\"conv1\",\"op\":\"conv2d\",\"pass\":\"bwd_data\",\"ms\":0.25},"
             "{\"layer\":\"conv1\",\"op\":\"conv2d\",\"pass\":\"bwd_params\",\"ms\":2.5},"
             "{\"layer\":\"body\",\"op\":\"optim\",\"pass\":\"update\",\"ms\":0.5},"
             "{\"layer\":\"head\",\"op\":\"optim\",\"pass\":\"update\",\"ms\":0.25},{},7]}");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *page = read_in(rs_test_dir, "report.html", NULL);
    check_page(page);
    want(page,
         "A step of 16 images of 32x32 pixels took 8.000 ms on &lt;d&gt;, the mean of 7 steps");
    want(page, "Buy &amp; sell.");
    want(page, "75.0");
    static const char *const order[] = {"<bdi>conv1</bdi>",
                                        "1.000",
                                        "2.750",
                                        "3.750",
                                        "46.9",
                                        "<bdi>fc</bdi>",
                                        "<bdi>update of the weights</bdi>"};
    want_in_order(page, order, RS_COUNT(order));
    free(page);
}

/* A run in the folder of an earlier one begins without its files. */
static void drops_what_an_earlier_run_left(void **state)
{
    (void)state;
    static const char *const stale[] = {"predictions.csv",       "evaluation.json",
                                        "predictions-test.csv",  "evaluation-test.json",
                                        "images/mistake-12.png", "profile.json"};
    train_run r = {.options = train_options(rs_test_dir), .no_eval = true};
    char *text;
    size_t bytes;
    assert_ok(rs_mkdirs(rs_test_path("%s/images", rs_test_dir)));
    for (size_t i = 0; i < RS_COUNT(stale); i++)
        write_in(stale[i], "{}");
    r.options.epochs = 1;
    train_do(&r);
    assert_ok(r.status);
    for (size_t i = 0; i < RS_COUNT(stale); i++)
        assert_fails(
            rs_file_read(rs_test_path("%s/%s", rs_test_dir, stale[i]), 1 << 20, &text, &bytes),
            RESCL_ERR_NOT_FOUND, stale[i]);
    /* Going on it keeps its own, and drops those of a test. */
    for (size_t i = 0; i < RS_COUNT(stale); i++)
        write_in(stale[i], "{}");
    r.options.epochs = 2;
    r.options.resume = rs_test_dir;
    train_do(&r);
    assert_ok(r.status);
    for (size_t i = 0; i < RS_COUNT(stale); i++) {
        const rescl_status st =
            rs_file_read(rs_test_path("%s/%s", rs_test_dir, stale[i]), 1 << 20, &text, &bytes);
        assert_int_equal(st == RESCL_OK, !strstr(stale[i], "-test"));
        if (st == RESCL_OK)
            free(text);
    }
}

static void refuses_other_folders(void **state)
{
    (void)state;
    assert_fails(rescl_report_write(rs_test_dir, NULL), RESCL_ERR_NOT_FOUND,
                 "not the folder of a run", "results.csv");
    assert_fails(rescl_report_write(rs_test_path("%s/none", rs_test_dir), NULL),
                 RESCL_ERR_NOT_FOUND, "no such folder");
    write_in("env.json", "[1, 2");
    assert_fails(rescl_report_write(rs_test_dir, NULL), RESCL_ERR_FORMAT, "env.json", "JSON");
}

/* Damaged files are an error or leave something out; none is believed. */
static void survives_odd_files(void **state)
{
    (void)state;
    write_in("env.json", "{\"model\":7,\"options\":[],\"device\":{\"name\":{}}}");
    write_in("results.csv", "epoch,train_loss\n1,x\n,,,,\n2,0.5,7,8,9\n3");
    write_in("evaluation.json",
             "{\"classes\":[1,{}],\"confusion\":[[0,-1,2],[9,9,9],7,[0]],"
             "\"confused\":{},\"calibration\":[[]],\"curves\":[{\"precision\":3}]}");
    write_in("profile.json", "{\"step\":{\"ms\":1e-300},\"kernels\":[{\"layer\":3,\"ms\":-1},[]]}");
    write_in("report.json",
             "{\"images\":[{\"file\":\"../../etc/passwd\"},{\"file\":\"images/none.png\"},3],"
             "\"classes\":7,\"layers\":[3]}");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *page = read_in(rs_test_dir, "report.html", NULL);
    check_page(page);
    assert_null(strstr(page, "data:image/png;base64"));
    free(page);
}

/* The share is that of the last epoch; the last line was cut by a crash. */
static void shows_several_devices(void **state)
{
    (void)state;
    write_results();
    write_in("team.csv", "epoch,device,share,img_s,busy,waited\n"
                         "1,0:0,10,30.00,4.000,0.000\n1,0:1,6,10.00,3.000,1.000\n"
                         "2,0:0,12,20.00,1.000,0.000\n2,0:1,4,10.00,4.000,2.000\n"
                         "nonsense\n3,0:0,1,1.00");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    char *page = read_in(rs_test_dir, "report.html", NULL);
    static const char *const in_order[] = {"Devices of each batch",
                                           "0:0",
                                           "12",
                                           "75.0",
                                           "28.0",
                                           "0.0",
                                           "0:1",
                                           "4",
                                           "25.0",
                                           "10.0",
                                           "30.0"};
    check_page(page);
    want_in_order(page, in_order, sizeof in_order / sizeof *in_order);
    free(page);
    /* a device that left in between has no share, whatever it did */
    write_in("team.csv", "epoch,device,share,img_s,busy,waited\n"
                         "1,0:0,8,30.00,4.000,0.000\n1,0:1,8,20.00,3.000,0.000\n"
                         "2,0:0,12,30.00,1.000,0.000\n2,1:0,4,10.00,4.000,0.000\n");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    page = read_in(rs_test_dir, "report.html", NULL);
    static const char *const left[] = {
        "Devices of each batch", "12", "75.0", "0:1", "0.0", "20.0", "1:0", "25.0"};
    want_in_order(page, left, sizeof left / sizeof *left);
    free(page);
    write_in("team.csv", "epoch,device,share,img_s,busy,waited\n");
    assert_ok(rescl_report_write(rs_test_dir, NULL));
    page = read_in(rs_test_dir, "report.html", NULL);
    assert_null(strstr(page, "Devices of each batch"));
    free(page);
}

static void compares_runs(void **state)
{
    (void)state;
    char *other = rs_test_dir_make();
    const char *const folders[] = {rs_test_dir, other};
    write_results();
    write_in("env.json", "{\"model\":\"resnet50\",\"options\":{\"lr\":0.5,\"opt\":\"sgd\"}}");
    assert_ok(rs_file_write(rs_test_path("%s/env.json", other),
                            "{\"options\":{\"lr\":0.25,\"opt\":\"sgd\"}}", 35));
    assert_ok(rescl_report_compare(folders, 2, rs_test_path("%s/both.html", rs_test_dir)));
    char *page = read_in(rs_test_dir, "both.html", NULL);
    check_page(page);
    want(page, "<bdi>lr</bdi>");
    want(page, "<bdi>0.25</bdi>");
    assert_null(strstr(page, "<bdi>opt</bdi>"));
    assert_fails(rescl_report_compare(folders, 1, "x"), RESCL_ERR_ARG, "1 runs", "2 to 8");
    free(page);
    /* What differs behind the fifth digit, and what one of them alone has. */
    write_in("env.json", "{\"options\":{\"lr\":0.1}}");
    static const char near[] = "{\"options\":{\"lr\":0.1000001,\"mixup\":0.5}}";
    const char *env = rs_test_path("%s/env.json", other);
    assert_ok(rs_file_write(env, near, sizeof near - 1));
    assert_ok(rescl_report_compare(folders, 2, rs_test_path("%s/both.html", rs_test_dir)));
    page = read_in(rs_test_dir, "both.html", NULL);
    want(page, "<bdi>0.1000001</bdi>");
    want(page, "<bdi>mixup</bdi>");
    free(page);
    /* Without env.json nothing is said to be the same. */
    write_results();
    assert_ok(rs_file_remove(rs_test_path("%s/env.json", rs_test_dir)));
    assert_ok(rescl_report_compare(folders, 2, rs_test_path("%s/both.html", rs_test_dir)));
    page = read_in(rs_test_dir, "both.html", NULL);
    want(page, "are unknown: its folder has no env.json");
    assert_null(strstr(page, "are the same"));
    assert_null(strstr(page, "mean average precision"));
    free(page);
    /* Of several labels the figure that chose the epoch stands first. */
    static const char several[] =
        "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib,eval_map\n"
        "1,1,0.7,0.1,0.6,0.2,0.1,9,0,1,0.8125\n";
    assert_ok(rs_file_write(rs_test_path("%s/results.csv", other), several, sizeof several - 1));
    assert_ok(rescl_report_compare(folders, 2, rs_test_path("%s/both.html", rs_test_dir)));
    page = read_in(rs_test_dir, "both.html", NULL);
    check_page(page);
    static const char *const shown[] = {"<bdi>mean average precision</bdi>", "<bdi>accuracy</bdi>",
                                        "<bdi>mean average precision on test</bdi>",
                                        "<bdi>0.8125</bdi>", "Mean average precision"};
    want_in_order(page, shown, RS_COUNT(shown));
    free(page);
    rs_test_dir_remove(other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(is_left_by_a_run),
        TEST(says_that_it_was_interrupted),
        TEST(is_an_option),
        TEST(leaves_the_weights_alone),
        TEST(stays_small_and_harmless),
        TEST(shows_the_best_that_was_kept),
        TEST(shows_the_time_of_layers),
        TEST(shows_several_devices),
        TEST(drops_what_an_earlier_run_left),
        TEST(refuses_other_folders),
        TEST(survives_odd_files),
        TEST(compares_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
