/* The parts of the generator of hands: a scene is made from random numbers (handsigns_pose.c) and
 * then drawn at any size (handsigns_draw.c). Everything is integer arithmetic (fixed.h), so a scene
 * and its image are the same on every machine.
 *
 * Lengths in a scene are in units of 1 / RS_HAND_SIDE of the image's side; x goes right, y down,
 * z towards the viewer. Colours are 0..255 RGB. */
#ifndef RS_HANDSIGNS_H
#define RS_HANDSIGNS_H

#include <stddef.h>
#include <stdint.h>

#define RS_HAND_SIDE     16384
#define RS_HAND_MAX_SIZE 1024 /* largest image drawn */

typedef struct rs_point3 {
    int32_t x, y, z;
} rs_point3;

typedef enum rs_part_kind {
    RS_PART_PALM,
    RS_PART_FINGER,
    RS_PART_ARM,
    RS_PART_SLEEVE
} rs_part_kind;

/* A tapered capsule: the hull of two balls, its height scaled by flat / 256. */
typedef struct rs_part {
    rs_part_kind kind;
    rs_point3 a, b;
    int32_t ra, rb;
    int32_t flat;
    int32_t blend; /* how softly it merges with what lies there already */
    int crease_a;  /* a crease across the skin at `a`: 0 none .. 256 */
    int nail;      /* a nail at `b` */
} rs_part;

/* A soft-edged ellipse or rectangle behind the hand. */
typedef struct rs_shape2d {
    int box;
    int32_t x, y, rx, ry, cos14, sin14;
    int32_t soft;  /* width of the edge */
    int32_t alpha; /* 0..256 */
    int32_t color[3];
} rs_shape2d;

#define RS_HAND_PARTS  32
#define RS_HAND_SHAPES 6
#define RS_HAND_LINES  3

typedef struct rs_scene {
    rs_part part[RS_HAND_PARTS];
    size_t parts;
    rs_point3 line[RS_HAND_LINES][3]; /* lines of the palm, each through three points */
    size_t lines;                     /* 0 when the back of the hand is seen */
    int32_t unit;                     /* a hand's length / 1024, in 1/16 */

    int32_t skin[3], sleeve[3], nail[3];
    int32_t mottle;          /* strength of the skin's unevenness, 0..256 */
    int32_t light[3];        /* towards the light, 256 long */
    int32_t ambient, shadow; /* 0..256 */

    int32_t back[2][3];             /* gradient's colours */
    int32_t back_cos14, back_sin14; /* its direction */
    int32_t texture;                /* strength of the background's unevenness */
    rs_shape2d shape[RS_HAND_SHAPES];
    size_t shapes;

    int32_t gain[3];       /* exposure and tint, 256 = 1 */
    int blur;              /* passes of a 3 x 3 binomial filter */
    int32_t noise;         /* of a pixel, 0..255 */
    uint64_t seed, stream; /* of the noise and of the textures */
} rs_scene;

/* Fills the scene of one image showing `fingers` (0..5) raised fingers, in one of the ways to do so. */
void rs_handsigns_pose(rs_scene *scene, uint64_t seed, uint64_t stream, int fingers);

/* All ways, with their names, such as "thumb-index". */
#define RS_HAND_WAYS 10
const char *rs_handsigns_way(int way);
void rs_handsigns_pose_way(rs_scene *scene, uint64_t seed, uint64_t stream, int way);

/* Draws `size` x `size` RGB pixels. `scratch` holds rs_handsigns_scratch(size) bytes, aligned for
 * int32_t. 1 <= size <= RS_HAND_MAX_SIZE. */
void rs_handsigns_draw(const rs_scene *scene, size_t size, uint8_t *pixels, void *scratch);
size_t rs_handsigns_scratch(size_t size);

#endif
