/* A libcuda.so.1 that only tells what it has: VERSION, FAILURE of cuInit, COUNT GPUs of MAJOR.MINOR. */
#include <stddef.h>
#include <string.h>

int cuDriverGetVersion(int* version) { return *version = VERSION, 0; }
int cuInit(unsigned flags) { return flags ? 1 : FAILURE; }
int cuGetErrorName(int error, const char** name) {
  return *name = error == 100 ? "CUDA_ERROR_NO_DEVICE" : NULL, 0;
}
int cuGetErrorString(int error, const char** text) {
  return *text = error == 100 ? "no CUDA-capable device is detected" : NULL, 0;
}
int cuDeviceGetCount(int* count) { return *count = COUNT, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = 10 + ordinal, ordinal >= COUNT; }
int cuDeviceGetName(char* name, int size, int device) {
  return strncpy(name, "Test\x1b GPU", size), device < 10;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return *value = attribute == 75 ? MAJOR : attribute == 76 ? MINOR : 0, device < 10;
}
#ifndef OLD
int cuDeviceTotalMem_v2(size_t* bytes, int device) { return *bytes = (size_t)80 << 30, device < 10; }
#endif
