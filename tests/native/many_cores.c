/* Loaded before the C library: as many cores as the environment says, for what asks before it makes threads.
 */
#include <stdlib.h>

int get_nprocs(void) { return atoi(getenv("CCT_TEST_CORES")); }
