/* The command line as a whole: verbs, exit codes. Everything here uses include/rescl only. */
#ifndef CLI_H
#define CLI_H

#include "options.h"

/* Documented in docs/cli.md; scripts depend on them. */
enum {
    CLI_OK = 0,
    CLI_FAILURE = 1,      /* anything that has no code of its own, such as short memory */
    CLI_USAGE = 2,        /* command line, config file or their values */
    CLI_DEVICE = 3,       /* no such device, or its driver failed */
    CLI_FILE = 4,         /* a file is missing, unreadable, damaged or does not fit */
    CLI_DIVERGED = 5,     /* NaN or infinity while training */
    CLI_SLOWER = 6,       /* compare --fail-above */
    CLI_FINDINGS = 7,     /* data check: something is wrong with the data */
    CLI_INTERRUPTED = 130 /* SIGINT, SIGTERM or SIGHUP */
};

/* The program without its process: arguments in, exit code out. */
int cli_main(int argc, char **argv);

#define RS_VERB(stem, about, operands) int cmd_##stem(const cli_args *args);
#include "verbs.def"
#undef RS_VERB

#endif
