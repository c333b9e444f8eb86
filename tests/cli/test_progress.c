/* What training says of its epochs where stderr is no terminal. */
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* What an epoch of so many seconds says, of which `wait` were spent waiting for data. */
static void run_epoch(cli_progress *p, double seconds, double wait, char out[1024])
{
    const rescl_epoch_event e = {.epochs = 3,
                                 .train = {.samples = 8, .seconds = seconds, .data_wait = wait}};
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    const int was = dup(STDERR_FILENO);
    assert_true(was >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    cli_progress_epoch(&e, p);
    fflush(stderr);
    assert_true(dup2(was, STDERR_FILENO) >= 0);
    close(was);
    rewind(file);
    out[fread(out, 1, 1023, file)] = '\0';
    fclose(file);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_of_waiting_once),
                                       cmocka_unit_test(tells_of_waiting_behind_a_cache)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
