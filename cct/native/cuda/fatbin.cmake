# Sets CCT_FATBIN, CCT_NVCC_VERSION and CCT_CUDA_ARCHITECTURES when the library gets CUDA routines, and says so.
#
# nvcc is the one that CUDACXX or the cache variable CCT_NVCC names, or else that of the PATH. -DCCT_CUDA=OFF does
# without. No CUDA language, headers or libraries: nvcc makes one file of machine code, which the library embeds.

option(CCT_CUDA "Build the CUDA routines if there is nvcc" ON)

# Turing, Ampere (server, others), Ada, Hopper, Blackwell (server, others); what comes later compiles the PTX.
set(CCT_CUDA_WANTED 75 80 86 89 90 100 120)
set(CCT_CUDA_PTX 80)
set(CCT_FATBIN_FLAGS -std=c++17 -O3 -fatbin -t 2)

set(CCT_FATBIN "")
if(NOT CCT_CUDA)
  message(STATUS "cct: CCT_CUDA is OFF: the library has no CUDA routines")
  return()
endif()
if(DEFINED ENV{CUDACXX})
  find_program(CCT_NVCC NAMES $ENV{CUDACXX})
  if(NOT CCT_NVCC)
    message(FATAL_ERROR "cct: CUDACXX is $ENV{CUDACXX}, which is no program: unset it, or name nvcc")
  endif()
endif()
find_program(CCT_NVCC NAMES nvcc)
if(NOT CCT_NVCC)
  message(STATUS "cct: no nvcc: the library has no CUDA routines")
  return()
endif()

# What this nvcc knows, and whether it finds its headers and a compiler that it can work with.
execute_process(COMMAND ${CCT_NVCC} --version OUTPUT_VARIABLE said ERROR_QUIET)
string(REGEX MATCH "release ([0-9]+)\\.([0-9]+)" CCT_NVCC_VERSION "${said}")
set(CCT_NVCC_VERSION ${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
execute_process(COMMAND ${CCT_NVCC} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
set(CCT_CUDA_ARCHITECTURES "")
set(codes "")
foreach(architecture ${CCT_CUDA_WANTED})
  if(known MATCHES "sm_${architecture}\n")
    list(APPEND codes -gencode=arch=compute_${architecture},code=sm_${architecture})
    string(REGEX REPLACE "(.)$" ".\\1 " text ${architecture})
    string(APPEND CCT_CUDA_ARCHITECTURES ${text})
  endif()
endforeach()
string(STRIP "${CCT_CUDA_ARCHITECTURES}" CCT_CUDA_ARCHITECTURES)
list(APPEND codes -gencode=arch=compute_${CCT_CUDA_PTX},code=compute_${CCT_CUDA_PTX})
set(trial ${CMAKE_CURRENT_BINARY_DIR}/trial)
file(WRITE ${trial}.cu "#include <cuda_runtime.h>\n__global__ void trial(const __grid_constant__ int x) {}\n")
list(GET CCT_NVCC_VERSION 0 major)
if(major GREATER_EQUAL 13)  # a quarter of the size; not every driver of CUDA 12 can unpack it
  list(APPEND CCT_FATBIN_FLAGS -compress-mode=size)
endif()
execute_process(
  COMMAND ${CCT_NVCC} ${CCT_FATBIN_FLAGS} -arch=sm_${CCT_CUDA_PTX} -o ${trial}.fatbin ${trial}.cu
  RESULT_VARIABLE failed ERROR_VARIABLE why OUTPUT_VARIABLE why)
if(NOT CCT_CUDA_ARCHITECTURES)
  set(failed TRUE)
  set(why "it is too old")
endif()
if(failed)
  string(REGEX MATCH "[^\n]+" why "${why}")
  message(STATUS "cct: ${CCT_NVCC} does not work (${why}): the library has no CUDA routines")
  return()
endif()

set(CCT_FATBIN ${CMAKE_CURRENT_BINARY_DIR}/pattern_conv.fatbin)
add_custom_command(OUTPUT ${CCT_FATBIN}
  COMMAND ${CCT_NVCC} ${CCT_FATBIN_FLAGS} ${codes} -I${CMAKE_CURRENT_SOURCE_DIR} -MD -MF ${CCT_FATBIN}.d -o ${CCT_FATBIN}
    ${CMAKE_CURRENT_SOURCE_DIR}/cuda/pattern_conv.cu
  MAIN_DEPENDENCY ${CMAKE_CURRENT_SOURCE_DIR}/cuda/pattern_conv.cu
  DEPFILE ${CCT_FATBIN}.d
  COMMENT "CUDA routines for ${CCT_CUDA_ARCHITECTURES}"
  VERBATIM)
list(JOIN CCT_NVCC_VERSION "." version)
message(STATUS "cct: CUDA routines: built with nvcc ${version} for compute capability ${CCT_CUDA_ARCHITECTURES}")
