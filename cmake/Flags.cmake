# What all C++ targets share: the standard, warnings, sanitizers, parity, ccache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

find_program(STAMPEDE_CCACHE ccache)
if(STAMPEDE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Not for nvcc: ccache preprocesses for one of several architectures only.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${STAMPEDE_CCACHE})
endif()

# stampede_unity(TARGET): with STAMPEDE_UNITY, sources of one UNITY_GROUP are compiled as one file, and what they include once.
function(stampede_unity target)
  if(STAMPEDE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    # A class that nothing but its source file names may have members of that file's own types. Not as an option, which
    # clang-tidy would not know.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set_target_properties(${target} PROPERTIES UNITY_BUILD_CODE_BEFORE_INCLUDE
                            "#pragma GCC diagnostic ignored \"-Wsubobject-linkage\"")
    endif()
  endif()
endfunction()

add_library(stampede_flags INTERFACE)
target_compile_options(stampede_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow>)
if(STAMPEDE_WARNINGS_AS_ERRORS)
  target_compile_options(stampede_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_include_directories(stampede_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)

if(STAMPEDE_SANITIZE)
  target_compile_options(stampede_flags INTERFACE -fsanitize=${STAMPEDE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(stampede_flags INTERFACE -fsanitize=${STAMPEDE_SANITIZE})
  # What goes through a null pointer or past an object, AddressSanitizer sees by itself; packs are read and written wherever
  # they lie. To check for it at each access again takes a third of the compiler's time.
  if(STAMPEDE_SANITIZE MATCHES "address")
    target_compile_options(stampede_flags INTERFACE -fno-sanitize=null,alignment,object-size,vptr)
  endif()
endif()
if(STAMPEDE_PARITY)
  target_compile_options(stampede_flags INTERFACE
                         $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>
                         $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false>
                         $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-ffp-contract=off>)
  target_compile_definitions(stampede_flags INTERFACE STAMPEDE_PARITY=1)
endif()
