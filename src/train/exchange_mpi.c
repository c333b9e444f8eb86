/* Ranks that mpirun or srun started, connected by MPI: any implementation of MPI 3.
 *
 * Gradients go by Isend and Irecv alone, since an Allreduce may give ranks different bits. Nothing waits within
 * MPI, which would burn a processor that the device may need: who waits looks, and sleeps in between.
 *
 * Each rank has a thread that tells rank 0 each second that it lives, whether it is at work and how far it came, and
 * rank 0's tells the others. Who is not heard of, or is at work for long without coming further, ends all.
 * Time counts in the thread's own turns: a job that was suspended as a whole goes on. A rank that ends says so
 * with its exit code, and waits for the others: those that end too, such as by a stop that all agreed on, have the
 * time to save. */
#include "ranks.h"

#include "error.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

/* Processes that were started together, as Open MPI, MPICH and Slurm tell it; to ask MPI itself would start it.
 * 0: they do not say. */
static long started(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

    for (size_t i = 0; i < RS_COUNT(names); i++) {
        const char *value = getenv(names[i]);
        const long count = value ? strtol(value, NULL, 10) : 0;
        const bool counts = i < 2 || getenv("PMIX_RANK");
        if (count > 1 && counts)
            return count;
        if (count > 1)
            rs_log(RESCL_LOG_WARN,
                   "srun started %ld tasks, and no MPI connects them: each trains by itself; srun "
                   "--mpi=pmix connects them",
                   count);
    }
    return 0;
}

static bool is_here(void)
{
    return started() > 1;
}

#ifdef RS_HAVE_MPI

#include "clock.h"

#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SILENCE   40.0   /* seconds, unless RESCL_RANK_TIMEOUT says others */
#define FIRST     3600.0 /* of a rank's first step, which may compile */
#define PATIENCE  10.0   /* times SILENCE, or its longest, of any other step */
#define EXIT_HUNG 70     /* what all end with then */
#define NAME      192

enum { BEAT = 0, BYE = 1 };

/* What ranks tell each other of themselves. */
typedef struct word {
    int32_t kind, code; /* BYE: and the exit code */
    int32_t busy;       /* at a step, and not waiting for others */
    uint32_t count;     /* of calls that others took part in */
} word;

typedef struct wires {
    MPI_Comm data, control, life; /* of swap; of the rest; of the beating */
    MPI_Request *request;         /* of swap */
    size_t room;
    double silence;
    char (*name)[NAME]; /* of each rank */
    pthread_t thread;
    atomic_uint waiting, count;  /* threads in wait_all; calls that it ended */
    atomic_int gone, gone_code;  /* a rank that has ended, and how; -1: none */
    atomic_bool leaving, broken; /* broken: a call did not come to its end */
    int code;                    /* of leaving */
} wires;

static rescl_status check(int code, const char *call)
{
    rescl_status st = RESCL_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;

    if (code != MPI_SUCCESS) {
        MPI_Error_string(code, text, &length);
        RS_FAIL(RESCL_ERR_IO, "%s: %s", call, text);
    }
out:
    return st;
}

#define TRY_MPI(call) RS_TRY(check((call), #call))

static void sleep_us(long us)
{
    const struct timespec t = {.tv_nsec = us * 1000};
    nanosleep(&t, NULL);
}

/* Seconds since *before, which it moves, and one at most: a process that was stopped did not see them pass. */
static double tick(double *before)
{
    const double now = rs_clock_seconds(), passed = now - *before;
    *before = now;
    return passed < 1.0 ? passed : 1.0;
}

/* Looks often at first, then each half millisecond. What a rank sent before it ended may still be under way: rank 0
 * waits for that, and the others longer, so that it is the one who ends them. */
static rescl_status wait_all(const rescl_ranks *r, MPI_Request *request, int count)
{
    rescl_status st = RESCL_OK;
    wires *l = r->link;
    const double linger = r->index == 0 ? 5.0 : 20.0;
    double before = rs_clock_seconds(), passed = 0.0;
    int done = 0;

    atomic_fetch_add(&l->waiting, 1);
    for (int turn = 0; !done; turn++) {
        TRY_MPI(MPI_Testall(count, request, &done, MPI_STATUSES_IGNORE));
        if (done || turn <= 50)
            continue;
        sleep_us(turn > 500 ? 500 : 20);
        const int gone = atomic_load(&l->gone);
        passed = gone >= 0 ? passed + tick(&before) : 0.0;
        RS_FAIL_IF(passed > linger, RESCL_ERR_IO,
                   "rank %d, %s, ended with exit code %d before the others did", gone,
                   l->name[gone], atomic_load(&l->gone_code));
    }
out:
    atomic_fetch_sub(&l->waiting, 1);
    atomic_fetch_add(&l->count, 1);
    if (st != RESCL_OK)
        atomic_store(&l->broken, true);
    return st;
}

/* ---- life -------------------------------------------------------------------------------- */

/* What is known of a rank. */
typedef struct peer {
    MPI_Request take;
    word said, last;
    double quiet;          /* seconds since it was heard */
    double stuck, longest; /* at work without coming further; the longest that this took */
    size_t steps;          /* since the first of which it came further */
    bool gone;
} peer;

static word say(const rescl_ranks *r)
{
    wires *l = r->link;
    const bool leaving = atomic_load(&l->leaving);

    return (word){.kind = leaving ? BYE : BEAT,
                  .code = leaving ? l->code : 0,
                  .busy = atomic_load(&r->working) && atomic_load(&l->waiting) == 0,
                  .count = atomic_load(&l->count)};
}

static void end_all(const wires *l, int rank, const char *what, double seconds)
{
    rs_log(RESCL_LOG_ERROR, "rank %d, %s, %s for %.0f seconds: all ranks end", rank, l->name[rank],
           what, seconds);
    MPI_Abort(MPI_COMM_WORLD, EXIT_HUNG);
}

/* A step that takes far longer than any before hangs. */
static void judge(const wires *l, peer *p, int rank, const word *now, double passed)
{
    const double usual = p->longest > l->silence ? p->longest : l->silence;
    const double limit = p->steps > 0 ? PATIENCE * usual : FIRST;

    if (!now->busy || now->count != p->last.count) {
        p->steps += now->count != p->last.count && p->last.busy;
        p->longest = p->steps > 1 && p->stuck > p->longest ? p->stuck : p->longest;
        p->stuck = 0.0;
    } else {
        p->stuck += passed;
    }
    p->last = *now;
    if (p->stuck > limit)
        end_all(l, rank, "has been at one step", p->stuck);
}

static void listen_to(rescl_ranks *r, peer *p, int rank, double passed)
{
    wires *l = r->link;
    int done = 0;

    if (p->gone)
        return;
    MPI_Test(&p->take, &done, MPI_STATUS_IGNORE);
    p->quiet = done ? 0.0 : p->quiet + passed;
    const word now = done ? p->said : p->last;
    if (done && now.kind == BYE) {
        p->gone = true;
        atomic_store(&l->gone_code, now.code);
        atomic_store(&l->gone, rank);
        return;
    }
    if (done)
        MPI_Irecv(&p->said, sizeof p->said, MPI_BYTE, rank, 0, l->life, &p->take);
    if (p->quiet > l->silence)
        end_all(l, rank, "has not answered", p->quiet);
    if (r->index == 0)
        judge(l, p, rank, &now, passed);
}

static void tell_all(const wires *l, const word *now, int first, int last)
{
    for (int q = first; q <= last; q++)
        MPI_Send(now, sizeof *now, MPI_BYTE, q, 0, l->life); /* some bytes: it does not wait */
}

/* Until all have ended; who ends after a failure waits for the others, but not for ever. */
static void *live(void *arg)
{
    rescl_ranks *r = arg;
    wires *l = r->link;
    const int first = r->index == 0 ? 1 : 0, last = r->index == 0 ? (int)r->count - 1 : 0;
    const double grace = r->index == 0 ? 10.0 : 120.0;
    peer p[RS_TEAM_MOST];
    bool left = false, all_gone = false;
    double before = rs_clock_seconds(), untold = 2.0, waited = 0.0;

    memset(p, 0, sizeof p);
    for (int q = first; q <= last; q++)
        MPI_Irecv(&p[q].said, sizeof p[q].said, MPI_BYTE, q, 0, l->life, &p[q].take);
    while (!(left && all_gone)) {
        const double passed = tick(&before);
        const word now = say(r);
        untold += passed;
        if (!left && (now.kind == BYE || untold > 1.0)) {
            tell_all(l, &now, first, last);
            left = now.kind == BYE;
            untold = 0.0;
        }
        all_gone = true;
        for (int q = first; q <= last; q++) {
            listen_to(r, &p[q], q, passed);
            all_gone = all_gone && p[q].gone;
        }
        if (r->index == 0)
            judge(l, &p[0], 0, &now, passed);
        waited += left ? passed : 0.0;
        if (left && l->code != 0 && !all_gone && waited > grace)
            MPI_Abort(MPI_COMM_WORLD, l->code);
        sleep_us(20000);
    }
    return NULL;
}

/* Signals go to the process's first thread. */
static rescl_status start_living(rescl_ranks *r, wires *l)
{
    rescl_status st = RESCL_OK;
    sigset_t all, was;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    const int failed = pthread_create(&l->thread, NULL, live, r);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    RS_FAIL_IF(failed, RESCL_ERR_MEMORY, "cannot start a thread");
out:
    return st;
}

/* ---- opening and closing ----------------------------------------------------------------- */

static rescl_status share_names(rescl_ranks *r, wires *l)
{
    rescl_status st = RESCL_OK;
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;

    RS_OOM(l->name = calloc(r->count, sizeof *l->name));
    TRY_MPI(MPI_Get_processor_name(host, &length));
    snprintf(l->name[r->index], NAME, "process %ld on %.150s", (long)getpid(), host);
    TRY_MPI(MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, l->name, NAME, MPI_CHAR, l->control));
out:
    return st;
}

static rescl_status open_mpi(rescl_ranks *r)
{
    rescl_status st = RESCL_OK;
    wires *l = NULL;
    int got = 0, index = 0, count = 1, local_index = 0, local_count = 1;
    const long all = started();
    const char *silence = getenv("RESCL_RANK_TIMEOUT");
    MPI_Comm local;

    RS_OOM(l = calloc(1, sizeof *l));
    l->silence = SILENCE;
    RS_FAIL_IF(silence && (!rs_parse_f64(silence, &l->silence) || !(l->silence >= 3.0)),
               RESCL_ERR_ARG, "RESCL_RANK_TIMEOUT: found '%s', expected seconds, at least 3",
               silence);
    TRY_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &got));
    TRY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    RS_FAIL_IF(got < MPI_THREAD_MULTIPLE, RESCL_ERR_UNSUPPORTED,
               "this MPI was built without MPI_THREAD_MULTIPLE, which training by ranks needs");
    TRY_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &index));
    TRY_MPI(MPI_Comm_size(MPI_COMM_WORLD, &count));
    RS_FAIL_IF(
        count != all, RESCL_ERR_UNSUPPORTED,
        "%ld processes were started, and the MPI of this rescl sees %d of them: start it with "
        "the mpirun of the MPI that it was built with",
        all, count);
    RS_FAIL_IF(count > RS_TEAM_MOST, RESCL_ERR_ARG, "%d processes, expected at most %d", count,
               RS_TEAM_MOST);
    TRY_MPI(
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, index, MPI_INFO_NULL, &local));
    TRY_MPI(MPI_Comm_rank(local, &local_index));
    TRY_MPI(MPI_Comm_size(local, &local_count));
    TRY_MPI(MPI_Comm_free(&local));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->data));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->control));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->life));
    r->index = (size_t)index;
    r->count = (size_t)count;
    r->local_index = (size_t)local_index;
    r->local_count = (size_t)local_count;
    r->link = l;
    RS_TRY(share_names(r, l));
    atomic_init(&l->gone, -1);
    RS_TRY(start_living(r, l));
    l = NULL;
out:
    if (l)
        free(l->name);
    free(l);
    return st;
}

static void close_mpi(rescl_ranks *r, int exit_code)
{
    wires *l = r->link;

    if (exit_code != 0 && atomic_load(&l->broken)) {
        const int code = atomic_load(&l->gone_code);
        MPI_Abort(MPI_COMM_WORLD, code ? code : exit_code);
    }
    l->code = exit_code;
    atomic_store(&l->leaving, true);
    pthread_join(l->thread, NULL);
    MPI_Comm_free(&l->data);
    MPI_Comm_free(&l->control);
    MPI_Comm_free(&l->life);
    MPI_Finalize();
    free(l->request);
    free(l->name);
    free(l);
}

/* ---- exchange ---------------------------------------------------------------------------- */

static rescl_status gather(rescl_ranks *r, void *data, const size_t *part)
{
    rescl_status st = RESCL_OK;
    const wires *l = r->link;
    int count[RS_TEAM_MOST], place[RS_TEAM_MOST];
    size_t at = 0;
    MPI_Request request;

    for (size_t i = 0; i < r->count; i++) {
        RS_FAIL_IF(at + part[i] > INT_MAX, RESCL_ERR_UNSUPPORTED,
                   "MPI gathers 2 GiB at most: a smaller batch has fewer outputs");
        count[i] = (int)part[i];
        place[i] = (int)at;
        at += part[i];
    }
    TRY_MPI(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, count, place, MPI_BYTE,
                            l->control, &request));
    RS_TRY(wait_all(r, &request, 1));
out:
    return st;
}

static rescl_status broadcast(rescl_ranks *r, void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const wires *l = r->link;
    MPI_Request request;

    for (size_t at = 0, n; at < bytes; at += n) {
        n = bytes - at < INT_MAX ? bytes - at : INT_MAX;
        TRY_MPI(MPI_Ibcast((char *)data + at, (int)n, MPI_BYTE, 0, l->control, &request));
        RS_TRY(wait_all(r, &request, 1));
    }
out:
    return st;
}

static rescl_status any(rescl_ranks *r, unsigned *flags)
{
    rescl_status st = RESCL_OK;
    const wires *l = r->link;
    MPI_Request request;

    TRY_MPI(MPI_Iallreduce(MPI_IN_PLACE, flags, 1, MPI_UNSIGNED, MPI_BOR, l->control, &request));
    RS_TRY(wait_all(r, &request, 1));
out:
    return st;
}

static rescl_status check_sizes(const rs_transfer *t, size_t count)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(t[i].count > INT_MAX, RESCL_ERR_UNSUPPORTED,
                   "a tensor of %zu gradients a rank: MPI takes %d", t[i].count, INT_MAX);
out:
    return st;
}

static MPI_Datatype type_of(const rs_transfer *t)
{
    return t->narrow ? MPI_UINT16_T : MPI_FLOAT;
}

static rescl_status swap(rescl_ranks *r, const rs_transfer *send, size_t sends,
                         const rs_transfer *take, size_t takes)
{
    rescl_status st = RESCL_OK;
    wires *l = r->link;
    int n = 0;

    RS_TRY(check_sizes(send, sends));
    RS_TRY(check_sizes(take, takes));
    if (l->room < sends + takes) {
        free(l->request);
        l->room = 0;
        RS_OOM(l->request = calloc(sends + takes, sizeof *l->request));
        l->room = sends + takes;
    }
    for (size_t i = 0; i < takes; i++)
        TRY_MPI(MPI_Irecv(take[i].values, (int)take[i].count, type_of(&take[i]), (int)take[i].rank,
                          0, l->data, &l->request[n++]));
    for (size_t i = 0; i < sends; i++)
        TRY_MPI(MPI_Isend(send[i].values, (int)send[i].count, type_of(&send[i]), (int)send[i].rank,
                          0, l->data, &l->request[n++]));
    RS_TRY(wait_all(r, l->request, n));
out:
    return st;
}

const rs_exchange_def rs_exchange_mpi = {.name = "mpi",
                                         .is_here = is_here,
                                         .open = open_mpi,
                                         .close = close_mpi,
                                         .gather = gather,
                                         .broadcast = broadcast,
                                         .any = any,
                                         .swap = swap};

#else

static rescl_status open_mpi(rescl_ranks *r)
{
    rescl_status st = RESCL_OK;
    (void)r;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "this rescl was built without MPI: install libopenmpi-dev or libmpich-dev and build it "
            "again");
out:
    return st;
}

/* It never opens: nothing else is called. */
const rs_exchange_def rs_exchange_mpi = {.name = "mpi", .is_here = is_here, .open = open_mpi};

#endif
