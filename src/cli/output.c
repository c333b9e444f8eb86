#include "output.h"

#include "cli.h"

#include <errno.h>
#include <math.h>
#include <rescl/rescl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *program_verb; /* NULL before a verb is known */
static bool quiet;
static atomic_bool line_open;

bool cli_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool cli_colour(void)
{
    const char *off = getenv("NO_COLOR");
    return !(off && *off) && cli_terminal();
}

size_t cli_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

void cli_line_open(bool open)
{
    atomic_store(&line_open, open);
}

bool cli_quiet(void)
{
    return quiet;
}

/* `kind` is "error", "warning" or NULL; `colour` an SGR code. One write, so that lines of several
 * threads stay whole. */
static void message(const char *kind, int colour, const char *fmt, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, args);
    char label[48] = "";
    if (kind && cli_colour())
        snprintf(label, sizeof label, "\033[1;%dm%s:\033[0m ", colour, kind);
    else if (kind)
        snprintf(label, sizeof label, "%s: ", kind);
    const char *clear = atomic_load(&line_open) ? "\r\033[K" : "";
    if (!kind)
        fprintf(stderr, "%s%s\n", clear, text);
    else
        fprintf(stderr, "%srescl%s%s: %s%s\n", clear, program_verb ? " " : "",
                program_verb ? program_verb : "", label, text);
}

void cli_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("error", 31, fmt, args);
    va_end(args);
}

void cli_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("warning", 33, fmt, args);
    va_end(args);
}

void cli_note(const char *fmt, ...)
{
    if (quiet)
        return;
    va_list args;
    va_start(args, fmt);
    message(NULL, 0, fmt, args);
    va_end(args);
}

void cli_usage_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("error", 31, fmt, args);
    va_end(args);
    fprintf(stderr, "Try 'rescl%s%s --help'.\n", program_verb ? " " : "",
            program_verb ? program_verb : "");
}

static void log_line(rescl_log_level level, const char *text, void *user)
{
    (void)user;
    const char *verbose = getenv("RESCL_VERBOSE");
    if (level == RESCL_LOG_ERROR)
        cli_error("%s", text);
    else if (level == RESCL_LOG_WARN)
        cli_warn("%s", text);
    else if (level == RESCL_LOG_INFO || (verbose && *verbose))
        cli_note("%s", text);
}

void cli_output_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    rescl_log_set(log_line, NULL);
}

void cli_output_verb(const char *verb, bool be_quiet)
{
    program_verb = verb;
    quiet = be_quiet;
}

int cli_fail(rescl_status status, bool device)
{
    const rescl_error *error = rescl_last_error();
    bool recorded = error && error->status == status && error->message[0];
    char cause[160] = "";
    if (recorded && error->sys_errno)
        snprintf(cause, sizeof cause, " (%s)", strerror(error->sys_errno));
    if (recorded && error->sys_errno && strstr(error->message, strerror(error->sys_errno)))
        cause[0] = '\0';
    cli_error("%s%s", recorded ? error->message : rescl_status_name(status), cause);
    switch (status) {
    case RESCL_OK:
        return CLI_OK;
    case RESCL_ERR_ARG:
        return device ? CLI_DEVICE : CLI_USAGE;
    case RESCL_ERR_IO:
    case RESCL_ERR_FORMAT:
        return CLI_FILE;
    case RESCL_ERR_NOT_FOUND:
        return device ? CLI_DEVICE : CLI_FILE;
    case RESCL_ERR_DEVICE:
    case RESCL_ERR_BUILD:
    case RESCL_ERR_UNSUPPORTED:
        return CLI_DEVICE;
    case RESCL_ERR_NUMERIC:
        return CLI_DIVERGED;
    case RESCL_ERR_INTERRUPTED:
        return CLI_INTERRUPTED;
    case RESCL_ERR_MEMORY:
    case RESCL_ERR_SHAPE:
        return CLI_FAILURE;
    }
    return CLI_FAILURE;
}

int cli_finish(int code)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed || errno == EPIPE)
        return code;
    cli_error("standard output: %s", strerror(errno));
    return code == CLI_OK ? CLI_FILE : code;
}

json_t *cli_json_string(const char *text)
{
    json_t *whole = json_string(text);
    if (whole)
        return whole;
    size_t len = strlen(text), used = 0;
    char *clean = malloc(3 * len + 1);
    if (!clean)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x80) {
            clean[used++] = (char)*p;
        } else {
            memcpy(clean + used, "\xef\xbf\xbd", 3);
            used += 3;
        }
    }
    clean[used] = '\0';
    whole = json_string(clean);
    free(clean);
    return whole;
}

json_t *cli_json_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void cli_json_set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static int print_json(json_t *json, size_t flags)
{
    char *text = json ? json_dumps(json, flags) : NULL;
    json_decref(json);
    if (!text) {
        cli_error("out of memory");
        return CLI_FAILURE;
    }
    puts(text);
    free(text);
    return CLI_OK;
}

int cli_json_print(json_t *json)
{
    return print_json(json, JSON_INDENT(2));
}

int cli_json_print_line(json_t *json)
{
    int code = print_json(json, JSON_COMPACT);
    fflush(stdout);
    return code;
}

const char *cli_exact(double x, char buffer[32])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, x);
        if (strtod(buffer, NULL) == x)
            break;
    }
    return buffer;
}

const char *cli_thousands(uint64_t n, char buffer[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = '\0';
    return buffer;
}

const char *cli_bytes(uint64_t n, char buffer[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double x = (double)n;
    for (; x >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        x /= 1024;
    snprintf(buffer, 32, unit && x < 100 ? "%.1f %s" : "%.0f %s", x, units[unit]);
    return buffer;
}

const char *cli_duration(double seconds, char buffer[32])
{
    unsigned long s = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(buffer, 32, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(buffer, 32, "%lu:%02lu", s / 60, s % 60);
    else
        snprintf(buffer, 32, "%lus", s);
    return buffer;
}

const char *cli_si(double x, char buffer[32])
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    size_t unit = 0;
    for (; x >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        x /= 1000;
    snprintf(buffer, 32, unit ? "%.2f%s" : "%.0f%s", x, units[unit]);
    return buffer;
}
