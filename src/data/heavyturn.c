#include "heavyturn.h"

#include <pthread.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void rs_heavy_turn_begin(void)
{
    pthread_mutex_lock(&turn);
}

void rs_heavy_turn_end(void)
{
    pthread_mutex_unlock(&turn);
}
