/* The text of an ini file, line by line: sections, keys, values. What each line says is used or
 * refused; nothing is skipped but blank lines and comments.
 *
 *     [section]
 *     key = value       ; a comment
 *     key: value        # no comment: '#' begins one only at the start of a line
 *     key = "a value"   ; with \n \r \t \\ \" \xhh in it
 *     key = a long
 *       value           ; a deeper line continues the value: "a longvalue"
 *
 * Lines end with LF or CRLF; a byte order mark of UTF-8 is skipped. */
#ifndef CLI_INIFILE_H
#define CLI_INIFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Takes a key of a section ("" before the first one) that stands in `line`. False after a message,
 * which ends the reading. */
typedef bool (*cli_ini_take)(void *user, int line, const char *section, const char *key,
                             const char *value);
/* The same for a section, whose name is new. */
typedef bool (*cli_ini_enter)(void *user, int line, const char *section);

/* Reads all of `text`, of `bytes` bytes with a '\0' behind them, which it changes. Messages name
 * `path` and the line. False after a message. */
bool cli_ini_read(const char *path, char *text, size_t bytes, cli_ini_enter enter,
                  cli_ini_take take, void *user);

/* Writes "key = value", quoted where the value would not be read back otherwise. Returns the number
 * of characters. */
size_t cli_ini_write(FILE *f, const char *key, const char *value);

#endif
