/* What training says of its epochs where stderr is no terminal. */
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* What is written to stderr from here to catch_end. */
typedef struct caught {
    FILE *file;
    int was;
} caught;

static caught catch_begin(void)
{
    caught c = {.file = tmpfile()};
    assert_non_null(c.file);
    fflush(stderr);
    c.was = dup(STDERR_FILENO);
    assert_true(c.was >= 0 && dup2(fileno(c.file), STDERR_FILENO) >= 0);
    return c;
}

static void catch_end(caught *c, char out[1024])
{
    fflush(stderr);
    assert_true(dup2(c->was, STDERR_FILENO) >= 0);
    close(c->was);
    rewind(c->file);
    out[fread(out, 1, 1023, c->file)] = '\0';
    fclose(c->file);
}

/* What an epoch of so many seconds says, of which `wait` were spent waiting for data. */
static void run_epoch(cli_progress *p, double seconds, double wait, char out[1024])
{
    const rescl_epoch_event e = {.epochs = 3,
                                 .train = {.samples = 8, .seconds = seconds, .data_wait = wait}};
    caught c = catch_begin();
    cli_progress_epoch(&e, p);
    catch_end(&c, out);
}

static void catch_step(const rescl_step_event *e, cli_progress *p, char out[1024])
{
    caught c = catch_begin();
    cli_progress_step(e, p);
    catch_end(&c, out);
}

static void tells_of_waiting_once(void **state)
{
    cli_progress p;
    char text[1024];
    (void)state;
    cli_progress_init(&p, 10, false);
    p.bar = false;
    run_epoch(&p, 60, 6, text);
    assert_non_null(strstr(text, "epoch 1/3 done"));
    assert_null(strstr(text, "waiting for data"));
    run_epoch(&p, 2, 1.5, text);
    assert_null(strstr(text, "waiting for data"));
    run_epoch(&p, 60, 30, text);
    assert_non_null(strstr(text, "waiting for data took 50 % of the epoch"));
    run_epoch(&p, 60, 30, text);
    assert_null(strstr(text, "waiting for data"));
}

/* The first epoch fills the cache. */
static void tells_of_waiting_behind_a_cache(void **state)
{
    cli_progress p;
    char text[1024];
    (void)state;
    cli_progress_init(&p, 10, true);
    p.bar = false;
    run_epoch(&p, 60, 50, text);
    assert_null(strstr(text, "waiting for data"));
    run_epoch(&p, 60, 30, text);
    assert_non_null(strstr(text, "waiting for data took 50 % of the epoch: more --workers or "));
}

static void tells_how_long_devices_wait(void **state)
{
    const rescl_step_event e = {
        .training = true, .epochs = 3, .batch = 10, .batches = 20, .metrics = {.img_s = 7}};
    cli_progress p;
    char text[1024];
    (void)state;
    cli_progress_init(&p, 10, false);
    p.bar = false;
    catch_step(&e, &p, text);
    assert_non_null(strstr(text, "7.0 img/s ETA"));
    p.waits = 0.124;
    catch_step(&e, &p, text);
    assert_non_null(strstr(text, "7.0 img/s waits 12 % ETA"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_of_waiting_once),
                                       cmocka_unit_test(tells_of_waiting_behind_a_cache),
                                       cmocka_unit_test(tells_how_long_devices_wait)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
