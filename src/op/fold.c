#include "fold.h"

#include "spread.h"

rescl_status rs_fold_kernel(rescl_device *dev, rs_kernel **out)
{
    return rs_kernel_get(dev, "fold", "", "fold_batchnorm", out);
}

rescl_status rs_fold_enqueue(rescl_device *dev, rs_kernel *kernel, const rs_fold *f)
{
    const rs_grid grid = {.items = {f->rows * f->channels, 1, 1},
                          .group = {rs_group_size(rs_device_caps(dev), 64), 1, 1}};
    return RS_LAUNCH(dev, kernel, grid, RS_BUF(f->weight), RS_BUF(f->bias), RS_BUF(f->gamma),
                     RS_BUF(f->beta), RS_BUF(f->mean), RS_BUF(f->var), RS_FLOAT(f->eps),
                     RS_BUF(f->folded_weight), RS_BUF(f->folded_bias), RS_UINT(f->rows),
                     RS_UINT(f->channels), RS_DIVISOR(rs_divisor_of(f->channels)));
}
