/* env.json of a run folder. */
#ifndef RS_ENVFILE_H
#define RS_ENVFILE_H

#include <rescl/train.h>
#include <rescl/tune.h>

/* What the run ran on: rescl's version, device, driver, platform, tuning, system, processors, model
 * and options. */
rescl_status rs_env_write(const char *path, const rescl_device_info *device,
                          const rescl_tuning *tuning, const char *model,
                          const rescl_train_options *options) RESCL_CHECK;

#endif
