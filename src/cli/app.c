#include "cli.h"
#include "config.h"
#include "output.h"
#include "run_folder.h"

#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>

static int (*const commands[VERB_COUNT])(const cli_args *) = {
#define RS_VERB(stem, about, operands) cmd_##stem,
#include "verbs.def"
#undef RS_VERB
};

static int print_version(void)
{
    printf("rescl %d.%d.%d (library %s)\n", RESCL_VERSION_MAJOR, RESCL_VERSION_MINOR,
           RESCL_VERSION_PATCH, rescl_version());
    return CLI_OK;
}

static bool is_given(const cli_args *args, cli_opt id)
{
    return cli_opt_in(id, args->verb) && cli_str(args, id);
}

/* The config file, and the args.ini of a run that is resumed or profiled. */
static int read_configs(cli_args *args)
{
    int code = CLI_OK;
    if (is_given(args, OPT_config))
        code = cli_config_read(args, cli_str(args, OPT_config), ORIGIN_CONFIG);
    if (code == CLI_OK && is_given(args, OPT_resume))
        code = cli_run_read_args(args, "--resume", cli_str(args, OPT_resume));
    if (code == CLI_OK && is_given(args, OPT_profile_run))
        code = cli_run_read_args(args, "--run", cli_str(args, OPT_profile_run));
    return code;
}

static int print_config(const cli_args *args)
{
    char *text = cli_config_text(args);
    if (!text)
        return CLI_USAGE;
    fputs(text, stdout);
    free(text);
    return CLI_OK;
}

/* --json and --csv are short for forms; afterwards the flag and the form agree. */
static int take_form(cli_args *args)
{
    static const struct {
        cli_opt flag;
        const char *form;
    } shorts[] = {{OPT_json, "json"}, {OPT_csv, "csv"}};
    const cli_opt id = cli_opt_find("output-format", strlen("output-format"), args->verb);
    const char *asked = NULL;
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        if (!cli_opt_in(shorts[i].flag, args->verb) || !cli_bool(args, shorts[i].flag))
            continue;
        const char *other = asked                                   ? asked
                            : args->value[id].origin == ORIGIN_FLAG ? cli_str(args, id)
                                                                    : NULL;
        if (other && strcmp(other, shorts[i].form) != 0) {
            cli_usage_error("--%s and the form '%s' exclude each other", shorts[i].form, other);
            return CLI_USAGE;
        }
        asked = shorts[i].form;
    }
    bool good = true;
    if (asked)
        good = cli_args_set(args, id, asked, ORIGIN_FLAG, "--output-format");
    else if (strcmp(cli_str(args, id), "json") == 0)
        good = cli_args_set(args, OPT_json, "true", ORIGIN_FLAG, "--json");
    return good ? CLI_OK : CLI_FAILURE;
}

/* --amp is short for a precision. */
static int take_precision(cli_args *args)
{
    const cli_opt id = cli_opt_find("precision", strlen("precision"), args->verb);
    if (!cli_opt_in(OPT_amp, args->verb) || !cli_bool(args, OPT_amp))
        return CLI_OK;
    if (args->value[id].origin == ORIGIN_FLAG && strcmp(cli_str(args, id), "bf16") != 0) {
        cli_usage_error("--amp, which is --precision bf16, and --precision %s exclude each other",
                        cli_str(args, id));
        return CLI_USAGE;
    }
    return cli_args_set(args, id, "bf16", ORIGIN_FLAG, "--amp") ? CLI_OK : CLI_FAILURE;
}

static int run_verb(cli_verb verb, int argc, char **argv)
{
    cli_output_verb(cli_verb_get(verb)->name, false);
    cli_args args;
    int code = CLI_USAGE;
    if (!cli_args_init(&args, verb) || !cli_args_parse(&args, argc, argv))
        goto out;
    cli_output_verb(cli_verb_get(verb)->name, cli_bool(&args, OPT_quiet));
    if (cli_bool(&args, OPT_help) || cli_bool(&args, OPT_version)) {
        if (cli_bool(&args, OPT_help))
            cli_help_verb(stdout, verb);
        else
            print_version();
        code = CLI_OK;
        goto out;
    }
    code = read_configs(&args);
    if (code == CLI_OK)
        code = take_form(&args);
    if (code == CLI_OK)
        code = take_precision(&args);
    if (code == CLI_OK)
        code = cli_bool(&args, OPT_print_config) ? print_config(&args) : commands[verb](&args);
out:
    cli_args_fini(&args);
    return code;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        cli_help(stderr);
        return CLI_USAGE;
    }
    const char *word = argv[1];
    bool help = strcmp(word, "help") == 0;
    if (help && argc > 2)
        word = argv[2];
    else if (help || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        cli_help(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return print_version();

    const char *near = NULL;
    cli_verb verb = cli_verb_find(word, &near);
    if (verb == VERB_COUNT) {
        if (*word == '-')
            cli_usage_error("unknown option '%s', expected a verb first: rescl VERB [options]",
                            word);
        else if (near)
            cli_usage_error("unknown verb '%s'; did you mean '%s'?", word, near);
        else
            cli_usage_error("unknown verb '%s'", word);
        return CLI_USAGE;
    }
    if (help) {
        cli_help_verb(stdout, verb);
        return CLI_OK;
    }
    return run_verb(verb, argc - 2, argv + 2);
}

int cli_main(int argc, char **argv)
{
    cli_output_init();
    cli_output_verb(NULL, false);
    return cli_finish(run(argc, argv));
}
