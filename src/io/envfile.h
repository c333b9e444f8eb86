/* env.json of a run folder. */
#ifndef RS_ENVFILE_H
#define RS_ENVFILE_H

#include <jansson.h>
#include <rescl/tune.h>

/* What the run ran on: rescl's version, device, driver, platform, tuning, system, processors, model,
 * options (an object, by name) and data (an object). */
rescl_status rs_env_write(const char *path, const rescl_device_info *device,
                          const rescl_tuning_info *tuning, const char *model, const json_t *options,
                          const json_t *data) RESCL_CHECK;

#endif
