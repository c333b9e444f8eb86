/* Which library is running, and what it was built with. */
#include <rescl/status.h>
#include <stddef.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/* RS_FEATURES comes from the build: each optional library that was found, as "hdf5", */
static const char *const features[] = {RS_FEATURES NULL};

const char *rescl_version(void)
{
    return TEXT(RESCL_VERSION_MAJOR) "." TEXT(RESCL_VERSION_MINOR) "." TEXT(RESCL_VERSION_PATCH);
}

int rescl_version_number(void)
{
    return RESCL_VERSION_NUMBER;
}

const char *const *rescl_features(void)
{
    return features;
}

bool rescl_has_feature(const char *name)
{
    for (size_t i = 0; name && features[i]; i++)
        if (strcmp(features[i], name) == 0)
            return true;
    return false;
}
