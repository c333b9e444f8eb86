#include "trust.h"

#include "alloc.h"
#include "choice.h"
#include "command.h"
#include "error.h"
#include "log.h"
#include "str.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LIST = 60000,   /* bytes of the checks that one process gets: Linux takes 128 KiB */
    PATIENCE = 24 * 3600 /* seconds for all of them; each has its own limit */
};

/* ---- what is known of a device --------------------------------------------------------------- */

typedef struct fault {
    rs_check way;
    char *reason;
} fault;

typedef struct trust {
    fault *fault;
    size_t nfaults, faults_cap;
    rs_hash *right; /* the checks, as text, that passed */
    size_t nright, right_cap;
    bool helpless; /* nothing can be checked here, which was said */
} trust;

static void trust_destroy(void *data)
{
    trust *t = data;
    for (size_t i = 0; i < t->nfaults; i++)
        free(t->fault[i].reason);
    free(t->fault);
    free(t->right);
    free(t);
}

static rescl_status trust_of(rescl_device *dev, trust **out)
{
    rescl_status st = RESCL_OK;
    *out = rs_device_attached(dev, RS_ATTACHED_TRUST);
    if (*out)
        goto out;
    RS_OOM(*out = calloc(1, sizeof **out));
    rs_device_attach(dev, RS_ATTACHED_TRUST, *out, trust_destroy);
out:
    return st;
}

static const fault *find_fault(const trust *t, const rs_check *way)
{
    for (size_t i = 0; t && i < t->nfaults; i++)
        if (rs_check_same_way(&t->fault[i].way, way))
            return &t->fault[i];
    return NULL;
}

static rs_hash hash_of(const rs_check *c)
{
    char text[RS_CHECK_TEXT];
    const char *const parts[] = {rs_check_text(c, text)};
    return rs_hash_strings(parts, 1);
}

static bool is_right(const trust *t, const rs_check *c)
{
    const rs_hash h = hash_of(c);
    for (size_t i = 0; i < t->nright; i++)
        if (t->right[i].lo == h.lo && t->right[i].hi == h.hi)
            return true;
    return false;
}

/* `reason`: "" if it is right. */
static rescl_status take_verdict(trust *t, const rs_check *c, const char *reason)
{
    rescl_status st = RESCL_OK;
    char *copy = NULL;

    if (!*reason) {
        RS_TRY(rs_array_reserve(&t->right, &t->right_cap, t->nright + 1, sizeof *t->right));
        t->right[t->nright++] = hash_of(c);
    } else if (!find_fault(t, c)) {
        RS_OOM(copy = strdup(reason));
        RS_TRY(rs_array_reserve(&t->fault, &t->faults_cap, t->nfaults + 1, sizeof *t->fault));
        t->fault[t->nfaults++] = (fault){*c, copy};
        copy = NULL;
    }
out:
    free(copy);
    return st;
}

const char *rs_trust_refuses(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rs_choice *choice)
{
    const trust *t = rs_device_attached(dev, RS_ATTACHED_TRUST);
    rs_check way = {.op = p->op,
                    .pass = pass,
                    .how = {p->src_type[0], p->dst_type, rs_math_on(rs_device_caps(dev), p->math)}};
    if (!t || t->nfaults == 0)
        return NULL;
    rs_choice_text(choice, way.choice);
    const fault *f = find_fault(t, &way);
    return f ? f->reason : NULL;
}

/* ---- on disk --------------------------------------------------------------------------------- */

/* What a check launches, as rs_verdict_try_load wants it. */
typedef struct launched {
    const char *file[RS_PLAN_KERNELS];
    size_t files;
    rs_str what;
} launched;

static rescl_status describe(rescl_device *dev, const rs_check *c, launched *out)
{
    rescl_status st = RESCL_OK;
    char text[RS_CHECK_TEXT];
    rs_plan plan;

    *out = (launched){0};
    RS_TRY(rs_check_plan(c, dev, &plan));
    RS_TRY(rs_str_append(&out->what, rs_check_text(c, text)));
    for (int i = 0; i < plan.nkernels; i++) {
        const rs_plan_kernel *k = &plan.kernel[i];
        bool known = false;
        for (size_t f = 0; f < out->files; f++)
            known = known || strcmp(out->file[f], k->file) == 0;
        if (!known)
            out->file[out->files++] = k->file;
        RS_TRY(rs_str_appendf(&out->what, "\n%s %s %s", k->file, k->name, k->options));
    }
out:
    return st;
}

/* What is wrong is kept as "status <number>: <reason>". */
char *rs_trust_recall(rescl_device *dev, const rs_check *c, rescl_status *status)
{
    launched l;
    char *reason = NULL;
    int number = 0, read = 0;
    if (describe(dev, c, &l) == RESCL_OK)
        reason = rs_verdict_try_load(dev, l.file, l.files, l.what.text);
    rs_str_fini(&l.what);
    *status = !reason ? RESCL_ERR_NOT_FOUND : *reason ? RESCL_ERR_NUMERIC : RESCL_OK;
    if (reason && sscanf(reason, "status %d: %n", &number, &read) == 1 && read > 0) {
        *status = (rescl_status)number;
        memmove(reason, reason + read, strlen(reason + read) + 1);
    }
    return reason;
}

static void remember(rescl_device *dev, const rs_check *c, rescl_status status, const char *reason)
{
    launched l;
    char *text = status == RESCL_OK ? strdup("") : rs_strf("status %d: %s", (int)status, reason);
    if (text && describe(dev, c, &l) == RESCL_OK)
        rs_verdict_try_store(dev, l.file, l.files, l.what.text, text);
    if (text)
        rs_str_fini(&l.what);
    free(text);
}

/* ---- running --------------------------------------------------------------------------------- */

rescl_status rs_trust_read(bool *on, unsigned *seconds)
{
    rescl_status st = RESCL_OK;
    const char *text = getenv("RESCL_SELFTEST");
    const bool off = text && strcmp(text, "off") == 0;
    uint64_t number = RS_TRUST_SECONDS;

    RS_FAIL_IF(
        text && *text && !off && strcmp(text, "on") != 0 &&
            (!rs_parse_u64(text, &number) || number == 0 || number > 100000),
        RESCL_ERR_ARG,
        "RESCL_SELFTEST is '%s'; expected on, off, or the seconds (1 to 100000) after which a "
        "kernel is taken to hang",
        text);
    *on = !off && !getenv(RS_TRUST_CHECKS);
    *seconds = (unsigned)number;
out:
    return st;
}

/* A run of checks by processes, of which one has those from `first` to before `last`. */
typedef struct trial {
    rescl_device *dev;
    const rs_checks *checks;
    rs_trust_fn fn;
    void *user;
    unsigned seconds;
    size_t first, last;
    size_t next;     /* the first that has not ended */
    bool began;      /* it has begun, that is */
    bool runs;       /* and is compiled */
    bool alone;      /* nothing is compiled ahead */
    rescl_status st; /* of `fn` */
} trial;

/* What came of the check `next`. `lasts`: the same would come of it again. */
static void conclude(trial *t, rescl_status status, const char *reason, bool lasts)
{
    const rs_check *c = &t->checks->list[t->next++];
    const rs_checked result = {status, reason};
    t->began = false;
    if (lasts)
        remember(t->dev, c, status, reason);
    if (t->st == RESCL_OK)
        t->st = t->fn(c, &result, t->user);
}

static void take_line(const char *text, void *user)
{
    trial *t = user;
    size_t index = 0;
    int status = 0, read = 0;
    const char *line = strstr(text, RS_TRUST_SAYS); /* behind what a driver may have printed */
    if (!line)
        return;
    line += strlen(RS_TRUST_SAYS);
    if (sscanf(line, "%zu is %d %n", &index, &status, &read) >= 2 && read > 0 &&
        t->first + index == t->next && t->next < t->last) {
        const bool lasts =
            status == RESCL_OK || status == RESCL_ERR_NUMERIC || status == RESCL_ERR_BUILD;
        conclude(t, (rescl_status)status, status == RESCL_OK ? "" : line + read, lasts);
    } else if (sscanf(line, "%zu begin%n", &index, &read) >= 1 && read > 0 &&
               t->first + index == t->next) {
        t->began = true;
        t->runs = false;
    } else if (sscanf(line, "%zu runs%n", &index, &read) >= 1 && read > 0 &&
               t->first + index == t->next) {
        t->runs = true;
    }
}

/* The checks from `first` on, as many as one process gets. */
static rescl_status list_checks(trial *t, rs_str *out)
{
    rescl_status st = RESCL_OK;
    char text[RS_CHECK_TEXT];

    RS_TRY(rs_str_appendf(out, RS_TRUST_CHECKS "=%s", t->alone ? RS_TRUST_ALONE "\n" : ""));
    for (t->last = t->first; t->last < t->checks->count && out->len < MOST_LIST; t->last++)
        RS_TRY(rs_str_appendf(out, "%s\n", rs_check_text(&t->checks->list[t->last], text)));
out:
    return st;
}

/* Signals that code raises by what it does. Others come from outside, or for want of memory. */
static bool is_own(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP ||
           sig == SIGSYS;
}

/* The check under way took too long. */
static void conclude_late(trial *t)
{
    char reason[128];
    const unsigned seconds = t->alone && !t->runs ? RS_TRUST_BUILDS * t->seconds : t->seconds;
    snprintf(reason, sizeof reason, "it did not %s within %u seconds", t->runs ? "end" : "compile",
             seconds);
    conclude(t, RESCL_ERR_DEVICE, reason, false);
}

/* After a process ended before its time, for which `how` and `ended` are of rs_command_run. */
static rescl_status explain_end(trial *t, rescl_status how, int ended)
{
    rescl_status st = RESCL_OK;
    enum { SIGNAL = 128 };
    const int sig = ended > SIGNAL ? ended - SIGNAL : 0;
    char reason[128];

    RS_FAIL_IF(how == RESCL_ERR_MEMORY, how, "out of host memory");
    RS_FAIL_IF(how == RESCL_OK, RESCL_ERR_DEVICE, "the self-test did not tell of all its checks");
    RS_FAIL_IF(sig == SIGINT || sig == SIGTERM || sig == SIGHUP, RESCL_ERR_INTERRUPTED,
               "the self-test was stopped by signal %d", sig);
    if (!t->began && !t->alone) { /* it may have been a compiler */
        t->alone = true;
        goto out;
    }
    RS_FAIL_IF(!t->began, RESCL_ERR_DEVICE, "%s", rescl_last_error()->message);
    RS_FAIL_IF(sig == SIGKILL || sig == SIGXCPU, RESCL_ERR_DEVICE,
               "the self-test was killed, as for want of memory or time (signal %d)", sig);
    if (sig == SIGALRM) {
        conclude_late(t);
        goto out;
    }
    if (t->next > t->first) /* one before it may have spoilt the process: once more in another */
        goto out;
    snprintf(reason, sizeof reason,
             sig ? "it ended its process (signal %d)" : "it ended its process (status %d)",
             sig ? sig : ended);
    conclude(t, RESCL_ERR_DEVICE, reason, is_own(sig));
out:
    return st;
}

static rescl_status run_process(trial *t, const char *program)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(t->dev);
    rs_str list = {0};
    char selector[48];
    int ended = -1;

    t->first = t->next;
    t->began = false;
    snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
    RS_TRY(list_checks(t, &list));
    const char *const argv[] = {program, "selftest", "--device", selector, "--quiet", NULL};
    const rs_command command = {
        .argv = argv, .variable = list.text, .patience = PATIENCE, .line = take_line, .user = t};
    const rescl_status how = rs_command_run(&command, &ended);
    RS_TRY(t->st);
    if (t->next < t->last)
        RS_TRY(explain_end(t, how, ended));
out:
    rs_str_fini(&list);
    return st;
}

rescl_status rs_trust_run(rescl_device *dev, const rs_checks *checks, rs_trust_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    trial t = {.dev = dev, .checks = checks, .fn = fn, .user = user};
    char *program = NULL;
    bool on;

    RS_TRY(rs_trust_read(&on, &t.seconds));
    RS_TRY(rs_command_find("rescl", &program));
    RS_FAIL_IF(!program, RESCL_ERR_UNSUPPORTED,
               "the program rescl, which checks kernels, is not near the library");
    while (t.next < checks->count)
        RS_TRY(run_process(&t, program));
out:
    free(program);
    return st;
}

/* ---- before a run ---------------------------------------------------------------------------- */

static rescl_status take_result(const rs_check *c, const rs_checked *result, void *user)
{
    const bool says = result->status == RESCL_OK || result->status == RESCL_ERR_NUMERIC ||
                      result->status == RESCL_ERR_BUILD || result->status == RESCL_ERR_DEVICE;
    return says ? take_verdict(user, c, result->reason) : RESCL_OK;
}

/* Those of `all` of which nothing is known, into `out`. */
static rescl_status find_unknown(rescl_device *dev, trust *t, const rs_checks *all, rs_checks *out)
{
    rescl_status st = RESCL_OK, status = RESCL_OK;
    char *reason = NULL;

    for (size_t i = 0; i < all->count; i++) {
        const rs_check *c = &all->list[i];
        if (is_right(t, c) || find_fault(t, c))
            continue;
        free(reason);
        reason = rs_trust_recall(dev, c, &status);
        if (reason) {
            RS_TRY(take_verdict(t, c, reason));
            continue;
        }
        RS_TRY(rs_array_reserve(&out->list, &out->cap, out->count + 1, sizeof *out->list));
        out->list[out->count++] = *c;
    }
out:
    free(reason);
    return st;
}

static void warn_of(const fault *f)
{
    const rs_check *c = &f->way;
    rs_log(RESCL_LOG_WARN,
           "%s %s of %s: '%s' fails its self-test on this device and is left out: %s", c->op->name,
           rs_pass_name(c->pass), rs_dtype_name(c->how.src), c->choice, f->reason);
}

/* Does those of `all` of which nothing is known. */
static rescl_status learn(rescl_device *dev, trust *t, const rs_checks *all)
{
    rescl_status st = RESCL_OK;
    rs_checks unknown = {0};

    RS_TRY(find_unknown(dev, t, all, &unknown));
    if (unknown.count > 0 && !t->helpless) {
        rs_log(RESCL_LOG_INFO,
               "checking kernels before the first step, %zu checks in a process apart, which "
               "compiles them the first time",
               unknown.count);
        st = rs_trust_run(dev, &unknown, take_result, t);
        if (st == RESCL_ERR_UNSUPPORTED || st == RESCL_ERR_DEVICE || st == RESCL_ERR_IO) {
            rs_log(st == RESCL_ERR_UNSUPPORTED ? RESCL_LOG_INFO : RESCL_LOG_WARN,
                   "the kernels of this run are not checked: %s", rescl_last_error()->message);
            t->helpless = true;
            st = RESCL_OK;
        }
        RS_TRY(st);
    }
out:
    rs_checks_fini(&unknown);
    return st;
}

rescl_status rs_trust_plans(rescl_device *dev, const rs_plan *const *plans, size_t count,
                            bool *worse)
{
    rescl_status st = RESCL_OK;
    rs_checks all = {0};
    trust *t = NULL;
    unsigned seconds;
    bool on;

    *worse = false;
    RS_TRY(rs_trust_read(&on, &seconds));
    if (!on)
        goto out;
    RS_TRY(trust_of(dev, &t));
    const size_t before = t->nfaults;
    for (size_t i = 0; i < count; i++)
        RS_TRY(rs_checks_add(&all, plans[i]));
    RS_TRY(learn(dev, t, &all));
    for (size_t i = before; i < t->nfaults; i++)
        warn_of(&t->fault[i]);
    *worse = t->nfaults > before;
out:
    rs_checks_fini(&all);
    return st;
}

/* Where it is known to be wrong. */
static rescl_status refuse_support(rescl_device *dev, const trust *t, const rs_check *c)
{
    rescl_status st = RESCL_OK;
    const fault *f = find_fault(t, c);
    rs_plan plan;

    if (!f)
        goto out;
    RS_TRY(rs_check_plan(c, dev, &plan));
    RS_FAIL(RESCL_ERR_DEVICE,
            "%s %s of %s: the kernel %s of %s.cl fails its self-test on this device, and nothing "
            "else can serve: %s",
            rs_check_op(c), c->choice, rs_dtype_name(c->how.src), plan.kernel[0].name,
            plan.kernel[0].file, f->reason);
out:
    return st;
}

rescl_status rs_trust_supports(rescl_device *dev, const rs_support_use *use, size_t count)
{
    rescl_status st = RESCL_OK;
    rs_checks all = {0};
    trust *t = NULL;
    unsigned seconds;
    bool on;

    RS_TRY(rs_trust_read(&on, &seconds));
    if (!on)
        goto out;
    RS_TRY(trust_of(dev, &t));
    for (size_t i = 0; i < count; i++)
        RS_TRY(rs_checks_add_support(&all, &use[i]));
    RS_TRY(learn(dev, t, &all));
    for (size_t i = 0; i < all.count; i++)
        RS_TRY(refuse_support(dev, t, &all.list[i]));
out:
    rs_checks_fini(&all);
    return st;
}
