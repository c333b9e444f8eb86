/* After the first step a run allocates nothing and builds no program, on the device or on the host. */
#include "testing.h"
#include "train_support.h"

#include <stdlib.h>
#include <string.h>

/* ---- counting what our own code takes from malloc ---------------------------------------- */

#if defined(__GLIBC__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__)
#define COUNTS_HOST 1

/* Inlined, a function would see its caller's caller. */
#define COUNTED __attribute__((noinline))

/* The linker's marks around this program's code, which holds rescl but none of its libraries. */
extern const char __executable_start, etext;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

/* In the thread that runs the steps. Volatile: the compiler takes malloc for one that reads and
 * writes nothing of ours. */
static _Thread_local volatile bool counting;
static _Thread_local volatile size_t host_allocations;

static void count(const void *caller)
{
    host_allocations +=
        counting && (const char *)caller >= &__executable_start && (const char *)caller < &etext;
}

COUNTED void *malloc(size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

COUNTED void *calloc(size_t n, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, bytes);
}

COUNTED void *realloc(void *ptr, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_realloc(ptr, bytes);
}

COUNTED void *aligned_alloc(size_t align, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_memalign(align, bytes);
}
#else
static volatile bool counting;
static volatile size_t host_allocations;
#endif

/* ---- the run ----------------------------------------------------------------------------- */

typedef struct counts {
    rescl_device_stats first, last;
    size_t steps, evals, host;
} counts;

/* The host is counted between the steps of an epoch; between epochs it may take memory for the run
 * folder. */
static bool on_step(const rescl_step_event *e, void *user)
{
    counts *c = user;
    counting = false;
    c->host += host_allocations;
    host_allocations = 0;
    rescl_device_get_stats(rs_test_device(), &c->last);
    c->steps += e->training;
    c->evals += !e->training;
    if (e->training && c->steps == 1)
        c->first = c->last;
    counting = e->batch < e->batches;
    return true;
}

static void allocates_nothing_after_the_first_step(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make();
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *m = rs_test_model();
    const rescl_train_options o = train_options(dir);
    rescl_trainer *t = NULL;
    counts c = {0};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .user = &c};
    assert_ok(rescl_trainer_create(rs_test_device(), m, train, eval, &o, &t));
    assert_ok(rescl_trainer_run(t, &callbacks));
    assert_int_equal(c.steps, 9); /* whole and tail batches of both kinds were among them */
    assert_int_equal(c.evals, 6);
    assert_int_equal(c.last.allocations, c.first.allocations);
    assert_int_equal(c.last.builds, c.first.builds);
    assert_int_equal(c.last.peak_bytes, c.first.peak_bytes);
    assert_true(c.last.launches > c.first.launches);
#ifdef COUNTS_HOST
    counting = true;
    void *volatile one = calloc(1, 1); /* volatile, lest it be left out: the counter works */
    counting = false;
    free(one);
    assert_int_equal(host_allocations, 1);
    assert_int_equal(c.host, 0);
#else
    print_message("host allocations are not counted in this build\n");
#endif
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
    rs_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocates_nothing_after_the_first_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
