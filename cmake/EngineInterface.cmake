# Writes generated/host/engine/interface.hpp: a hash of every header that two of libstampede, the CPU's modules, the module of
# doubles and the CUDA module share: of all that crosses a border between them, and of the kernels that they must agree on. A
# module that was compiled with others is refused when it is loaded.
#
#   cmake -DSOURCE_DIR=... -DOUTPUT=... -P EngineInterface.cmake
#
# Run at every build, as no list of headers is kept; the file changes only with the hash, so only what includes it is
# compiled again.

cmake_policy(VERSION 3.22)

# headers_of(RESULT FILES...): the project's headers that these files include, and those that they include.
function(headers_of result)
  set(waiting ${ARGN})
  set(found "")
  while(waiting)
    set(next "")
    foreach(file IN LISTS waiting)
      file(STRINGS ${SOURCE_DIR}/${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"[^\"]+\"")
      foreach(line IN LISTS lines)
        string(REGEX REPLACE "^[^\"]*\"([^\"]+)\".*$" "\\1" header "${line}")
        if(NOT header IN_LIST found AND EXISTS ${SOURCE_DIR}/${header})
          list(APPEND found ${header})
          list(APPEND next ${header})
        endif()
      endforeach()
    endforeach()
    set(waiting ${next})
  endwhile()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE library RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/host/*.cpp)
list(FILTER library EXCLUDE REGEX "^host/(app/cli|cpu|modules)/")
file(GLOB cpu RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/host/cpu/*.cpp ${SOURCE_DIR}/host/modules/cpu/*.cpp)
file(GLOB double RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/host/modules/cpu/double/*.cpp)
file(GLOB_RECURSE cuda RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/cuda/*.cu ${SOURCE_DIR}/cuda/*.cpp)
set(seen "")
set(shared "")
foreach(part IN ITEMS library cpu double cuda)
  headers_of(headers ${${part}})
  foreach(header IN LISTS headers)
    if(header IN_LIST seen)
      list(APPEND shared ${header})
    endif()
  endforeach()
  list(APPEND seen ${headers})
endforeach()
list(REMOVE_DUPLICATES shared)
list(SORT shared)

set(text "")
foreach(header IN LISTS shared)
  file(SHA256 ${SOURCE_DIR}/${header} hash)
  string(APPEND text "${header} ${hash}\n")
endforeach()
string(SHA256 STAMPEDE_ENGINE_INTERFACE "${text}")
string(SUBSTRING ${STAMPEDE_ENGINE_INTERFACE} 0 16 STAMPEDE_ENGINE_INTERFACE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/../host/engine/interface.hpp.in ${OUTPUT} @ONLY)
