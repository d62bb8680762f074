/* Loaded before the C library: as many cores as CCT_TEST_CORES says, for what asks before it makes threads,
 * and second-level caches of CCT_TEST_CACHE bytes, if it is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int get_nprocs(void) { return atoi(getenv("CCT_TEST_CORES")); }

long sysconf(int name) {
  static long (*real)(int);
  const char* cache = getenv("CCT_TEST_CACHE");
  if (name == _SC_LEVEL2_CACHE_SIZE && cache) return atol(cache);
  if (!real) real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
  return real(name);
}
