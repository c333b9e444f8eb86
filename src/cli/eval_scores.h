/* What eval says of each class. */
#ifndef CLI_EVAL_SCORES_H
#define CLI_EVAL_SCORES_H

#include <jansson.h>
#include <rescl/rescl.h>
#include <stdio.h>

/* A table of precision, recall, F1 and images of the classes that the data has, of many those of the
 * lowest F1; below it the pairs that are confused most often. Exit code. */
int cli_scores_print(rescl_scores *scores, const rescl_model *model, FILE *f);

/* The table of all classes as CSV. Exit code. */
int cli_scores_print_csv(rescl_scores *scores, const rescl_model *model, FILE *f);

/* Adds "ece", "macro", "weighted", "classes" and "confused". Exit code. */
int cli_scores_json(json_t *o, rescl_scores *scores, const rescl_model *model);

/* False after a message about the usage if the name does not end with .csv or .html; NULL is legal. */
bool cli_confusion_check(const char *path);
/* Writes the matrix of labels and predictions. Exit code. */
int cli_confusion_write(const rescl_scores *scores, const rescl_model *model, const char *path);

#endif
