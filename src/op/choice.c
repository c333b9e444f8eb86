#include "choice.h"

#include "error.h"
#include "log.h"
#include "roofline.h"
#include "str.h"
#include "trust.h"
#include "tuning.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a choice is made for. */
typedef struct pending {
    rescl_device *dev;
    const rs_caps *caps;
    const rs_problem *p;
    rs_pass pass;
} pending;

/* ---- choices as text --------------------------------------------------------------------- */

const char *rs_choice_text(const rs_choice *c, char text[RS_CHOICE])
{
    const rs_tunable *t = c->impl->tunables;
    size_t used = (size_t)snprintf(text, RS_CHOICE, "%s", c->impl->name);
    for (int i = 0; t && t[i].name && used < RS_CHOICE; i++)
        if (c->tune[i])
            used +=
                (size_t)snprintf(text + used, RS_CHOICE - used, " %s=%d", t[i].name, c->tune[i]);
    return text;
}

static rescl_status find_impl(const rs_op *op, const char *name, const rs_impl **out)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};
    *out = rs_impl_find(op, name);
    if (!*out) {
        for (const rs_impl *const *m = op->impls; *m; m++)
            RS_TRY(rs_str_appendf(&names, "%s%s", names.len ? ", " : "", (*m)->name));
        RS_FAIL(RESCL_ERR_ARG, "%s has no implementation '%s'; it has: %s", op->name, name,
                names.text ? names.text : "none");
    }
out:
    rs_str_fini(&names);
    return st;
}

/* Takes one "name=value" of a choice. */
static rescl_status take_tunable(rs_choice *c, const rs_op *op, char *word)
{
    rescl_status st = RESCL_OK;
    const rs_tunable *t = c->impl->tunables;
    char *value = strchr(word, '=');
    uint64_t number = 0;
    if (value)
        *value++ = '\0';
    while (t && t->name && strcmp(t->name, word) != 0)
        t++;
    RS_FAIL_IF(!t || !t->name, RESCL_ERR_ARG, "%s: %s has no number '%s' to choose", op->name,
               c->impl->name, word);
    RS_FAIL_IF(!value || !rs_parse_u64(value, &number) || number < (uint64_t)t->min ||
                   number > (uint64_t)t->max,
               RESCL_ERR_ARG, "%s: %s takes %s=%d to %s=%d, found '%s'", op->name, c->impl->name,
               t->name, t->min, t->name, t->max, value ? value : "nothing");
    c->tune[t - c->impl->tunables] = (int)number;
out:
    return st;
}

/* Takes a choice other than RS_CHOICE_DEFAULT. */
static rescl_status take_choice(const pending *w, const char *choice, rs_choice *out)
{
    rescl_status st = RESCL_OK;
    const rs_op *op = w->p->op;
    char text[RS_CHOICE], *rest = text, *word;
    *out = (rs_choice){0};
    RS_FAIL_IF(strlen(choice) >= sizeof text, RESCL_ERR_ARG,
               "%s: '%.40s...' is longer than an implementation and its numbers", op->name, choice);
    memcpy(text, choice, strlen(choice) + 1);
    RS_TRY(find_impl(op, strsep(&rest, " "), &out->impl));
    const char *why = rs_impl_refuses(out->impl, w->p, w->pass, w->caps);
    RS_FAIL_IF(why, RESCL_ERR_UNSUPPORTED, "%s %s: '%s' was asked for but cannot serve: %s",
               op->name, rs_pass_name(w->pass), out->impl->name, why);
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word)
            RS_TRY(take_tunable(out, op, word));
    why = rs_trust_refuses(w->dev, w->p, w->pass, out);
    RS_FAIL_IF(why, RESCL_ERR_UNSUPPORTED,
               "%s %s: '%s' was asked for but fails its self-test on this device: %s", op->name,
               rs_pass_name(w->pass), choice, why);
out:
    return st;
}

/* ---- what is taken ----------------------------------------------------------------------- */

/* The implementation that RESCL_IMPL ("op=impl,op=impl") names for `op`, copied into `name`; empty
 * if none. Unknown operations are an error, so that a slip does not go unnoticed. */
static rescl_status forced_by_env(const rs_op *op, char *name, size_t size)
{
    rescl_status st = RESCL_OK;
    const char *s = getenv("RESCL_IMPL");
    name[0] = '\0';
    while (s && *s) {
        const size_t len = strcspn(s, ",");
        const char *eq = memchr(s, '=', len);
        char stem[64];
        RS_FAIL_IF(!eq || eq == s || (size_t)(eq - s) >= sizeof stem, RESCL_ERR_ARG,
                   "RESCL_IMPL: '%.*s' is not op=implementation", (int)len, s);
        memcpy(stem, s, (size_t)(eq - s));
        stem[eq - s] = '\0';
        RS_FAIL_IF(
            !rs_op_find(stem), RESCL_ERR_ARG,
            "RESCL_IMPL: there is no operation '%s'; the names are those of the files in cl/",
            stem);
        if (strcmp(stem, op->name) == 0) {
            const size_t n = len - (size_t)(eq + 1 - s);
            RS_FAIL_IF(n == 0 || n >= size, RESCL_ERR_ARG,
                       "RESCL_IMPL: '%.*s' names no implementation", (int)len, s);
            memcpy(name, eq + 1, n);
            name[n] = '\0';
        }
        s += len + (s[len] == ',');
    }
out:
    return st;
}

#define STORAGE_TEXT 24

/* " of bf16", or of what src and dst are stored as; "" where all is f32. Returns text. */
static const char *storage_text(const rs_problem *p, char text[STORAGE_TEXT])
{
    const rs_dtype src = p->src_type[0], dst = p->dst_type;
    text[0] = '\0';
    if (src != dst)
        snprintf(text, STORAGE_TEXT, " of %s to %s", rs_dtype_name(src), rs_dtype_name(dst));
    else if (src != RS_F32)
        snprintf(text, STORAGE_TEXT, " of %s", rs_dtype_name(src));
    return text;
}

/* Why an implementation that can serve is not the default. */
static const char *reservation(const rs_impl *m, const rs_problem *p, rs_pass pass,
                               const rs_caps *caps)
{
    if (m->prefers != 0 && !(m->prefers & (1u << caps->type)))
        return "made for another class of device";
    return m->doubt ? m->doubt(p, pass, caps) : NULL;
}

/* What an implementation does by its own rule, and should take for it: infinity where it is not known. */
static rs_expected expected_of(const pending *w, const rs_impl *m)
{
    rs_expected e = {.ns = INFINITY};
    if (w->caps->type != RESCL_DEVICE_CPU && m->expect)
        m->expect(w->p, w->pass, w->caps, &e, 1);
    return e;
}

static void log_slower(const pending *w, const rs_impl *slower, double slower_ns,
                       const rs_impl *faster, double ns)
{
    if (rs_verbose("dispatch"))
        rs_log(RESCL_LOG_INFO, "dispatch: %s %s: not %s: should take %.3f ms, %s %.3f ms",
               w->p->op->name, rs_pass_name(w->pass), slower->name, slower_ns / 1e6, faster->name,
               ns / 1e6);
}

/* *expected: what is taken with its own numbers, if that is known. */
static rescl_status take_default(const pending *w, rs_choice *out, rs_expected *expected)
{
    rescl_status st = RESCL_OK;
    const rs_op *op = w->p->op;
    rs_str reasons = {0};
    const rs_impl *best = NULL, *other = NULL;
    const bool verbose = rs_verbose("dispatch");
    char storage[STORAGE_TEXT];

    for (size_t i = 0; op->impls[i] && !(best && isinf(expected->ns)); i++) {
        const rs_impl *m = op->impls[i];
        const rs_choice untuned = {.impl = m};
        const char *why = rs_impl_refuses(m, w->p, w->pass, w->caps);
        if (!why)
            why = rs_trust_refuses(w->dev, w->p, w->pass, &untuned);
        const bool able = !why;
        if (able)
            why = reservation(m, w->p, w->pass, w->caps);
        if (!why) {
            const rs_expected e = expected_of(w, m);
            const bool faster = !best || e.ns < expected->ns;
            if (best && !isinf(e.ns))
                log_slower(w, faster ? best : m, fmax(e.ns, expected->ns), faster ? m : best,
                           fmin(e.ns, expected->ns));
            if (faster) {
                best = m;
                *expected = e;
            }
        } else if (able && !other)
            other = m;
        if (why) {
            RS_TRY(rs_str_appendf(&reasons, "%s%s: %s", reasons.len ? "; " : "", m->name, why));
            if (verbose)
                rs_log(RESCL_LOG_INFO, "dispatch: %s %s: not %s: %s", op->name,
                       rs_pass_name(w->pass), m->name, why);
        }
    }
    *out = (rs_choice){.impl = best ? best : other};
    RS_FAIL_IF(!out->impl, RESCL_ERR_UNSUPPORTED, "%s %s%s: nothing can serve on %s (%s)", op->name,
               rs_pass_name(w->pass), storage_text(w->p, storage),
               rescl_device_get_info(w->dev)->name, reasons.text ? reasons.text : "no code");
out:
    rs_str_fini(&reasons);
    return st;
}

/* What was measured. *taken: false if nothing was, or if it cannot serve any more. */
static rescl_status take_tuned(const pending *w, rs_choice *out, bool *taken)
{
    rescl_status st = RESCL_OK;
    const char *choice;

    *taken = false;
    RS_TRY(rs_tuning_find(w->dev, w->p, w->pass, &choice));
    if (!choice || strcmp(choice, RS_CHOICE_DEFAULT) == 0)
        goto out;
    st = take_choice(w, choice, out);
    *taken = st == RESCL_OK;
    if (st == RESCL_ERR_MEMORY)
        goto out;
    if (st != RESCL_OK && rs_verbose("dispatch"))
        rs_log(RESCL_LOG_INFO, "dispatch: the tuning's '%s' is left out: %s", choice,
               rescl_last_error()->message);
    st = RESCL_OK;
out:
    return st;
}

static void log_choice(const pending *w, const rs_choice *c, const char *origin,
                       const rs_expected *e)
{
    const rs_problem *p = w->p;
    char src[96], dst[96], text[RS_CHOICE], way[RS_CHOICE], expected[RS_CHOICE + 40] = "";
    char storage[STORAGE_TEXT];
    if (e->choice.impl)
        snprintf(expected, sizeof expected, " (%.3f ms expected of %s)", e->ns / 1e6,
                 rs_choice_text(&e->choice, way));
    rs_log(RESCL_LOG_INFO, "dispatch: %s %s%s %s -> %s: %s%s%s", p->op->name, rs_pass_name(w->pass),
           storage_text(p, storage), rs_shape_text(&p->src[0], src), rs_shape_text(&p->dst, dst),
           rs_choice_text(c, text), origin, expected);
}

rescl_status rs_choice_make(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *force,
                            rs_choice *out)
{
    rescl_status st = RESCL_OK;
    const pending w = {.dev = dev, .caps = rs_device_caps(dev), .p = p, .pass = pass};
    const char *origin = "";
    rs_expected expected = {.ns = INFINITY};
    char name[RS_CHOICE];
    bool tuned = false;

    if (!force) {
        RS_TRY(forced_by_env(p->op, name, sizeof name));
        force = name[0] ? name : NULL;
    }
    if (!force)
        RS_TRY(take_tuned(&w, out, &tuned));
    if (force && strcmp(force, RS_CHOICE_DEFAULT) != 0) {
        RS_TRY(take_choice(&w, force, out));
        origin = " (asked for)";
    } else if (tuned) {
        origin = " (tuned)";
    } else {
        RS_TRY(take_default(&w, out, &expected));
    }
    if (rs_verbose("dispatch"))
        log_choice(&w, out, origin, &expected);
out:
    return st;
}

size_t rs_choice_rank(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                      size_t most)
{
    size_t count = 0;
    for (size_t i = 0; p->op->impls[i] && caps->type != RESCL_DEVICE_CPU; i++) {
        const rs_impl *m = p->op->impls[i];
        rs_expected ways[RS_EXPECTED];
        if (!m->expect || rs_impl_refuses(m, p, pass, caps) || reservation(m, p, pass, caps))
            continue;
        const size_t n = m->expect(p, pass, caps, ways, RS_EXPECTED);
        for (size_t k = 0; k < n; k++)
            count = rs_roofline_insert(out, count, most, &ways[k]);
    }
    return count;
}

rescl_status rs_choice_plan(rescl_device *dev, const rs_problem *p, rs_pass pass, const char *force,
                            rs_plan *out)
{
    rescl_status st = RESCL_OK;
    rs_choice choice;
    RS_TRY(rs_choice_make(dev, p, pass, force, &choice));
    RS_TRY(rs_plan_make(out, p, pass, dev, &choice));
out:
    return st;
}
