/* A program that knows only the installed rescl. */
#include <rescl/rescl.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", RESCL_VERSION_MAJOR, RESCL_VERSION_MINOR,
             RESCL_VERSION_PATCH);
    if (strcmp(rescl_version(), expected) != 0) {
        fprintf(stderr, "headers are %s, library is %s\n", expected, rescl_version());
        return 1;
    }
    rescl_runtime *runtime = NULL;
    rescl_status st = rescl_runtime_create(&runtime);
    if (st != RESCL_OK && st != RESCL_ERR_NOT_FOUND) {
        fprintf(stderr, "rescl_runtime_create: %s\n", rescl_last_error()->message);
        return 1;
    }
    rescl_runtime_destroy(runtime);
    printf("rescl %s\n", rescl_version());
    return 0;
}
