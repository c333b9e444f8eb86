/* The disk cache of programs: its files alone, then under a device, then under many processes. */
#include "cache.h"
#include "clinternal.h"
#include "device_support.h"
#include "testing.h"

#include "path.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *dir, *programs;
static char *pocl; /* PoCL's cache */
static const char *self;

static int make_dir(void **state)
{
    (void)state;
    dir = rs_test_dir_make();
    programs = rs_path_join(dir, "programs");
    return setenv("RESCL_CACHE_DIR", dir, 1) || unsetenv("RESCL_CACHE_LIMIT");
}

static int remove_dir(void **state)
{
    (void)state;
    free(programs);
    rs_test_dir_remove(dir);
    return unsetenv("RESCL_CACHE_LIMIT");
}

static char *entry_path(const rs_cache_key *key)
{
    char hex[33], name[64];
    rs_hash_hex(key->hash, hex);
    snprintf(name, sizeof name, "%s.bin", hex);
    char *path = rs_path_join(programs, name);
    assert_non_null(path);
    return path;
}

/* ---- files ------------------------------------------------------------------------------- */

static void check_miss(const rs_cache_key *key)
{
    char *got = NULL;
    size_t bytes = 0;
    assert_false(rs_cache_try_load(key, &got, &bytes));
    assert_null(got);
}

static void check_hit(const rs_cache_key *key, const void *payload, size_t bytes)
{
    char *got = NULL;
    size_t got_bytes = 0;
    assert_true(rs_cache_try_load(key, &got, &got_bytes));
    assert_int_equal(got_bytes, bytes);
    assert_memory_equal(got, payload, bytes);
    free(got);
}

static void keeps_what_is_stored(void **state)
{
    (void)state;
    const rs_cache_key a = {{1, 2}}, b = {{1, 3}};
    check_miss(&a);
    rs_cache_try_store(&a, "payload", 7);
    rs_cache_try_store(&b, "other", 5);
    check_hit(&a, "payload", 7);
    check_hit(&b, "other", 5);
    rs_cache_try_store(&a, "new", 3);
    check_hit(&a, "new", 3);
    assert_int_equal(rs_test_dir_count(programs), 2);
}

/* Many systems let a user's own group write to new files. */
static void keeps_it_under_any_umask(void **state)
{
    const mode_t old = umask(0);
    keeps_what_is_stored(state);
    umask(old);
}

static void takes_nothing_that_is_damaged(void **state)
{
    (void)state;
    const rs_cache_key key = {{UINT64_C(0x0123456789abcdef), 42}}, other = {{7, 42}};
    unsigned char payload[100];
    char *path = entry_path(&key), *whole = NULL, *other_path = entry_path(&other);
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)(i * 13);
    rs_cache_try_store(&key, payload, sizeof payload);
    assert_ok(rs_file_read(path, 4096, &whole, &bytes));
    assert_int_equal(bytes, 48 + sizeof payload);

    for (size_t i = 0; i < bytes; i++) { /* every byte changed */
        whole[i] ^= 0x10;
        assert_ok(rs_file_write(path, whole, bytes));
        check_miss(&key);
        whole[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < bytes; cut++) { /* every length */
        assert_ok(rs_file_write(path, whole, cut));
        check_miss(&key);
    }
    char *longer = calloc(bytes + 1, 1);
    assert_non_null(longer);
    memcpy(longer, whole, bytes);
    assert_ok(rs_file_write(path, longer, bytes + 1));
    check_miss(&key);
    assert_ok(rs_file_write(other_path, whole, bytes)); /* a good file under another name */
    check_miss(&other);
    rs_cache_try_store(&key, payload, sizeof payload);
    check_hit(&key, payload, sizeof payload);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    check_miss(&key);
    rs_cache_try_store(&key, payload, sizeof payload);
    free(longer);
    free(whole);
    free(path);
    free(other_path);
}

static void set_age(const char *path, time_t seconds)
{
    const struct timespec t = {.tv_sec = time(NULL) - seconds};
    const struct timespec times[2] = {t, t};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void drops_the_longest_unused(void **state)
{
    (void)state;
    enum { N = 6, BYTES = 1000 };
    char payload[BYTES] = {0};
    assert_int_equal(setenv("RESCL_CACHE_LIMIT", "6000", 1), 0);
    for (uint64_t i = 0; i < N - 1; i++) { /* 5 x 1048 bytes fit */
        const rs_cache_key key = {{i, i}};
        char *path = entry_path(&key);
        rs_cache_try_store(&key, payload, BYTES);
        set_age(path, 1000 - (time_t)i);
        free(path);
    }
    assert_int_equal(rs_test_dir_count(programs), N - 1);
    const rs_cache_key first = {{0, 0}}, second = {{1, 1}}, third = {{2, 2}};
    check_hit(&first, payload, BYTES); /* used: now the youngest */
    char *entry = entry_path(&first), half_written[600], being_written[600];
    char *foreign = rs_path_join(programs, "of the user.tmp-1-1");
    snprintf(half_written, sizeof half_written, "%s.tmp-1-1", entry);
    snprintf(being_written, sizeof being_written, "%s.tmp-1-2", entry);
    assert_ok(rs_file_write(half_written, "x", 1));
    assert_ok(rs_file_write(being_written, "x", 1));
    assert_ok(rs_file_write(foreign, "x", 1));
    set_age(half_written, 7200);
    set_age(foreign, 7200);

    const rs_cache_key last = {{N, N}};
    rs_cache_try_store(&last, payload, BYTES); /* 6288 bytes: two go, 4192 are left */
    check_hit(&first, payload, BYTES);
    check_hit(&last, payload, BYTES);
    check_miss(&second);
    check_miss(&third);
    assert_int_not_equal(access(half_written, F_OK), 0);
    assert_int_equal(access(being_written, F_OK), 0);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(rs_test_dir_count(programs), 4 + 2);

    assert_int_equal(setenv("RESCL_CACHE_LIMIT", "500", 1), 0);
    rs_cache_try_store(&second, payload, BYTES); /* more than all */
    check_miss(&second);
    assert_int_equal(setenv("RESCL_CACHE_LIMIT", "0", 1), 0);
    check_miss(&first);
    free(entry);
    free(foreign);
}

/* ---- a device ---------------------------------------------------------------------------- */

static bool has_quirk(rs_quirk_flag flag)
{
    rescl_runtime *runtime = NULL;
    rescl_device *dev = test_device_open(&runtime);
    const bool has = dev->hw->quirks & (unsigned)flag;
    test_device_close(runtime, dev);
    return has;
}

/* Skips a test where the driver's binaries are not used. */
static void need_binaries(void)
{
    if (!has_quirk(RS_QUIRK_NO_BINARIES))
        return;
    print_message("skipped: the program cache of a device (quirks.def says to use none)\n");
    skip();
}

static size_t group_size = 1; /* of the launches below */
static bool takes_binaries;   /* ... of a device whose driver keeps programs, too */

/* The test's device, with the quirks that the test wants. */
static rescl_device *open_device(rescl_runtime **runtime)
{
    rescl_device *dev = test_device_open(runtime);
    for (size_t i = 0; takes_binaries && i < (*runtime)->count; i++)
        (*runtime)->devices[i].quirks &= ~(unsigned)RS_QUIRK_OWN_CACHE;
    return dev;
}

static int make_dir_of_binaries(void **state)
{
    takes_binaries = true;
    return make_dir(state);
}

static int remove_dir_of_binaries(void **state)
{
    takes_binaries = false;
    return remove_dir(state);
}

/* Opens a device, gets a kernel, uses it; returns whether the program came from the cache. */
static bool use_program(const char *options)
{
    rescl_runtime *runtime = NULL;
    rescl_device *dev = open_device(&runtime);
    rs_kernel *k = NULL;
    rs_buffer *buf = NULL;
    float four[4] = {1, 2, 3, 4};
    const rs_grid grid = {.items = {4}, .group = {group_size}};
    assert_ok(rs_kernel_get(dev, "basic", options, "scale", &k));
    assert_ok(rs_buffer_create(dev, sizeof four, &buf));
    assert_ok(rs_write(dev, buf, 0, four, sizeof four));
    assert_ok(RS_LAUNCH(dev, k, grid, RS_BUF(buf), RS_BUF(buf), RS_FLOAT(5), RS_INT(4)));
    assert_ok(rs_read(dev, buf, 0, four, sizeof four));
    for (int i = 0; i < 4; i++)
        assert_float_equal(four[i], 10.0f * (float)(i + 1), 0.0f);
    rs_buffer_release(buf);
    const rescl_device_stats stats = test_stats(dev);
    assert_int_equal(stats.builds, 1);
    test_device_close(runtime, dev);
    return stats.cache_hits == 1;
}

/* The one file in the cache. */
static char *only_entry(void)
{
    char *path = NULL;
    assert_int_equal(rs_test_dir_count(programs), 1);
    DIR *d = opendir(programs);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] != '.')
            path = rs_path_join(programs, entry->d_name);
    }
    closedir(d);
    assert_non_null(path);
    return path;
}

static void serves_the_second_open(void **state)
{
    (void)state;
    need_binaries();
    assert_false(use_program(""));
    assert_true(use_program(""));
    assert_false(use_program("-DEXTRA=1"));
    assert_true(use_program("-DEXTRA=1"));
    assert_true(use_program(""));
    assert_int_equal(rs_test_dir_count(programs), 2);
}

/* What a driver keeps in one folder says nothing of another. */
static void depends_on_the_folder_of_the_driver(void **state)
{
    (void)state;
    need_binaries();
    char *other = rs_test_dir_make();
    const bool own = has_quirk(RS_QUIRK_OWN_CACHE);
    assert_false(use_program(""));
    assert_int_equal(setenv("POCL_CACHE_DIR", other, 1), 0);
    assert_int_equal(use_program(""), !own);
    assert_int_equal(setenv("POCL_CACHE_DIR", pocl, 1), 0);
    assert_true(use_program(""));
    rs_test_dir_remove(other);
}

static void depends_on_the_source(void **state)
{
    (void)state;
    need_binaries();
    char *kernels = rs_path_join(dir, "kernels"), *path = NULL;
    static const char *const texts[] = {"__kernel void k(__global int *d) { d[0] = 1; }",
                                        "__kernel void k(__global int *d) { d[0] = 2; }"};
    assert_ok(rs_mkdirs(kernels));
    path = rs_path_join(kernels, "changing.cl");
    for (int i = 0; i < 4; i++) {
        rescl_runtime *runtime = NULL;
        rescl_device *dev = open_device(&runtime);
        rs_kernel *k = NULL;
        rs_buffer *buf = NULL;
        int32_t got = 0;
        const rs_grid grid = {.items = {1}, .group = {1}};
        assert_ok(rs_file_write(path, texts[i % 2], strlen(texts[i % 2])));
        assert_int_equal(setenv("RESCL_KERNEL_DIR", kernels, 1), 0);
        assert_ok(rs_kernel_get(dev, "changing", "", "k", &k));
        assert_int_equal(test_stats(dev).cache_hits, i >= 2);
        assert_ok(rs_buffer_create(dev, sizeof got, &buf));
        assert_ok(RS_LAUNCH(dev, k, grid, RS_BUF(buf)));
        assert_ok(rs_read(dev, buf, 0, &got, sizeof got));
        assert_int_equal(got, i % 2 + 1);
        rs_buffer_release(buf);
        test_device_close(runtime, dev);
    }
    free(path);
    free(kernels);
}

static void rebuilds_what_is_damaged(void **state)
{
    (void)state;
    need_binaries();
    char *path = NULL, *whole = NULL;
    size_t bytes = 0;
    assert_false(use_program(""));
    path = only_entry();
    assert_ok(rs_file_read(path, 64 << 20, &whole, &bytes));
    const size_t regions[] = {0, 8, 16, 32, 48, bytes / 2, bytes - 1};
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        whole[regions[i]] ^= 1;
        assert_ok(rs_file_write(path, whole, bytes));
        assert_false(use_program(""));
        assert_true(use_program(""));
        whole[regions[i]] ^= 1;
    }
    const size_t lengths[] = {0, 47, 48, 49, bytes / 2, bytes - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_ok(rs_file_write(path, whole, lengths[i]));
        assert_false(use_program(""));
        assert_true(use_program(""));
    }
    assert_int_equal(rs_test_dir_count(programs), 1);
    free(whole);
    free(path);
}

/* A file that is in order, whose binary the driver does not take. */
static void rebuilds_what_the_driver_refuses(void **state)
{
    (void)state;
    need_binaries();
    char junk[1000];
    char hex[33] = "";
    rs_cache_key key = {{0, 0}};
    assert_false(use_program(""));
    char *path = only_entry();
    snprintf(hex, sizeof hex, "%s", strrchr(path, '/') + 1);
    key.hash.lo = strtoull(hex + 16, NULL, 16); /* the key, from the file's own name */
    hex[16] = '\0';
    key.hash.hi = strtoull(hex, NULL, 16);
    char *again = entry_path(&key);
    assert_string_equal(path, again);
    memset(junk, 'j', sizeof junk);
    rs_cache_try_store(&key, junk, sizeof junk);
    check_hit(&key, junk, sizeof junk);
    assert_false(use_program(""));
    assert_true(use_program(""));
    free(path);
    free(again);
}

static void works_without_a_folder(void **state)
{
    (void)state;
    need_binaries();
    char *file = rs_path_join(dir, "file"), *below = rs_path_join(file, "below");
    assert_ok(rs_file_write(file, "x", 1));
    assert_int_equal(setenv("RESCL_CACHE_DIR", below, 1), 0);
    assert_false(use_program(""));
    assert_false(use_program(""));
    free(file);
    free(below);
}

/* What somebody else may have put there is compiled anew, and not replaced. */
static void trusts_no_planted_program(void **state)
{
    (void)state;
    const rs_cache_key key = {{1, 2}};
    char *path = entry_path(&key);
    rs_cache_try_store(&key, "mine", 4);
    check_hit(&key, "mine", 4);
    assert_int_equal(chmod(path, 0666), 0);
    check_miss(&key);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    check_miss(&key);
    rs_cache_try_store(&key, "more", 4);
    assert_int_equal(chmod(dir, 0700), 0);
    check_hit(&key, "mine", 4);
    free(path);
}

/* ---- processes --------------------------------------------------------------------------- */

enum { BUILT_IT = 100 }; /* exit status of the process that compiled */
static bool built_it;

/* Runs that many processes at once, at most 16, which do what `task` names; gives how many compiled. */
static int run_processes(int count, const char *task)
{
    pid_t pids[16];
    int built = 0;
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            execl(self, self, task, (char *)NULL);
            _exit(127);
        }
    }
    for (int i = 0; i < count; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        built += WEXITSTATUS(status) == BUILT_IT;
        if (WEXITSTATUS(status) != BUILT_IT)
            assert_int_equal(WEXITSTATUS(status), 0);
    }
    return built;
}

static void is_shared_by_processes(void **state)
{
    (void)state;
    need_binaries();
    assert_int_equal(run_processes(16, "use"), 1);
    assert_int_equal(rs_test_dir_count(programs), 1);
    assert_true(use_program("-DEXTRA=1"));
}

#ifdef __linux__
/* How often the driver linked a kernel: it moves each from its folder to that of the program. */
static int count_links(int watch)
{
    _Alignas(struct inotify_event) char events[16384];
    int links = 0;
    for (ssize_t bytes; (bytes = read(watch, events, sizeof events)) > 0;) {
        const struct inotify_event *event;
        for (ssize_t at = 0; at < bytes; at += (ssize_t)(sizeof *event + event->len)) {
            event = (const void *)(events + at);
            const size_t len = event->len > 0 ? strlen(event->name) : 0;
            links += len > 3 && strcmp(event->name + len - 3, ".so") == 0;
        }
    }
    return links;
}

/* A driver that compiles a kernel again for the group size of its launch does so in one process. */
static void compiles_for_a_launch_once(void **state)
{
    (void)state;
    const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, pocl, IN_MOVED_FROM) >= 0);
    assert_false(use_program("-DLAUNCHED=1"));
    const int links = count_links(watch);
    const bool known = has_quirk(RS_QUIRK_LAZY) && links > 0;
    if (known) {
        assert_int_equal(links, 1); /* for its launch, and not for a binary */
        assert_int_equal(run_processes(6, "launch"), 0);
        assert_int_equal(count_links(watch), 1);
        assert_int_equal(run_processes(2, "launch"), 0);
        assert_int_equal(count_links(watch), 0);
    }
    close(watch);
    if (!known) {
        print_message("skipped: launches that compile (the driver has none that can be counted)\n");
        skip();
    }
}
#endif

/* What is marked is nobody's to do; what was locked and not marked is the next one's. */
static void a_mark_ends_the_locking(void **state)
{
    (void)state;
    const rs_cache_key key = {{.lo = 1, .hi = 2}}, other = {{.lo = 1, .hi = 3}};
    for (int i = 0; i < 2; i++) {
        const int lock = rs_cache_try_lock_unmarked(&key);
        assert_true(lock >= 0);
        if (i == 1)
            rs_cache_mark(lock, &key);
        rs_cache_unlock(lock);
    }
    assert_int_equal(rs_cache_try_lock_unmarked(&key), -1);
    const int lock = rs_cache_try_lock_unmarked(&other);
    assert_true(lock >= 0);
    assert_int_equal(rs_cache_try_lock_unmarked(&key), -1); /* waits for no other key's lock */
    rs_cache_unlock(lock);
    assert_int_equal(setenv("RESCL_CACHE_LIMIT", "0", 1), 0);
    assert_int_equal(rs_cache_try_lock_unmarked(&other), -1);
}

/* The lock of a process that was killed is free. */
static void a_lock_ends_with_its_process(void **state)
{
    (void)state;
    const rs_cache_key key = {{.lo = 1, .hi = 2}};
    int end[2];
    char byte;
    assert_int_equal(pipe(end), 0);
    const pid_t holder = fork();
    if (holder == 0) {
        const int lock = rs_cache_try_lock(&key);
        (void)!write(end[1], lock >= 0 ? "1" : "0", 1);
        for (;;)
            pause();
    }
    assert_true(holder > 0);
    assert_int_equal(read(end[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    kill(holder, SIGKILL);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    const int lock = rs_cache_try_lock(&key);
    assert_true(lock >= 0);
    rs_cache_unlock(lock);
    close(end[0]);
    close(end[1]);
}

/* What each of the processes does. */
static void use_it_twice(void **state)
{
    (void)state;
    built_it = !use_program("-DEXTRA=1");
    assert_true(use_program("-DEXTRA=1"));
}

static void launch(void **state)
{
    (void)state;
    group_size = 2;
    assert_true(use_program("-DLAUNCHED=1"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest use[] = {cmocka_unit_test(use_it_twice)};
    const struct CMUnitTest launching[] = {cmocka_unit_test(launch)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_what_is_stored, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(keeps_it_under_any_umask, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(takes_nothing_that_is_damaged, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(drops_the_longest_unused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(serves_the_second_open, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(serves_the_second_open, make_dir_of_binaries,
                                        remove_dir_of_binaries),
        cmocka_unit_test_setup_teardown(depends_on_the_folder_of_the_driver, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(depends_on_the_source, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(depends_on_the_source, make_dir_of_binaries,
                                        remove_dir_of_binaries),
        cmocka_unit_test_setup_teardown(rebuilds_what_is_damaged, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rebuilds_what_is_damaged, make_dir_of_binaries,
                                        remove_dir_of_binaries),
        cmocka_unit_test_setup_teardown(rebuilds_what_the_driver_refuses, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rebuilds_what_the_driver_refuses, make_dir_of_binaries,
                                        remove_dir_of_binaries),
        cmocka_unit_test_setup_teardown(works_without_a_folder, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(trusts_no_planted_program, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(is_shared_by_processes, make_dir, remove_dir),
#ifdef __linux__
        cmocka_unit_test_setup_teardown(compiles_for_a_launch_once, make_dir, remove_dir),
#endif
        cmocka_unit_test_setup_teardown(a_mark_ends_the_locking, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_lock_ends_with_its_process, make_dir, remove_dir),
    };
    self = argv[0];
    if (argc > 1) {
        const int failed = strcmp(argv[1], "use") == 0
                               ? cmocka_run_group_tests(use, NULL, NULL)
                               : cmocka_run_group_tests(launching, NULL, NULL);
        return failed == 0 && built_it ? BUILT_IT : failed;
    }
    /* Processes that share PoCL's folder must share the locks in rescl's. */
    pocl = rs_test_dir_make();
    if (setenv("POCL_CACHE_DIR", pocl, 1) != 0)
        return 1;
    /* What comes of trying an engine is an entry of the cache, too. */
    if (setenv("RESCL_ENGINES", "none", 1) != 0)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rs_test_dir_remove(pocl);
    return failed;
}
