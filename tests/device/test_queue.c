/* A closed device leaves nothing of its driver running: at exit that would meet what ends then. */
#include "clinternal.h"
#include "device_support.h"
#include "testing.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Threads of queues, as Mesa's rusticl calls them. */
static size_t queue_threads(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fgets(name, sizeof name, f))
            count += strstr(name, "queue t") != NULL;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return count;
}

static void use(rescl_device *dev)
{
    enum { BYTES = 1 << 20 };
    rs_buffer *buf = NULL;
    rs_staging *staging = NULL;
    assert_ok(rs_buffer_create(dev, BYTES, &buf));
    assert_ok(rs_fill_zero(dev, buf, 0, BYTES));
    assert_ok(rs_staging_create(dev, BYTES, &staging));
    rs_staging_destroy(staging);
    rs_buffer_release(buf);
}

static void threads_end_with_their_queues(void **state)
{
    (void)state;
    enum { TIMES = 8 };
    rescl_runtime *runtime = NULL;
    rescl_device *dev = test_device_open(&runtime);
    if (!(dev->hw->quirks & RS_QUIRK_LOOSE_THREADS)) {
        print_message("skipped: quirks.def does not say that this driver leaves threads\n");
        test_device_close(runtime, dev);
        skip();
    }
    use(dev);
    assert_int_equal(queue_threads(), 1);
    test_device_close(runtime, dev);
    assert_int_equal(queue_threads(), 0);
    for (int i = 0; i < TIMES; i++) {
        dev = test_device_open(&runtime);
        use(dev);
        test_device_close(runtime, dev);
        assert_int_equal(queue_threads(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_end_with_their_queues)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
