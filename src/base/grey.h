/* What networks for grey images have in place of a number for each colour. */
#ifndef RS_GREY_H
#define RS_GREY_H

/* The mean, which of equal numbers is the number itself, to the bit. */
static inline double rs_mean_of_three(const double v[3])
{
    return v[0] + ((v[1] - v[0]) + (v[2] - v[0])) / 3.0;
}

#endif
