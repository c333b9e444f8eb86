/* The device selector; its grammar is in rescl/device.h. */
#include "clinternal.h"
#include "str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Case-insensitive. */
static bool contains(const char *text, const char *part)
{
    const size_t len = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < len && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == len)
            return true;
    }
    return false;
}

static bool equals(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && contains(a, b);
}

/* CPU devices are one processor, whose clock each runtime reads in another way and at another
 * moment: by it the choice among them would differ from one process to the next. */
static uint64_t speed(const rs_hw *hw)
{
    const bool clocked = hw->info.type != RESCL_DEVICE_CPU && hw->info.clock_mhz > 0;
    const uint64_t clock = clocked ? hw->info.clock_mhz : 1;
    return (hw->quirks & RS_QUIRK_LAST_RESORT) ? 0 : hw->info.compute_units * clock;
}

/* The fastest usable device of a type; the runtime's count when there is none. */
static size_t fastest(const rescl_runtime *rt, rescl_device_type type)
{
    size_t best = rt->count;
    for (size_t i = 0; i < rt->count; i++) {
        const rescl_device_info *info = &rt->devices[i].info;
        if (info->usable && info->type == type &&
            (best == rt->count || speed(&rt->devices[i]) > speed(&rt->devices[best])))
            best = i;
    }
    return best;
}

/* What a message shows of a selector: its lines are ours alone. */
enum { SHOWN = 80 };

static const char *shown(const char *selector, char buffer[RS_ESCAPED(SHOWN)])
{
    char cut[SHOWN + 1];
    snprintf(cut, sizeof cut, "%s", selector);
    rs_escape(cut, "", buffer);
    return buffer;
}

/* "P:D Name" of every device, for error messages. */
static rescl_status append_devices(const rescl_runtime *rt, const bool *only, rs_str *text)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < rt->count; i++) {
        const rescl_device_info *info = &rt->devices[i].info;
        if (!only || only[i])
            RS_TRY(rs_str_appendf(
                text, "\n  %zu:%zu  %.60s (%.40s)%s%s", info->platform, info->device, info->name,
                info->platform_name,
                info->usable ? "" : ", not usable: ", info->usable ? "" : info->reason));
    }
out:
    return st;
}

static rescl_status fail_listing(const rescl_runtime *rt, const bool *only, rescl_status code,
                                 const char *what)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    RS_TRY(append_devices(rt, only, &text));
    RS_FAIL(code, "%s%s", what, text.text ? text.text : "");
out:
    rs_str_fini(&text);
    return st;
}

static rescl_status fail_unknown(const rescl_runtime *rt, const char *selector)
{
    static const char *const words[] = {"auto", "cpu", "gpu", "accelerator", NULL};
    rescl_status st = RESCL_OK;
    char buffer[RS_ESCAPED(SHOWN)];
    const char *near = rs_nearest(selector, words);
    char *what =
        rs_strf("no device matches \"%s\"%s%s%s; use auto, cpu, gpu, accelerator, P:D or a part "
                "of a name of:",
                shown(selector, buffer), near ? "; did you mean \"" : "", near ? near : "",
                near ? "\"?" : "");
    RS_OOM(what);
    RS_TRY(fail_listing(rt, NULL, RESCL_ERR_NOT_FOUND, what));
out:
    free(what);
    return st;
}

static rescl_status refuse(const rescl_device_info *info, const char *selector)
{
    char buffer[RS_ESCAPED(SHOWN)];
    return rs_error_set(RESCL_ERR_UNSUPPORTED, 0, __FILE__, __LINE__,
                        "\"%s\" is device %zu:%zu, %.80s, which rescl cannot use: %s",
                        shown(selector, buffer), info->platform, info->device, info->name,
                        info->reason);
}

static rescl_status select_type(const rescl_runtime *rt, const char *selector, size_t *index)
{
    static const struct {
        rescl_device_type type;
        const char *name, *none;
    } order[] = {{RESCL_DEVICE_GPU, "gpu", "no usable OpenCL device of type gpu among:"},
                 {RESCL_DEVICE_ACCELERATOR, "accelerator",
                  "no usable OpenCL device of type accelerator among:"},
                 {RESCL_DEVICE_CPU, "cpu", "no usable OpenCL device of type cpu among:"}};
    const bool any = equals(selector, "auto");
    const char *none = "no usable OpenCL device among:";
    for (size_t i = 0; i < RS_COUNT(order); i++) {
        if (!any && !equals(selector, order[i].name))
            continue;
        *index = fastest(rt, order[i].type);
        if (*index < rt->count)
            return RESCL_OK;
        none = any ? none : order[i].none;
    }
    return fail_listing(rt, NULL, RESCL_ERR_NOT_FOUND, none);
}

/* "P:D"; false when `selector` is not of that form. */
static bool parse_pair(const char *selector, uint64_t *platform, uint64_t *device)
{
    char left[24];
    const char *colon = strchr(selector, ':');
    if (!colon || (size_t)(colon - selector) >= sizeof left)
        return false;
    memcpy(left, selector, (size_t)(colon - selector));
    left[colon - selector] = '\0';
    return rs_parse_u64(left, platform) && rs_parse_u64(colon + 1, device);
}

static rescl_status select_pair(const rescl_runtime *rt, const char *selector, uint64_t platform,
                                uint64_t device, size_t *index)
{
    for (size_t i = 0; i < rt->count; i++) {
        const rescl_device_info *info = &rt->devices[i].info;
        if (info->platform != platform || info->device != device)
            continue;
        if (!info->usable)
            return refuse(info, selector);
        *index = i;
        return RESCL_OK;
    }
    return fail_unknown(rt, selector);
}

/* Where a substring is looked for, and how well a hit counts: a name before a platform, a platform
 * before the rest. 0 is no hit. */
static int match_rank(const rescl_device_info *info, const char *part)
{
    if (equals(info->name, part))
        return 4;
    if (contains(info->name, part))
        return 3;
    if (contains(info->platform_name, part))
        return 2;
    return contains(info->vendor, part) || contains(info->opencl_c, part) ? 1 : 0;
}

/* Several devices are fine when they are the same model (the first is taken), else the user must
 * choose. */
static rescl_status select_substring(const rescl_runtime *rt, const char *part, size_t *index)
{
    rescl_status st = RESCL_OK;
    char buffer[RS_ESCAPED(SHOWN)];
    bool *hits = NULL;
    char *what = NULL;
    int best = 0;
    size_t first = rt->count, refused = rt->count;
    bool same = true;
    RS_OOM(hits = calloc(rt->count + 1, sizeof *hits));
    for (size_t i = 0; i < rt->count; i++) {
        const rescl_device_info *info = &rt->devices[i].info;
        const int rank = match_rank(info, part);
        if (rank > 0 && !info->usable && refused == rt->count)
            refused = i;
        if (info->usable && rank > best)
            best = rank;
    }
    for (size_t i = 0; best > 0 && i < rt->count; i++) {
        const rescl_device_info *info = &rt->devices[i].info;
        hits[i] = info->usable && match_rank(info, part) == best;
        if (hits[i] && first == rt->count)
            first = i;
        else if (hits[i])
            same = same && strcmp(info->name, rt->devices[first].info.name) == 0 &&
                   strcmp(info->platform_name, rt->devices[first].info.platform_name) == 0;
    }
    if (first == rt->count) {
        st =
            refused < rt->count ? refuse(&rt->devices[refused].info, part) : fail_unknown(rt, part);
        goto out;
    }
    if (!same) {
        RS_OOM(what = rs_strf("\"%s\" matches several devices; choose one by P:D:",
                              shown(part, buffer)));
        RS_TRY(fail_listing(rt, hits, RESCL_ERR_ARG, what));
    }
    *index = first;
out:
    free(what);
    free(hits);
    return st;
}

rescl_status rescl_runtime_select(const rescl_runtime *runtime, const char *selector, size_t *index)
{
    uint64_t platform = 0, device = 0;
    if (!selector)
        selector = "auto";
    if (selector[0] == '\0')
        return fail_unknown(runtime, selector);
    if (equals(selector, "auto") || equals(selector, "cpu") || equals(selector, "gpu") ||
        equals(selector, "accelerator"))
        return select_type(runtime, selector, index);
    if (parse_pair(selector, &platform, &device))
        return select_pair(runtime, selector, platform, device, index);
    return select_substring(runtime, selector, index);
}
