#include "checks.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "log.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES_EACH = 3 }; /* for a kernel, compiled in one way */
#define LONG_MACS    1e6
#define ELEMENT_MACS 16.0 /* an element of an op that does not multiply matrices */

/* ---- one check ------------------------------------------------------------------------------- */

static const char *math_name(rs_math math)
{
    return math == RS_MATH_TF32 ? "tf32" : "f32";
}

const char *rs_check_op(const rs_check *c)
{
    return c->support ? c->support->name : c->op->name;
}

const char *rs_check_pass(const rs_check *c)
{
    return c->support ? c->support->part : rs_pass_name(c->pass);
}

const char *rs_check_problem(const rs_check *c)
{
    return c->support ? c->support->problem[c->number] : c->op->cases->list[c->number].name;
}

const char *rs_check_text(const rs_check *c, char text[RS_CHECK_TEXT])
{
    snprintf(text, RS_CHECK_TEXT, "%s %s %s %s %s %s %zu %s", rs_check_op(c), rs_check_pass(c),
             c->training ? "train" : "infer", rs_dtype_name(c->how.src), rs_dtype_name(c->how.dst),
             math_name(c->how.math), c->number, c->choice);
    return text;
}

/* Splits the next word off; "" at the end. */
static const char *next_word(char **rest)
{
    const char *word = *rest ? strsep(rest, " ") : NULL;
    return word ? word : "";
}

static bool find_dtype(const char *name, rs_dtype *out)
{
    int t = 0;
    while (t < RS_DTYPE_COUNT && strcmp(name, rs_dtype_name((rs_dtype)t)) != 0)
        t++;
    *out = (rs_dtype)t;
    return t < RS_DTYPE_COUNT;
}

static size_t problems_of(const rs_check *c)
{
    size_t count = 0;
    if (c->op)
        return c->op->cases->count;
    while (c->support && c->support->problem[count])
        count++;
    return count;
}

bool rs_check_parse(const char *text, rs_check *out)
{
    char copy[RS_CHECK_TEXT], *rest = copy;
    uint64_t number = 0;
    int pass = 0;

    *out = (rs_check){0};
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return false;
    const char *word = next_word(&rest);
    out->op = rs_op_find(word);
    out->support = out->op ? NULL : rs_support_find(word);
    word = next_word(&rest);
    while (out->op && pass < RS_PASS_COUNT && strcmp(word, rs_pass_name((rs_pass)pass)) != 0)
        pass++;
    out->pass = (rs_pass)pass;
    out->training = strcmp(next_word(&rest), "train") == 0;
    bool good = find_dtype(next_word(&rest), &out->how.src);
    good = find_dtype(next_word(&rest), &out->how.dst) && good;
    out->how.math =
        strcmp(next_word(&rest), math_name(RS_MATH_TF32)) == 0 ? RS_MATH_TF32 : RS_MATH_F32;
    good = rs_parse_u64(next_word(&rest), &number) && good;
    out->number = (size_t)number;
    snprintf(out->choice, sizeof out->choice, "%s", rest ? rest : "");
    return good && pass < RS_PASS_COUNT && out->number < problems_of(out);
}

bool rs_check_same_way(const rs_check *a, const rs_check *b)
{
    return a->op == b->op && a->support == b->support && a->pass == b->pass &&
           a->how.src == b->how.src && a->how.dst == b->how.dst && a->how.math == b->how.math &&
           strcmp(a->choice, b->choice) == 0;
}

rescl_status rs_check_plan(const rs_check *c, rescl_device *dev, rs_plan *out)
{
    rescl_status st = RESCL_OK;
    rs_problem p;

    if (c->support) {
        *out = (rs_plan){.dev = dev};
        return c->support->plan(out, c->how.src, c->choice);
    }
    RS_TRY(rs_case_problem(c->op, &c->op->cases->list[c->number], c->training, &c->how, &p));
    RS_TRY(rs_choice_plan(dev, &p, c->pass, c->choice, out));
out:
    return st;
}

/* ---- what a plan needs ----------------------------------------------------------------------- */

static rescl_status append(rs_checks *all, const rs_check *c)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < all->count; i++) {
        const rs_check *is = &all->list[i];
        if (is->number == c->number && is->training == c->training && rs_check_same_way(is, c))
            goto out;
    }
    RS_TRY(rs_array_reserve(&all->list, &all->cap, all->count + 1, sizeof *all->list));
    all->list[all->count++] = *c;
out:
    return st;
}

/* A kernel with its options, in the way of a check. */
static rs_hash hash_of(const rs_check *way, const rs_plan_kernel *k)
{
    rs_check first = *way;
    char text[RS_CHECK_TEXT];
    first.number = 0;
    const char *const parts[] = {rs_check_text(&first, text), k->file, k->name, k->options};
    return rs_hash_strings(parts, RS_COUNT(parts));
}

static bool is_covered(const rs_checks *all, rs_hash h)
{
    for (size_t i = 0; i < all->ncovered; i++)
        if (all->covered[i].lo == h.lo && all->covered[i].hi == h.hi)
            return true;
    return false;
}

static rescl_status cover(rs_checks *all, rs_hash h)
{
    rescl_status st = RESCL_OK;
    if (is_covered(all, h))
        goto out;
    RS_TRY(rs_array_reserve(&all->covered, &all->covered_cap, all->ncovered + 1,
                            sizeof *all->covered));
    all->covered[all->ncovered++] = h;
out:
    return st;
}

/* Of the case of a check, by the choice of `like`, with the same gradients wanted and added to; false if it
 * cannot serve. */
static bool plan_like(const rs_check *c, const rs_plan *like, rs_plan *out)
{
    const rs_case *is = &c->op->cases->list[c->number];
    const rs_caps *caps = rs_device_caps(like->dev);
    rs_problem p;

    if ((c->training && is->inference_only) ||
        !rs_storage_fits(c->op, like->choice.impl, is, &c->how, caps) ||
        rs_case_problem(c->op, is, c->training, &c->how, &p) != RESCL_OK)
        return false;
    for (int i = 0; i < p.nsrc && i < like->problem.nsrc; i++) {
        p.want_diff[i] = p.want_diff[i] && like->problem.want_diff[i];
        p.accumulate[i] = like->problem.accumulate[i];
    }
    return !rs_impl_refuses(like->choice.impl, &p, c->pass, caps) &&
           rs_plan_make(out, &p, c->pass, like->dev, &like->choice) == RESCL_OK;
}

static const rs_plan_kernel *find_kernel(const rs_plan *plan, const rs_plan_kernel *k, bool same)
{
    for (int i = 0; i < plan->nkernels; i++) {
        const rs_plan_kernel *is = &plan->kernel[i];
        if (strcmp(is->file, k->file) == 0 && strcmp(is->name, k->name) == 0 &&
            (!same || strcmp(is->options, k->options) == 0))
            return is;
    }
    return NULL;
}

/* The cases that launch a kernel of a plan, the largest first: small ones have no whole tiles. Those that the
 * host takes long for come last, and are left out where there are others. */
typedef struct found {
    size_t number[CASES_EACH], count;
    double size[CASES_EACH];
} found;

/* What the host computes, in multiply-adds; below 1 where it takes long. */
static double size_of(const rs_problem *p)
{
    const double work =
        p->op->macs ? p->op->macs(p) : ELEMENT_MACS * (double)rs_shape_count(&p->src[0]);
    return work < LONG_MACS ? work : LONG_MACS / (1 + work);
}

static void insert(found *f, size_t number, double size)
{
    size_t at = f->count < CASES_EACH ? f->count++ : CASES_EACH;
    for (; at > 0 && f->size[at - 1] < size; at--)
        if (at < CASES_EACH) {
            f->number[at] = f->number[at - 1];
            f->size[at] = f->size[at - 1];
        }
    if (at < CASES_EACH) {
        f->number[at] = number;
        f->size[at] = size;
    }
}

/* Adds cases for a kernel of `plan`; `way` says all but which. */
static rescl_status add_cases(rs_checks *all, const rs_plan *plan, const rs_plan_kernel *k,
                              rs_check *way)
{
    rescl_status st = RESCL_OK;
    const rs_cases *cases = way->op->cases;
    const size_t count = cases->kinds ? cases->kinds : cases->count;
    found same = {.count = 0}, similar = {.count = 0};
    rs_plan on_case;

    for (way->number = 0; way->number < count; way->number++) {
        if (!plan_like(way, plan, &on_case))
            continue;
        const double size = size_of(&on_case.problem);
        if (find_kernel(&on_case, k, true))
            insert(&same, way->number, size);
        else if (find_kernel(&on_case, k, false))
            insert(&similar, way->number, size);
    }
    if (same.count == 0 && similar.count > 0) { /* one: each may have to be compiled */
        same = similar;
        same.count = 1;
    }
    if (same.count == 0) {
        all->without++;
        if (rs_verbose("dispatch"))
            rs_log(RESCL_LOG_INFO, "%s %s by '%s': no case checks the kernel '%s'", way->op->name,
                   rs_pass_name(way->pass), way->choice, k->name);
    }
    for (size_t i = 0; i < same.count && (i == 0 || same.size[i] >= 1); i++) {
        way->number = same.number[i];
        RS_TRY(append(all, way));
        if (!plan_like(way, plan, &on_case))
            continue;
        for (int n = 0; n < on_case.nkernels; n++)
            RS_TRY(cover(all, hash_of(way, &on_case.kernel[n])));
    }
out:
    return st;
}

rescl_status rs_checks_add(rs_checks *all, const rs_plan *plan)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;
    rs_check way = {
        .op = p->op,
        .pass = plan->pass,
        .training = p->training,
        .how = {p->src_type[0], p->dst_type, rs_math_on(rs_device_caps(plan->dev), p->math)}};

    rs_choice_text(&plan->choice, way.choice);
    for (int i = 0; i < plan->nkernels; i++) {
        const rs_plan_kernel *k = &plan->kernel[i];
        const rs_hash h = hash_of(&way, k);
        if (is_covered(all, h))
            continue;
        RS_TRY(add_cases(all, plan, k, &way));
        RS_TRY(cover(all, h));
    }
out:
    return st;
}

rescl_status rs_checks_add_support(rs_checks *all, const rs_support_use *use)
{
    rescl_status st = RESCL_OK;
    rs_check c = {.support = use->support, .how = {use->type, use->type, RS_MATH_F32}};
    const size_t count = problems_of(&c);

    snprintf(c.choice, sizeof c.choice, "%s", use->choice);
    for (; c.number < count; c.number++)
        RS_TRY(append(all, &c));
out:
    return st;
}

/* ---- everything ------------------------------------------------------------------------------ */

/* The passes of a case by one implementation, stored in one way. */
static rescl_status add_passes(rs_checks *all, rs_check *c, const rs_impl *impl, rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    const rs_case *is = &c->op->cases->list[c->number];
    const rs_caps *caps = rs_device_caps(dev);

    if (!rs_storage_fits(c->op, impl, is, &c->how, caps))
        goto out;
    snprintf(c->choice, sizeof c->choice, "%s", impl->name);
    for (int k = is->inference_only ? RS_PASS_COUNT : 0; k <= RS_PASS_COUNT; k++) {
        rs_problem p;
        c->training = k < RS_PASS_COUNT; /* the last is forward of inference */
        c->pass = c->training ? (rs_pass)k : RS_FWD;
        RS_TRY(rs_case_problem(c->op, is, c->training, &c->how, &p));
        if (rs_op_has_pass(c->op, c->pass) && !rs_impl_refuses(impl, &p, c->pass, caps))
            RS_TRY(append(all, c));
    }
out:
    return st;
}

/* Each by each of its choices, in each of its types. */
static rescl_status add_supports(rs_checks *all)
{
    rescl_status st = RESCL_OK;
    rs_support_use use;

    for (size_t i = 0; (use.support = rs_support_at(i)) != NULL; i++)
        for (const char *const *choice = use.support->choice; *choice; choice++)
            for (int type = 0; type < RS_DTYPE_COUNT; type++) {
                use.choice = *choice;
                use.type = (rs_dtype)type;
                if (use.support->types & 1u << type)
                    RS_TRY(rs_checks_add_support(all, &use));
            }
out:
    return st;
}

rescl_status rs_checks_add_all(rs_checks *all, rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    rs_check c = {0};

    for (size_t o = 0; (c.op = rs_op_at(o)) != NULL; o++)
        for (const rs_impl *const *m = c.op->impls; *m; m++)
            for (size_t s = 0; s < RS_STORAGES; s++)
                for (c.number = 0; c.number < c.op->cases->count; c.number++) {
                    c.how = rs_storages[s];
                    RS_TRY(add_passes(all, &c, *m, dev));
                }
    RS_TRY(add_supports(all));
out:
    return st;
}

void rs_checks_fini(rs_checks *all)
{
    free(all->list);
    free(all->covered);
    *all = (rs_checks){0};
}
