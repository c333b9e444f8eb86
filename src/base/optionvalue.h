/* Values of options: as text, and in structs that another version of the header may have compiled.
 *
 * A `value` points to what the option's type says: bool, size_t, uint64_t, double, const char *. */
#ifndef RS_OPTIONVALUE_H
#define RS_OPTIONVALUE_H

#include "str.h"

#include <rescl/option.h>

/* Reads the whole of `text`, which has to lie in the option's range or be one of its choices.
 * Choices become the list's own string; other texts are borrowed from `text`. RESCL_ERR_ARG says
 * what was found and expected; *value is unchanged then. */
rescl_status rs_option_parse(const rescl_option *o, const char *text, void *value) RESCL_CHECK;

/* RESCL_ERR_ARG if a value that a program set is not one of the choices or outside the limits. */
rescl_status rs_option_check(const rescl_option *o, const void *value) RESCL_CHECK;

/* Appends a value as rs_option_parse reads it: the shortest decimals that give the same number;
 * nothing for a text that is unset. */
rescl_status rs_option_append(const rescl_option *o, const void *value, rs_str *out) RESCL_CHECK;

/* The same for a number that is kept as a double, whatever its option's type. */
rescl_status rs_option_check_number(const rescl_option *o, double number) RESCL_CHECK;
double rs_option_default_number(const rescl_option *o);
/* A choice counts as its place among the option's choices. NaN for what is no number. */
double rs_option_number(const rescl_option *o, const void *value);

/* Bytes of a value. */
size_t rs_option_bytes(const rescl_option *o);

/* ---- structs of options that begin with `size_t struct_size`: see rescl/status.h ----------- */

/* Fills a caller's struct of `struct_size` bytes from `defaults`, this version's struct of `bytes`
 * bytes: what rescl_<name>_init does. */
void rs_options_init(void *out, size_t struct_size, const void *defaults, size_t bytes);

/* Takes a caller's struct over into `out`, this version's struct of `bytes` bytes, which holds the
 * defaults: members that the caller's version does not have stay as they are. `name` is that of the
 * type. RESCL_ERR_ARG unless struct_size was set; RESCL_ERR_UNSUPPORTED when a newer caller set
 * members that this version does not have. */
rescl_status rs_options_take(void *out, size_t bytes, const void *options, const char *name)
    RESCL_CHECK;

#endif
