# Finds nvcc and enables CUDA. Sets STAMPEDE_HAS_CUDA; makes the interface target stampede_cuda_flags, which for an emulated
# device tests/emulator makes.
if(NOT STAMPEDE_CUDA MATCHES "^(AUTO|ON|OFF|EMULATED)$")
  message(FATAL_ERROR "STAMPEDE_CUDA: '${STAMPEDE_CUDA}' is not one of: AUTO ON OFF EMULATED")
endif()
if(STAMPEDE_CUDA STREQUAL "EMULATED")
  set(STAMPEDE_HAS_CUDA ON)
  message(STATUS "CUDA: emulated on the CPU (tests/emulator)")
  return()
endif()

set(STAMPEDE_HAS_CUDA OFF)
if(NOT STAMPEDE_CUDA STREQUAL "OFF")
  if(NOT CMAKE_CUDA_COMPILER AND DEFINED ENV{CUDACXX})
    set(CMAKE_CUDA_COMPILER $ENV{CUDACXX})
  endif()
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(STAMPEDE_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda/bin PATH_SUFFIXES bin)
    if(STAMPEDE_NVCC)
      set(CMAKE_CUDA_COMPILER ${STAMPEDE_NVCC})
    endif()
  endif()
  if(CMAKE_CUDA_COMPILER)
    set(STAMPEDE_HAS_CUDA ON)
  elseif(STAMPEDE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STAMPEDE_CUDA=ON, but there is no nvcc on PATH, in CUDACXX or in /usr/local/cuda/bin")
  endif()
endif()

if(NOT STAMPEDE_HAS_CUDA)
  if(STAMPEDE_CUDA STREQUAL "OFF")
    message(STATUS "CUDA: off (STAMPEDE_CUDA)")
  else()
    message(STATUS "CUDA: off (no nvcc on PATH, in CUDACXX or in /usr/local/cuda/bin)")
  endif()
  return()
endif()

# One PTX: nothing in the sources differs by architecture, and to make it takes longest. The driver makes code of it for cards
# that the module has none for; STAMPEDE_CUDA_CODE, for A100, H100 and B200, goes with it. Cards of the same generation run the
# code of the first (8.6 and 8.9 that of 8.0).
set(default_architectures 80-virtual)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${default_architectures} CACHE STRING "CUDA architectures")
endif()
set(STAMPEDE_CUDA_CODE "")
if(CMAKE_CUDA_ARCHITECTURES STREQUAL default_architectures)
  set(STAMPEDE_CUDA_CODE "--generate-code=arch=compute_80,code=[sm_80,sm_90,sm_100]")
endif()
if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

# CMake 3.25 knows no C++20 of this nvcc.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)

add_library(stampede_cuda_flags INTERFACE)
target_compile_options(stampede_cuda_flags INTERFACE
                       $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
                       $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fvisibility=hidden,-fvisibility-inlines-hidden>)
if(STAMPEDE_WARNINGS_AS_ERRORS)
  target_compile_options(stampede_cuda_flags INTERFACE
                         $<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings>
                         $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror>)
endif()
target_link_libraries(stampede_cuda_flags INTERFACE stampede_flags CUDA::cudart CUDA::cublasLt)
string(REPLACE ";" " " architectures "${CMAKE_CUDA_ARCHITECTURES}")
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_COMPILER_VERSION} for ${architectures} ${STAMPEDE_CUDA_CODE}")
