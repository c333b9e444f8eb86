#include "cli.h"
#include "netdraw.h"
#include "outfile.h"
#include "output.h"
#include "run_folder.h"
#include "text.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the operand names: a file with weights or a run folder, else a network. Exit code. */
static int open_model(const cli_args *args, const char *operand, rescl_model **model)
{
    const char *freeze = cli_str(args, OPT_freeze);
    const size_t classes = cli_size(args, OPT_classes), size = cli_size(args, OPT_size);
    const size_t hidden = cli_size(args, OPT_hidden), channels = cli_size(args, OPT_channels);
    const double dropout = cli_real(args, OPT_dropout);
    rescl_weights *weights = NULL;
    rescl_weights_info file = {.model = operand};
    char *path = NULL;
    rescl_status st = RESCL_OK;
    int code = CLI_OK;
    if (!rescl_model_about(operand) && access(operand, F_OK) == 0) {
        path = cli_weights_of("--weights", operand);
        if (!path)
            return CLI_FILE;
        st = rescl_weights_open(path, &weights);
        if (st == RESCL_OK)
            rescl_weights_get_info(weights, &file);
    }
    if (st == RESCL_OK && !file.model) {
        cli_error("%s does not say which network it is of; give its name: rescl plot resnet50",
                  path);
        code = CLI_FILE;
    } else if (st == RESCL_OK) {
        const rescl_model_options options = {.struct_size = sizeof options,
                                             .name = file.model,
                                             .classes = classes ? classes : file.classes,
                                             .image_size = size ? size : file.image_size,
                                             .channels = channels ? channels : file.channels,
                                             .hidden = hidden ? hidden : file.hidden,
                                             .dropout = dropout > 0 ? dropout : file.dropout};
        st = rescl_model_describe(&options, model);
    }
    if (st == RESCL_OK && code == CLI_OK)
        st = rescl_model_freeze(*model, freeze ? freeze : file.frozen, false);
    if (st != RESCL_OK)
        code = cli_fail(st, false);
    rescl_weights_close(weights);
    free(path);
    return code;
}

/* Writes the file; SVG unless its name ends with .png. Exit code. */
static int write_file(const cli_drawing *d, const char *title, size_t scale, const char *path)
{
    cli_outfile out = {0};
    rescl_image image = {0};
    int code;
    if (!rs_ends_with(path, ".png")) {
        code = cli_outfile_open(&out, path);
        const bool drawn = code == CLI_OK && cli_drawing_svg(d, title, out.f);
        const int written = cli_outfile_close(&out, drawn);
        return code != CLI_OK ? code : drawn ? written : CLI_FAILURE;
    }
    code = cli_drawing_pixels(d, scale, &image);
    if (code == CLI_OK) {
        const rescl_status st = rescl_image_write(path, &image);
        code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    }
    rescl_image_free(&image);
    return code;
}

/* The drawing's file, and its parts: blocks by what joins them, and how many each stands for. */
static int print_json(const char *path, const rescl_model_info *info, const cli_net_plan *plan,
                      const cli_drawing *d)
{
    json_t *o = json_object(), *parts = json_array();
    for (size_t i = 0; i < plan->parts; i++) {
        const cli_net_part *p = &plan->part[i];
        json_t *part = json_object(), *layers = json_array();
        for (size_t l = p->first; l <= p->last; l++)
            cli_json_append(layers, cli_json_string(plan->layer[l].info.name));
        cli_json_set(part, "kind", json_string(p->branches ? "block" : "chain"));
        cli_json_set(part, "repeats", json_integer((json_int_t)p->repeats));
        cli_json_set(part, "layers", layers);
        cli_json_append(parts, part);
    }
    cli_json_set(o, "file", cli_json_string(path));
    cli_json_set(o, "model", cli_json_string(info->name));
    cli_json_set(o, "width", json_integer(d->width));
    cli_json_set(o, "height", json_integer(d->height));
    cli_json_set(o, "parts", parts);
    return cli_json_print(o);
}

static int draw(const cli_args *args, const rescl_model *model)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    const cli_netdraw_options options = {.shapes = cli_bool(args, OPT_show_shapes),
                                         .params = cli_bool(args, OPT_show_params)};
    const char *asked = cli_str(args, OPT_plot_file);
    char *path = asked ? cli_format("%s", asked) : cli_format("%s.svg", info.name);
    cli_net_plan plan;
    cli_drawing drawing = {0};
    int code = CLI_FAILURE;
    if (path && cli_net_plan_init(&plan, model, cli_bool(args, OPT_expand))) {
        cli_netdraw(&plan, &info, &options, &drawing);
        code = write_file(&drawing, info.name, cli_size(args, OPT_zoom), path);
    }
    if (code == CLI_OK && cli_bool(args, OPT_json))
        code = print_json(path, &info, &plan, &drawing);
    else if (code == CLI_OK && strcmp(path, "-") != 0)
        cli_print("%s: %dx%d\n", path, drawing.width, drawing.height);
    if (path)
        cli_net_plan_fini(&plan);
    cli_drawing_fini(&drawing);
    free(path);
    return code;
}

int cmd_plot(const cli_args *args)
{
    const char *file = cli_str(args, OPT_plot_file);
    if (args->operands != 1) {
        cli_usage_error(
            "found %zu operands, expected a network, a file with weights or a run folder: "
            "rescl plot resnet50",
            args->operands);
        return CLI_USAGE;
    }
    if (file && strcmp(file, "-") != 0 && !rs_ends_with(file, ".svg") &&
        !rs_ends_with(file, ".png")) {
        cli_usage_error("--output: found '%s', expected a name that ends with .svg or .png", file);
        return CLI_USAGE;
    }
    rescl_model *model = NULL;
    int code = open_model(args, args->operand[0], &model);
    if (code == CLI_OK)
        code = draw(args, model);
    rescl_model_destroy(model);
    return code;
}
