/* Groups of parameters: how much each decays, and at what rate it is trained. */
#ifndef RS_GROUPS_H
#define RS_GROUPS_H

#include "trainer.h"

/* Puts the graph's trained parameters into their groups: body and head, and within each normalisations and
 * biases where the options give them a weight decay of their own, by the rule of torchvision's
 * set_weight_decay: a bias is a bias also in a normalisation. Before the graph is planned. RESCL_ERR_ARG for
 * a decay below 0 that is not -1. */
rescl_status rs_groups_assign(rs_graph *g, const rescl_train_options *o) RESCL_CHECK;

/* Whether any parameters decay. */
bool rs_groups_decay(const rescl_train_options *o);

/* What an update goes by. */
rs_rates rs_groups_rates(const rescl_train_options *o, double lr_head, double lr_body,
                         double momentum);

#endif
