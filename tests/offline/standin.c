#include "standin.h"

#include "error.h"
#include "fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As its driver describes the device. */
static const struct target {
    const char *name, *architecture, *units, *subgroup, *group, *local, *engines;
} targets[] = {{"nv:sm_75", "sm_75", "40", "32", "1024", "49152", "none"},
               {"nv:sm_90", "sm_90", "132", "32", "1024", "49152", "nv_tf32,nv_bf16,nv_f16"},
               {"amd:gfx90a", "gfx90a", "104", "64", "256", "65536", "amd_mfma"},
               {"amd:gfx942", "gfx942", "304", "64", "256", "65536", "amd_mfma"},
               {"amd:gfx1030", "gfx1030", "40", "32", "256", "65536", "none"},
               {"amd:gfx1100", "gfx1100", "48", "32", "256", "65536", "amd_wmma"},
               {"intel:acm-g10", "xe_12.55", "32", "8", "1024", "65536", "intel_dpas"},
               {"intel:pvc", "xe_12.60", "128", "16", "1024", "131072", "intel_dpas"}};

static rescl_runtime *runtime;
static rescl_device *device;

void must(rescl_status st)
{
    if (st == RESCL_OK)
        return;
    fprintf(stderr, "%s\n", rescl_last_error()->message);
    exit(1);
}

/* What is read when the device is listed. */
static void describe(const struct target *t)
{
    const char *const variables[][2] = {{"RESCL_DEVICE_CLASS", "gpu"},
                                        {"RESCL_FLOAT_WIDTH", "1"},
                                        {"RESCL_ARCHITECTURE", t->architecture},
                                        {"RESCL_COMPUTE_UNITS", t->units},
                                        {"RESCL_SUBGROUP", t->subgroup},
                                        {"RESCL_MAX_GROUP", t->group},
                                        {"RESCL_MAX_LOCAL", t->local},
                                        {"RESCL_TUNE", "off"},
                                        {"RESCL_ENGINES", t->engines}};
    for (size_t i = 0; i < RS_COUNT(variables); i++)
        setenv(variables[i][0], variables[i][1], 1);
    unsetenv("RESCL_IMPL");
}

rescl_device *standin_open(const char *target)
{
    size_t i = 0;
    while (i < RS_COUNT(targets) && strcmp(targets[i].name, target) != 0)
        i++;
    if (i == RS_COUNT(targets)) {
        fprintf(stderr, "%s is no target; there are", target);
        for (i = 0; i < RS_COUNT(targets); i++)
            fprintf(stderr, " %s", targets[i].name);
        fprintf(stderr, "\n");
        exit(2);
    }
    describe(&targets[i]);
    must(rescl_runtime_create(&runtime));
    must(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device));
    return device;
}

void standin_close(void)
{
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
}
