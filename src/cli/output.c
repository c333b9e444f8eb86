#include "output.h"

#include "cli.h"
#include "text.h"

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
static FILE *result;       /* NULL: stdout */
static bool out_of_memory; /* something was left undone for it */
static bool json_short;    /* memory was, for a part of the next document */
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

size_t cli_columns(int fd)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    uint64_t columns = 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return text && rs_parse_u64(text, &columns) && columns > 0 && columns < 10000 ? (size_t)columns
                                                                                  : 80;
}

void cli_line_open(bool open)
{
    atomic_store(&line_open, open);
}

bool cli_quiet(void)
{
    return quiet;
}

bool cli_output_mute(void)
{
    quiet = true;
    return freopen("/dev/null", "w", stdout) != NULL;
}

/* Breaks a note at blanks where the terminal ends, in place: one such as "data    photos: ..." goes on
 * under "photos". `text` has room for `room` bytes. */
static void wrap(char *text, size_t room)
{
    enum { LABEL = 8, INDENT = 2 };
    const size_t columns = cli_columns(STDERR_FILENO);
    const bool labelled = strlen(text) > LABEL && text[LABEL - 1] == ' ' && text[LABEL] != ' ';
    const size_t indent = labelled ? LABEL : INDENT;
    size_t column = 0, blank = 0;
    if (columns < 3 * LABEL)
        return;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == ' ' && i > indent)
            blank = i;
        if ((text[i] & 0xc0) != 0x80)
            column++;
        if (column < columns || !blank || strlen(text) + indent + 1 > room)
            continue;
        memmove(text + blank + 1 + indent, text + blank + 1, strlen(text + blank + 1) + 1);
        memset(text + blank + 1, ' ', indent);
        text[blank] = '\n';
        i = blank + indent;
        column = indent;
        blank = 0;
    }
}

/* `kind` is "error", "warning" or NULL; `colour` an SGR code; `keep` the control characters that may
 * reach the terminal. One write, so that lines of several threads stay whole. */
static void message(const char *kind, int colour, const char *keep, const char *fmt, va_list args)
{
    enum { MOST = 2048 };
    char raw[MOST], text[RS_ESCAPED(MOST)], label[48] = "";
    vsnprintf(raw, sizeof raw, fmt, args);
    rs_escape(raw, keep, text);
    if (kind && cli_colour())
        snprintf(label, sizeof label, "\033[1;%dm%s:\033[0m ", colour, kind);
    else if (kind)
        snprintf(label, sizeof label, "%s: ", kind);
    const char *clear = atomic_load(&line_open) ? "\r\033[K" : "";
    if (!kind && cli_terminal())
        wrap(text, sizeof text);
    if (!kind)
        fprintf(stderr, "%s%s\n", clear, text);
    else
        fprintf(stderr, "%srescl%s%s: %s%s\n", clear, program_verb ? " " : "",
                program_verb ? program_verb : "", label, text);
}

/* An error of several lines, as the library writes them about devices. */
static void error_lines(const char *fmt, ...) RESCL_PRINTF(1, 2);
static void error_lines(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("error", 31, "\n", fmt, args);
    va_end(args);
}

void cli_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("error", 31, "", fmt, args);
    va_end(args);
}

void cli_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("warning", 33, "", fmt, args);
    va_end(args);
}

void cli_note(const char *fmt, ...)
{
    if (quiet)
        return;
    va_list args;
    va_start(args, fmt);
    message(NULL, 0, "", fmt, args);
    va_end(args);
}

void cli_tell(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message(NULL, 0, "", fmt, args);
    va_end(args);
}

void cli_short_of_memory(void)
{
    cli_error("out of memory");
    out_of_memory = true;
}

void cli_usage_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message("error", 31, "", fmt, args);
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
    signal(SIGXFSZ, SIG_IGN); /* of `ulimit -f`: an error of the write, as a full disk is */
    rescl_log_set(log_line, NULL);
}

void cli_output_verb(const char *verb, bool be_quiet)
{
    program_verb = verb;
    quiet = be_quiet;
}

/* Whether the rooms that read and write files raised the error. */
static bool about_files(const rescl_error *error)
{
    static const char *const rooms[] = {"src/data/", "src/file/", "src/io/"};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (error->file && strstr(error->file, rooms[i]))
            return true;
    return false;
}

static int code_of(rescl_status status, const rescl_error *error, bool device)
{
    const bool opencl = error && error->cl_code, files = error && about_files(error);
    switch (status) {
    case RESCL_OK:
        return CLI_OK;
    case RESCL_ERR_ARG:
        return device || opencl ? CLI_DEVICE : CLI_USAGE;
    case RESCL_ERR_IO:
    case RESCL_ERR_FORMAT:
        return CLI_FILE;
    case RESCL_ERR_NOT_FOUND:
        return device || opencl ? CLI_DEVICE : CLI_FILE;
    case RESCL_ERR_UNSUPPORTED:
        return files ? CLI_FILE : CLI_DEVICE;
    case RESCL_ERR_DEVICE:
    case RESCL_ERR_BUILD:
        return CLI_DEVICE;
    case RESCL_ERR_NUMERIC:
        return CLI_DIVERGED;
    case RESCL_ERR_INTERRUPTED:
        return CLI_INTERRUPTED;
    case RESCL_ERR_SHAPE:
        return files ? CLI_FILE : CLI_FAILURE;
    case RESCL_ERR_MEMORY:
        return CLI_FAILURE;
    }
    return CLI_FAILURE;
}

int cli_fail(rescl_status status, bool device)
{
    const rescl_error *error = rescl_last_error();
    if (error->status != status || !error->message[0])
        error = NULL;
    char cause[160] = "";
    if (error && error->sys_errno && !strstr(error->message, strerror(error->sys_errno)))
        snprintf(cause, sizeof cause, " (%s)", strerror(error->sys_errno));
    const int code = code_of(status, error, device);
    const char *text = error ? error->message : rescl_status_name(status);
    if (code == CLI_DEVICE)
        error_lines("%s%s", text, cause);
    else
        cli_error("%s%s", text, cause);
    return code;
}

int cli_fail_untrained(rescl_status status)
{
    const int code = cli_fail(status, false);
    return code == CLI_DIVERGED ? CLI_FILE : code;
}

FILE *cli_result(void)
{
    return result ? result : stdout;
}

void cli_result_to(FILE *f)
{
    result = f;
}

static void print(FILE *f, const char *fmt, va_list args)
{
    char *text = rs_vstrf(fmt, args);
    const size_t len = text ? strlen(text) : 0, fmt_len = strlen(fmt);
    const bool line = fmt_len > 0 && fmt[fmt_len - 1] == '\n';
    char *shown = text ? malloc(RS_ESCAPED(len)) : NULL;
    if (shown) {
        if (line)
            text[len - 1] = '\0';
        rs_escape(text, "", shown);
        fprintf(f, "%s%s", shown, line ? "\n" : "");
    } else {
        cli_short_of_memory();
    }
    free(shown);
    free(text);
}

void cli_print(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print(cli_result(), fmt, args);
    va_end(args);
}

void cli_fprint(FILE *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print(f, fmt, args);
    va_end(args);
}

int cli_finish(int code)
{
    if (out_of_memory && (code == CLI_OK || code == CLI_USAGE || code == CLI_FILE))
        code = CLI_FAILURE;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed || errno == EPIPE)
        return code;
    cli_error("standard output: %s", strerror(errno));
    return code == CLI_OK ? CLI_FILE : code;
}

json_t *cli_json_string(const char *text)
{
    if (rs_is_utf8(text))
        return json_string(text);
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
    json_t *whole = json_string(clean);
    free(clean);
    return whole;
}

json_t *cli_json_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void cli_json_set(json_t *object, const char *key, json_t *value)
{
    json_short = json_object_set_new(object, key, value) != 0 || json_short;
}

void cli_json_append(json_t *array, json_t *value)
{
    json_short = json_array_append_new(array, value) != 0 || json_short;
}

/* jansson leaves out what it has no memory for, and does not always say so: errno does. */
static int print_json(json_t *json, size_t flags, FILE *f)
{
    errno = 0;
    char *text = json && !json_short ? json_dumps(json, flags) : NULL;
    const bool whole = text && errno != ENOMEM;
    json_decref(json);
    json_short = false;
    if (!whole) {
        free(text);
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    fprintf(f, "%s\n", text);
    free(text);
    return CLI_OK;
}

int cli_json_print(json_t *json)
{
    return print_json(json, JSON_INDENT(2), cli_result());
}

int cli_json_write(json_t *json, FILE *f)
{
    return print_json(json, JSON_INDENT(2), f);
}

int cli_json_write_line(json_t *json, FILE *f)
{
    int code = print_json(json, JSON_COMPACT, f);
    fflush(f);
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

const char *cli_loss(double loss, char buffer[32])
{
    snprintf(buffer, 32, fabs(loss) < 1e5 ? "%.4f" : "%.4g", loss);
    return buffer;
}

const char *cli_count(size_t n, const char *noun, char buffer[64])
{
    const size_t len = strlen(noun);
    const bool hisses = noun[len - 1] == 's' || (len > 3 && strcmp(noun + len - 3, "tch") == 0);
    const char *plural = hisses ? "es" : "s";
    snprintf(buffer, 64, "%zu %s%s", n, noun, n == 1 ? "" : plural);
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
