#include "cli.h"
#include "output.h"
#include "progress.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>

static void print_text(const rescl_metrics *m)
{
    printf("samples   %zu\n", m->samples);
    printf("loss      %.4f\n", m->loss);
    printf("accuracy  %.4f\n", m->top1);
    if (!isnan(m->top5))
        printf("top5      %.4f\n", m->top5);
    printf("speed     %.1f img/s\n", m->img_s);
}

static int print_json(const cli_args *args, const char *weights, const char *device,
                      const rescl_model_info *info, const rescl_metrics *m)
{
    json_t *o = json_object();
    cli_json_set(o, "weights", cli_json_string(weights));
    cli_json_set(o, "model", cli_json_string(info->name));
    cli_json_set(o, "data", cli_json_string(cli_str(args, OPT_data_path)));
    cli_json_set(o, "split", cli_json_string(cli_str(args, OPT_split)));
    cli_json_set(o, "device", cli_json_string(device));
    cli_json_set(o, "samples", json_integer((json_int_t)m->samples));
    cli_json_set(o, "loss", cli_json_real(m->loss));
    cli_json_set(o, "top1", cli_json_real(m->top1));
    cli_json_set(o, "top5", cli_json_real(m->top5));
    cli_json_set(o, "seconds", cli_json_real(m->seconds));
    cli_json_set(o, "img_s", cli_json_real(m->img_s));
    return cli_json_print(o);
}

static bool on_step(const rescl_step_event *event, void *user)
{
    cli_progress_step(event, user);
    return true;
}

int cmd_eval(const cli_args *args)
{
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (!cli_require(args, OPT_data_path))
        return CLI_USAGE;
    cli_session session = {0};
    rescl_model *model = NULL;
    rescl_dataset *set = NULL;
    char *path = NULL;
    rescl_status st = RESCL_OK;
    rescl_model_info info;
    rescl_metrics metrics;
    char device[320];
    int code = cli_weights_load(args, &model, &path);
    if (code != CLI_OK)
        goto out;
    rescl_model_get_info(model, &info);
    st = cli_data_open(args, cli_str(args, OPT_split), cli_size(args, OPT_samples), info.image_size,
                       &set);
    if (st != RESCL_OK) {
        code = cli_fail(st, false);
        goto out;
    }
    if ((code = cli_session_open(args, 0, &session)) != CLI_OK)
        goto out;
    cli_device_text(rescl_device_get_info(session.device), device);
    cli_note("model   %s, %zux%zu", info.name, info.image_size, info.image_size);
    cli_note("device  %s", device);

    cli_progress progress;
    cli_progress_init(&progress, SIZE_MAX);
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .user = &progress};
    st = rescl_evaluate(session.device, model, set, cli_size(args, OPT_batch_size),
                        cli_size(args, OPT_workers), &callbacks, &metrics);
    cli_progress_end(&progress);
    if (st != RESCL_OK)
        code = cli_fail(st, false);
    else if (cli_bool(args, OPT_json))
        code = print_json(args, path, device, &info, &metrics);
    else
        print_text(&metrics);
out:
    cli_session_close(&session);
    rescl_dataset_close(set);
    rescl_model_destroy(model);
    free(path);
    return code;
}
