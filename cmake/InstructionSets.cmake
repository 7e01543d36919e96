# The CPU's kernels are compiled once for each instruction set; the program chooses at run time.
# For each NAME in STAMPEDE_ISAS there are interface targets: stampede_packs_NAME with its flags, and stampede_isa_NAME, which
# optimises as well.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  set(STAMPEDE_ALL_ISAS avx512 avx2 baseline)
else()
  set(STAMPEDE_ALL_ISAS baseline)
endif()

# What this processor runs, widest first.
set(STAMPEDE_NATIVE_ISAS baseline)
if(EXISTS /proc/cpuinfo)
  file(STRINGS /proc/cpuinfo flags REGEX "^flags" LIMIT_COUNT 1)
  if(flags MATCHES " avx2 " AND flags MATCHES " fma " AND flags MATCHES " bmi2 ")
    list(PREPEND STAMPEDE_NATIVE_ISAS avx2)
    if(flags MATCHES " avx512f " AND flags MATCHES " avx512dq " AND flags MATCHES " avx512bw " AND flags MATCHES " avx512vl ")
      list(PREPEND STAMPEDE_NATIVE_ISAS avx512)
    endif()
  endif()
endif()

if(STAMPEDE_INSTRUCTION_SETS STREQUAL "all")
  set(STAMPEDE_ISAS ${STAMPEDE_ALL_ISAS})
elseif(STAMPEDE_INSTRUCTION_SETS STREQUAL "runnable")
  set(STAMPEDE_ISAS ${STAMPEDE_NATIVE_ISAS})
elseif(STAMPEDE_INSTRUCTION_SETS STREQUAL "native")
  list(GET STAMPEDE_NATIVE_ISAS 0 STAMPEDE_ISAS)
elseif(STAMPEDE_INSTRUCTION_SETS STREQUAL "one")
  set(STAMPEDE_ISAS baseline)
  if("avx2" IN_LIST STAMPEDE_NATIVE_ISAS)
    set(STAMPEDE_ISAS avx2)
  endif()
else()
  set(STAMPEDE_ISAS ${STAMPEDE_INSTRUCTION_SETS})
endif()
foreach(isa IN LISTS STAMPEDE_ISAS)
  if(NOT isa IN_LIST STAMPEDE_ALL_ISAS)
    message(FATAL_ERROR "STAMPEDE_INSTRUCTION_SETS: '${isa}' is not one of: all runnable native one ${STAMPEDE_ALL_ISAS}")
  endif()
endforeach()
# The widest first, in whatever order they were named: the last is the plainest.
set(sorted ${STAMPEDE_ALL_ISAS})
foreach(isa IN LISTS STAMPEDE_ALL_ISAS)
  if(NOT isa IN_LIST STAMPEDE_ISAS)
    list(REMOVE_ITEM sorted ${isa})
  endif()
endforeach()
set(STAMPEDE_ISAS ${sorted})
message(STATUS "CPU modules: ${STAMPEDE_ISAS}")

set(STAMPEDE_FLAGS_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mavx2 -mbmi2)
set(STAMPEDE_FLAGS_avx2 -mavx2 -mfma -mbmi2)
set(STAMPEDE_FLAGS_baseline "")
set(STAMPEDE_WIDTH_avx512 16)
set(STAMPEDE_WIDTH_avx2 8)
set(STAMPEDE_WIDTH_baseline 4)

# -fno-signed-zeros and its neighbours allow what vectorising needs and keep every rounding, NaN and infinity;
# -ffast-math would not. Inlines are hidden so that no code of one instruction set is ever run in another's place.
foreach(isa IN LISTS STAMPEDE_ISAS)
  add_library(stampede_packs_${isa} INTERFACE)
  target_compile_options(stampede_packs_${isa} INTERFACE
                         ${STAMPEDE_FLAGS_${isa}} -fno-math-errno -fno-trapping-math -fno-signed-zeros
                         -fvisibility=hidden -fvisibility-inlines-hidden -Wno-psabi)
  # Kernels have thousands of packs on the stack, whose scopes take most of a sanitizer's build to follow.
  if(STAMPEDE_SANITIZE MATCHES "address")
    target_compile_options(stampede_packs_${isa} INTERFACE -fno-sanitize-address-use-after-scope)
  endif()
  target_compile_definitions(stampede_packs_${isa} INTERFACE
                             STAMPEDE_INSTRUCTION_SET="${isa}" STAMPEDE_PACK_WIDTH=${STAMPEDE_WIDTH_${isa}})
  target_link_libraries(stampede_packs_${isa} INTERFACE stampede_flags)

  # Kernels for comparisons and for sanitizers, and those for a processor of before 2013 in a build for newer ones as well, are
  # better compiled soon than fast.
  add_library(stampede_isa_${isa} INTERFACE)
  target_link_libraries(stampede_isa_${isa} INTERFACE stampede_packs_${isa})
  if(STAMPEDE_SANITIZE OR STAMPEDE_PARITY OR (isa STREQUAL "baseline" AND "avx2" IN_LIST STAMPEDE_ISAS))
    target_compile_options(stampede_isa_${isa} INTERFACE -O1)
  elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(stampede_isa_${isa} INTERFACE -O3)
  endif()
endforeach()
