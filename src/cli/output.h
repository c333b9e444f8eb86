/* What the program says: results on stdout, messages on stderr, JSON. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The name in front of messages: "rescl" or "rescl train". Also routes the library's log to
 * stderr, and makes a closed pipe and a file that grows too large errors of the write instead of signals. */
void cli_output_init(void);
void cli_output_verb(const char *verb, bool quiet);

/* One line on stderr, errors and warnings with the program's name in front. Whatever control
 * characters the arguments hold is escaped. Notes are left out with --quiet; what cli_tell tells is
 * not. */
void cli_error(const char *fmt, ...) RESCL_PRINTF(1, 2);
void cli_warn(const char *fmt, ...) RESCL_PRINTF(1, 2);
void cli_note(const char *fmt, ...) RESCL_PRINTF(1, 2);
void cli_tell(const char *fmt, ...) RESCL_PRINTF(1, 2);
bool cli_quiet(void);
/* From now on only warnings and errors are shown, and results go nowhere. */
bool cli_output_mute(void);

/* Where results go: stdout, or a file that the verb opened. */
FILE *cli_result(void);
void cli_result_to(FILE *f);

/* printf to the results, or to `f`, for names from outside: every control character of the text is
 * escaped but a '\n' that ends `fmt`. */
void cli_print(const char *fmt, ...) RESCL_PRINTF(1, 2);
void cli_fprint(FILE *f, const char *fmt, ...) RESCL_PRINTF(2, 3);

/* The error of a program that memory is too short for. cli_finish makes its code CLI_FAILURE where it
 * would be that of success, a usage error or a file. */
void cli_short_of_memory(void);

/* cli_error with "Try 'rescl <verb> --help'." after it. */
void cli_usage_error(const char *fmt, ...) RESCL_PRINTF(1, 2);

/* Prints the library's last error and returns the exit code that fits. `device` is true where the
 * call was about a device, so that "not found" or an unusable argument means one. */
int cli_fail(rescl_status status, bool device);
/* The same where nothing is trained: what is not finite is the fault of the weights. */
int cli_fail_untrained(rescl_status status);

/* Whether stderr is a terminal that understands carriage returns, and whether it may be coloured
 * (NO_COLOR unset too). */
bool cli_terminal(void);
bool cli_colour(void);
/* The width of the terminal behind a descriptor as it is now, else that of COLUMNS, else 80. */
size_t cli_columns(int fd);

/* While a line on the terminal is being redrawn, messages have to clear it first. */
void cli_line_open(bool open);

/* Ends a verb: flushes stdout. `code`, or CLI_FAILURE after cli_short_of_memory, or CLI_FILE if a
 * result could not be written; a reader that closed the pipe is no failure. */
int cli_finish(int code);

/* Writes and frees `json`; exit code. */
int cli_json_print(json_t *json);
int cli_json_write(json_t *json, FILE *f);
/* The same on one line, which is flushed: for JSON lines. */
int cli_json_write_line(json_t *json, FILE *f);
/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *cli_json_string(const char *text);
/* A JSON number; null for NaN and infinity. */
json_t *cli_json_real(double x);
/* Sets a key, appends to an array. What was short of memory, in these or in making `value`, fails the
 * next document that is printed or written. */
void cli_json_set(json_t *object, const char *key, json_t *value);
void cli_json_append(json_t *array, json_t *value);

/* A number with every digit that it takes to read the same double again, and no more. */
const char *cli_exact(double x, char buffer[32]);
/* "1.2346"; "1.235e+07" where digits behind the point would say nothing. */
const char *cli_loss(double loss, char buffer[32]);
/* "1 epoch", "2 classes", "3 batches" */
const char *cli_count(size_t n, const char *noun, char buffer[64]);
/* "23,600,006" */
const char *cli_thousands(uint64_t n, char buffer[32]);
/* "15.6 GiB" */
const char *cli_bytes(uint64_t n, char buffer[32]);
/* "1:02:03", "2:03", "7s" */
const char *cli_duration(double seconds, char buffer[32]);
/* "1.23 G" */
const char *cli_si(double x, char buffer[32]);

#endif
