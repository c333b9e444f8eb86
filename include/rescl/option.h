/**
 * @file option.h
 * What an option is: its name, type, range and meaning, for programs that list options or set them
 * by name. rescl_train_options_at() lists those of training.
 */
#ifndef RESCL_OPTION_H
#define RESCL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rescl_option_type {
    RESCL_OPTION_BOOL = 0, /**< bool: "true" or "false" */
    RESCL_OPTION_SIZE,     /**< size_t */
    RESCL_OPTION_U64,      /**< uint64_t */
    RESCL_OPTION_REAL,     /**< double */
    RESCL_OPTION_CHOICE,   /**< const char *: one of `choices` */
    RESCL_OPTION_TEXT      /**< const char *: anything; NULL where it is unset */
} rescl_option_type;

/** A value of any of these types. */
typedef union rescl_option_value {
    bool flag;
    size_t size;
    uint64_t u64;
    double real;
    const char *text;
} rescl_option_value;

/** What becomes of an option when a run is resumed from a checkpoint. */
typedef enum rescl_option_resume {
    RESCL_RESUME_SAME = 0, /**< it shapes the weights: the run has to repeat it */
    RESCL_RESUME_FREE,     /**< it may change; the checkpoint says what it was */
    RESCL_RESUME_FORGET    /**< checkpoints do not hold it */
} rescl_option_resume;

/** One option. Strings belong to the library. */
typedef struct rescl_option {
    const char *name; /**< such as "batch_size": that of the member and in files */
    rescl_option_type type;
    const char *value;  /**< the default as text; NULL: unset */
    const char *range;  /**< of a number, as an interval such as "[0,1)" or "[1,inf)"; else NULL */
    const char *limits; /**< the wider interval that a program may go to which sets the member
                         * itself; NULL: `range` */
    const char *const *choices; /**< NULL-terminated; NULL unless it is a choice */
    rescl_option_resume resume;
    const char *group; /**< what it belongs to, such as "optimiser"; NULL: set by programs, not
                          * by their users */
    const char *help;  /**< what it does: "learning rate" */
    const char
        *metavar;      /**< what stands for its value in a help text, such as "RATE"; NULL: BOOL */
    const char *alias; /**< another name on the command line, or NULL */
    char letter;       /**< of a short flag, or 0 */
    const char *
        zero; /**< a word that means 0, such as "auto", whether or not `range` has that; NULL: none */
} rescl_option;

#ifdef __cplusplus
}
#endif
#endif
