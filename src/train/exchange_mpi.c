/* Ranks that mpirun or srun started, connected by MPI: any implementation of MPI 3.
 *
 * Gradients go by Isend and Irecv alone, since an Allreduce may give ranks different bits. Nothing waits within
 * MPI, which would burn a processor that the device may need: who waits looks, and sleeps in between.
 * A rank that ends is noticed by who started it; one that hangs by its silence: each rank has a thread that
 * tells rank 0 each second that it lives, and rank 0's tells the others. Who hears nothing for SILENCE
 * seconds says so and ends all. */
#include "ranks.h"

#include "error.h"

#include <stdlib.h>

/* As Open MPI, MPICH and Slurm tell it; to ask MPI itself would start it. */
static bool is_here(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

    for (size_t i = 0; i < RS_COUNT(names); i++) {
        const char *value = getenv(names[i]);
        const bool counts = i < 2 || getenv("PMIX_RANK");
        if (value && counts && strtol(value, NULL, 10) > 1)
            return true;
    }
    return false;
}

#ifdef RS_HAVE_MPI

#include "clock.h"
#include "log.h"

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SILENCE   40.0 /* seconds */
#define EXIT_HUNG 70   /* what all end with then */
#define NAME      192

enum { BEAT = 0, BYE = 1 };

typedef struct wires {
    MPI_Comm data, control, life; /* of swap; of the rest; of the beating */
    MPI_Request *request;         /* of swap */
    size_t room;
    char (*name)[NAME]; /* of each rank */
    pthread_t thread;
    bool beating;
    atomic_bool leaving;
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

/* Looks often at first, then each half millisecond. */
static rescl_status wait_all(MPI_Request *request, int count)
{
    rescl_status st = RESCL_OK;
    int done = 0;

    for (int turn = 0; !done; turn++) {
        TRY_MPI(MPI_Testall(count, request, &done, MPI_STATUSES_IGNORE));
        if (!done && turn > 50)
            sleep_us(turn > 500 ? 500 : 20);
    }
out:
    return st;
}

/* ---- life -------------------------------------------------------------------------------- */

static void end_all(const wires *l, int rank, double seconds)
{
    rs_log(RESCL_LOG_ERROR, "rank %d, %s, has not answered for %.0f seconds: all ranks end", rank,
           l->name[rank], seconds);
    MPI_Abort(MPI_COMM_WORLD, EXIT_HUNG);
}

/* With one other rank: what it says, and when it was last heard. */
typedef struct peer {
    MPI_Request take;
    char said;
    double heard;
    bool gone;
} peer;

static void listen_to(const wires *l, peer *p, int rank)
{
    int done = 0;

    if (p->gone)
        return;
    MPI_Test(&p->take, &done, MPI_STATUS_IGNORE);
    if (done) {
        p->heard = rs_clock_seconds();
        p->gone = p->said == BYE;
        if (!p->gone)
            MPI_Irecv(&p->said, 1, MPI_CHAR, rank, 0, l->life, &p->take);
    } else if (rs_clock_seconds() - p->heard > SILENCE) {
        end_all(l, rank, rs_clock_seconds() - p->heard);
    }
}

static void *live(void *arg)
{
    rescl_ranks *r = arg;
    wires *l = r->link;
    const int first = r->index == 0 ? 1 : 0, last = r->index == 0 ? (int)r->count - 1 : 0;
    peer *p = calloc(r->count, sizeof *p);
    bool left = false, all_gone = false;
    double told = 0.0;

    for (int q = first; p && q <= last; q++) {
        p[q].heard = rs_clock_seconds();
        MPI_Irecv(&p[q].said, 1, MPI_CHAR, q, 0, l->life, &p[q].take);
    }
    while (p && !(left && all_gone)) {
        const bool leaving = atomic_load(&l->leaving);
        const char say = leaving ? BYE : BEAT;
        const double now = rs_clock_seconds();
        if (!left && (leaving || now - told > 1.0)) {
            for (int q = first; q <= last; q++)
                MPI_Send(&say, 1, MPI_CHAR, q, 0, l->life); /* a byte: it does not wait */
            left = leaving;
            told = now;
        }
        all_gone = true;
        for (int q = first; q <= last; q++) {
            listen_to(l, &p[q], q);
            all_gone = all_gone && p[q].gone;
        }
        sleep_us(20000);
    }
    free(p);
    return NULL;
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
    MPI_Comm local;

    RS_OOM(l = calloc(1, sizeof *l));
    TRY_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &got));
    TRY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    RS_FAIL_IF(got < MPI_THREAD_MULTIPLE, RESCL_ERR_UNSUPPORTED,
               "this MPI was built without MPI_THREAD_MULTIPLE, which training by ranks needs");
    TRY_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &index));
    TRY_MPI(MPI_Comm_size(MPI_COMM_WORLD, &count));
    TRY_MPI(
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, index, MPI_INFO_NULL, &local));
    TRY_MPI(MPI_Comm_rank(local, &local_index));
    TRY_MPI(MPI_Comm_size(local, &local_count));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->data));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->control));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &l->life));
    r->index = (size_t)index;
    r->count = (size_t)count;
    r->local_index = (size_t)local_index;
    r->local_count = (size_t)local_count;
    r->link = l;
    RS_TRY(share_names(r, l));
    atomic_init(&l->leaving, false);
    l->beating = pthread_create(&l->thread, NULL, live, r) == 0;
    RS_FAIL_IF(!l->beating, RESCL_ERR_MEMORY, "cannot start a thread");
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

    if (exit_code != 0)
        MPI_Abort(MPI_COMM_WORLD, exit_code);
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
    int count[RS_TEAM_MOST], place[RS_TEAM_MOST], at = 0;
    MPI_Request request;

    for (size_t i = 0; i < r->count; i++) {
        count[i] = (int)part[i];
        place[i] = at;
        at += count[i];
    }
    TRY_MPI(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, count, place, MPI_BYTE,
                            l->control, &request));
    RS_TRY(wait_all(&request, 1));
out:
    return st;
}

static rescl_status broadcast(rescl_ranks *r, void *data, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const wires *l = r->link;
    MPI_Request request;

    TRY_MPI(MPI_Ibcast(data, (int)bytes, MPI_BYTE, 0, l->control, &request));
    RS_TRY(wait_all(&request, 1));
out:
    return st;
}

static rescl_status any(rescl_ranks *r, bool *flag)
{
    rescl_status st = RESCL_OK;
    const wires *l = r->link;
    int value = *flag;
    MPI_Request request;

    TRY_MPI(MPI_Iallreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MAX, l->control, &request));
    RS_TRY(wait_all(&request, 1));
    *flag = value != 0;
out:
    return st;
}

static rescl_status swap(rescl_ranks *r, const rs_transfer *send, size_t sends,
                         const rs_transfer *take, size_t takes)
{
    rescl_status st = RESCL_OK;
    wires *l = r->link;
    int n = 0;

    if (l->room < sends + takes) {
        free(l->request);
        l->room = 0;
        RS_OOM(l->request = calloc(sends + takes, sizeof *l->request));
        l->room = sends + takes;
    }
    for (size_t i = 0; i < takes; i++)
        TRY_MPI(MPI_Irecv(take[i].values, (int)take[i].count, MPI_FLOAT, (int)take[i].rank, 0,
                          l->data, &l->request[n++]));
    for (size_t i = 0; i < sends; i++)
        TRY_MPI(MPI_Isend(send[i].values, (int)send[i].count, MPI_FLOAT, (int)send[i].rank, 0,
                          l->data, &l->request[n++]));
    RS_TRY(wait_all(l->request, n));
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
