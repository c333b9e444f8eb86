/* Lists the OpenCL devices and measures one: what it can do at most, and what a network gets of it.
 *
 *     measure_device [SELECTOR [MODEL [SIZE [BATCH]]]]      auto resnet50 224 8 unless told
 *
 * SELECTOR is "auto", "cpu", "gpu", "0:1" or a part of a name. */
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what)
{
    fprintf(stderr, "measure_device: %s: %s\n", what, rescl_last_error()->message);
    return 1;
}

static void list_devices(const rescl_runtime *runtime)
{
    for (size_t i = 0; i < rescl_runtime_device_count(runtime); i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(runtime, i);
        printf("%zu:%zu  %s, %u compute units, %.1f GiB%s%s\n", d->platform, d->device, d->name,
               d->compute_units, (double)d->global_bytes / (1 << 30),
               d->usable ? "" : "; cannot be used: ", d->reason);
    }
}

static void tell(const rescl_bench_row *row, void *user)
{
    (void)user;
    printf("%s %zux%zu, batch %zu: %.1f images/s%s\n", row->what, row->size, row->size, row->batch,
           row->rate, row->noisy ? ", noisy" : "");
}

static int measure(rescl_device *device, const rescl_bench_options *options)
{
    rescl_bench_limits peak;

    printf("measuring %s\n", rescl_device_get_info(device)->name);
    if (rescl_bench_peak(device, &peak) != RESCL_OK)
        return complain("peak");
    printf("peak: %.0f Gflop/s, %.1f GB/s\n", peak.fma_gflops, peak.read_gbs);
    if (rescl_bench_model(device, options, tell, NULL) != RESCL_OK)
        return complain(options->model);
    return 0;
}

int main(int argc, char **argv)
{
    rescl_bench_options options;
    rescl_bench_options_default(&options);
    if (argc > 2)
        options.model = argv[2];
    if (argc > 3)
        options.size = strtoul(argv[3], NULL, 10);
    options.batch = argc > 4 ? strtoul(argv[4], NULL, 10) : 8;

    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    int failed = 0;
    if (rescl_runtime_create(&runtime) != RESCL_OK)
        return complain("looking for devices");
    list_devices(runtime);
    if (rescl_device_open(runtime, argc > 1 ? argv[1] : "auto", 0, &device) != RESCL_OK)
        failed = complain("opening the device");
    else
        failed = measure(device, &options);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return failed;
}
